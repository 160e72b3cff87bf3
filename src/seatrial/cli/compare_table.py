"""How a comparison is printed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer

from seatrial.cli.output import STYLES, say_table

if TYPE_CHECKING:
    from seatrial.comparison.answering import Outcome
    from seatrial.contracts import Comparison, Estimate

NOBODY = "no challenger: the only run that could be compared is the champion's own"


def as_json(outcome: Outcome) -> dict[str, Any]:
    """All of it, for machines; `comparison` is comparison.json."""
    found, package = outcome.comparison, outcome.package
    return {
        "comparison": None if found is None else found.model_dump(mode="json"),
        "judged_on": outcome.judged_on,
        "model_package_arn": package and package.package_arn,
        "state": package and package.state,
        "approved": bool(package and package.approved),
        "model_version": outcome.version,
        "tracked_run": outcome.tracked_run,
        "champion_version": outcome.followed and outcome.followed.champion.version,
    }


def say_outcome(outcome: Outcome, *, dry_run: bool) -> None:
    """The two sides, the guards, the verdict, and what was done about it."""
    found = outcome.comparison
    if outcome.followed is not None:
        typer.echo(str(outcome.followed))
    if found is None:
        typer.echo(NOBODY)
        return
    say_sides(found)
    if found.guards:
        from rich.markup import escape

        say_table(
            "guards",
            ("", "guard", "of what", "measured"),
            [
                (
                    f"[{STYLES[guard.status]}]{guard.status}[/]",
                    guard.code,
                    escape(guard.what),
                    escape(guard.detail),
                )
                for guard in found.guards
            ],
        )
    for line in remarks(outcome, found, dry_run=dry_run):
        typer.echo(line)


def say_sides(found: Comparison) -> None:
    """Metrics, size, memory and latency of both."""
    from rich.markup import escape  # names and values of the user's may look like markup

    sides = [side for side in (found.champion, found.challenger) if side is not None]
    roles = ["champion", "challenger"][-len(sides) :]
    say_table(
        escape(f"{found.experiment}: {found.rows} rows, {found.resamples} paired resamples"),
        ("", *(escape(f"{role}: {side.name}") for role, side in zip(roles, sides, strict=True))),
        [
            *((name, *(f"{s.quality[name]:.4f}" for s in sides)) for name in sides[0].quality),
            ("model MB", *(f"{s.model_size_mb:.3g}" for s in sides)),
            ("peak MB", *(f"{s.peak_memory_mb:.0f}" for s in sides)),
            *(
                (f"p50 ms, {rows} rows", *(f"{s.latency_p50_ms[rows]:.3g}" for s in sides))
                for rows in found.challenger.latency_p50_ms
            ),
        ],
    )


def remarks(outcome: Outcome, found: Comparison, *, dry_run: bool) -> Iterator[str]:
    """One line for each thing to know."""
    gain = "" if found.gain is None else f": {found.metric} gains {gained(found.gain)}"
    yield f"{found.decision}{gain}"
    yield from (f"against it: {reason}" for reason in found.reasons)
    yield (
        f"chosen from {found.considered} runs by their logged {found.logged_metric}, which was not "
        f"trusted further; judged on the data of {outcome.judged_on}"
    )
    yield from (f"left out: {reason}" for reason in found.skipped)
    if dry_run:
        yield "dry run: would be registered" if found.accepted else "dry run: nothing to register"
    package = outcome.package
    if package is not None:
        state = "approved" if package.approved else "not approved"
        yield f"{package.state}: {package.package_arn}, {state}"
        yield f"version {outcome.version} has the alias challenger"


def gained(gain: Estimate) -> str:
    """With its sign and interval."""
    return f"{gain.value:+.4f} (95 % {gain.low:+.4f} to {gain.high:+.4f})"
