"""What verbs print, and the options they share."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from seatrial.config import Config
    from seatrial.contracts import (
        Action,
        Contract,
        LatencyMethod,
        Readiness,
        ServerlessConfiguration,
    )

GOOD, AGAINST, FAILED = 0, 1, 2
LONGEST_NAME = 24  # characters of a first column that leave room for others in 80
# Short enough for a terminal of 80 columns.
UNITS = {
    "requests at once": "at once",
    "mean deviation": "",
    "missing parts": "missing",
    "of a drift bound": "of bound",
}
STYLES = {"pass": "green", "warn": "yellow", "fail": "red", "unknown": "magenta"}


@dataclass(frozen=True)
class Shared:
    """The options that stand before the verb."""

    config_path: Path | None
    as_json: bool

    def config(self) -> Config:
        """The resolved configuration."""
        from seatrial.config import load_config

        return load_config(self.config_path)


def shared(context: typer.Context) -> Shared:
    """The shared options, typed."""
    options: Shared = context.obj
    return options


def write_config(config: Config, folder: Path) -> Path:
    """The resolved configuration as a file, for a step that reads one."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "config.yaml"
    path.write_text(config.to_yaml(), encoding="utf-8")
    return path


def say_json(value: Any) -> None:
    """One JSON document on stdout."""
    typer.echo(json.dumps(value, indent=2, default=str))


def say_contract(contract: Contract) -> None:
    """A contract as JSON on stdout."""
    typer.echo(contract.model_dump_json(indent=2))


def say_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table for people; a name in its first column stays in one piece, to be copied."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    # As a title it would be folded to the table's width, which may be less than the screen's.
    console = Console()
    console.print(title, style="italic", highlight=False, soft_wrap=True)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    lines = list(rows)
    short = all(len(row[0]) <= LONGEST_NAME for row in lines)
    for number, name in enumerate(columns):
        table.add_column(name, overflow="fold", no_wrap=number == 0 and short)
    for row in lines:
        table.add_row(*row)
    console.print(table)


def say_actions(actions: Sequence[Action], *, as_json: bool) -> None:
    """The calls that would be made."""
    if as_json:
        say_json([action.model_dump(mode="json") for action in actions])
    elif not actions:
        typer.echo("nothing to do: it is there already")
    else:
        rows = [
            (action.service, action.method, str(next(iter(action.parameters.values()))))
            for action in actions
        ]
        say_table("would call", ("service", "method", "name"), rows)


def say_choices(readiness: Readiness) -> None:
    """What each profiled candidate would have bought, and why it was taken or not."""
    if not readiness.choices:
        return

    rows = [
        (
            f"[bold]{item.candidate}[/]" if item.chosen else item.candidate,
            _shown(item.memory_size_mb, "d"),
            _shown(item.usd_per_million_requests, ".2f"),
            _about(item.cold_start_s, ".2f", item.cold_start_method),
            _about(item.latency_p95_ms, ".1f", item.latency_method),
            _shown(item.peak_memory_mb, ".0f"),
            " ".join(f"{name} {value:.4f}" for name, value in item.quality.items()) or "–",
        )
        for item in readiness.choices
    ]
    columns = ("candidate", "tier", "$/million", "cold s", "p95 ms", "peak MB", "quality")
    say_table(f"chosen by {readiness.optimize_for.replace('_', ' ')}", columns, rows)
    typer.echo("~ predicted, not measured under the tier's CPU quota")
    for item in readiness.choices:
        typer.echo(f"{item.candidate}: {item.reason}")


def say_configurations(readiness: Readiness) -> None:
    """The chosen candidate's tiers, and why each was taken or not."""
    rows = [
        (
            f"[bold]{item.memory_size_mb}[/]" if item.chosen else str(item.memory_size_mb),
            _shown(item.usd_per_million_requests, ".2f"),
            _about(item.latency_p95_ms, ".1f", item.latency_method),
            _about(item.cold_start_s, ".2f", item.cold_start_method),
            _shown(item.largest_rows, ",d"),
            item.reason,
        )
        for item in readiness.configurations
    ]
    columns = ("tier", "$/million", "p95 ms", "cold s", "rows fit", "why")
    say_table(f"tiers for {readiness.candidate}", columns, rows)
    if readiness.provisioning is not None:
        typer.echo(readiness.provisioning.line)


def say_readiness(readiness: Readiness) -> None:
    """The verdict and its checks, worst first; what is not good is explained below them."""
    from seatrial.readiness.verdict import worst_first

    checks = worst_first(readiness.checks)
    rows = [
        (
            f"[{STYLES[check.status]}]{check.status}[/]",
            check.code,
            _shown(check.measured, ".4g"),
            _shown(check.limit, "g"),
            UNITS.get(check.unit, check.unit),
            check.source,
        )
        for check in checks
    ]
    verdict = "ready" if readiness.ready else "not ready"
    columns = ("", "check", "measured", "limit", "", "source")
    say_table(f"{readiness.candidate}: {verdict}", columns, rows)
    for check in checks:
        if check.status != "pass":
            typer.echo(f"{check.status}: {check.code}: {check.detail}. {check.fix}")
    say_choices(readiness)
    if readiness.configurations:
        say_configurations(readiness)
    if readiness.recommended is not None:
        typer.echo(_recommended(readiness, readiness.recommended))


def _recommended(readiness: Readiness, tier: ServerlessConfiguration) -> str:
    price, held = readiness.cost, tier.provisioned_concurrency
    parts = [f"{tier.memory_size_mb} MB", f"{tier.max_concurrency} at once"]
    if held is not None:
        parts.append(f"{held} provisioned")
    if price is not None:
        parts.append(f"${price.usd_per_million_requests:.2f} per million")
    if price is not None and price.usd_per_month is not None:
        parts.append(f"${price.usd_per_month:.2f} a month")
    return f"recommended: {', '.join(parts)}"


def _shown(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _about(value: float | None, form: str, method: LatencyMethod) -> str:
    """With a mark where it is predicted."""
    return ("~" if value is not None and method == "predicted" else "") + _shown(value, form)
