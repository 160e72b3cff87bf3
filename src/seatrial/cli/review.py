"""`seatrial review`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seatrial.cli.output import AGAINST, say_contract, say_table, shared

if TYPE_CHECKING:
    from seatrial.contracts.review import Advice, Review

app = typer.Typer()


@app.command()
def review(
    context: typer.Context,
    endpoint: Annotated[str, typer.Argument(help="The endpoint's name.")],
    days: Annotated[
        int | None, typer.Option(min=1, max=455, help="How far back; default: review.days.")
    ] = None,
    bill: Annotated[
        bool,
        typer.Option("--bill", help="Ask Cost Explorer, which charges $0.01 for it on AWS."),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Folder for review.json, which deploy --review carries out, and change.yaml.",
        ),
    ] = None,
) -> None:
    """Whether a serving endpoint should be configured otherwise: exit 1 if so."""
    from datetime import UTC, datetime

    from seatrial.contracts import write_contract
    from seatrial.review.change import change_yaml
    from seatrial.review.run import review_endpoint

    options = shared(context)
    config = options.config()
    days = days or config.review.days
    if bill:
        wanted = config.review.model_copy(update={"bill": True})
        config = config.model_copy(update={"review": wanted})
    found = review_endpoint(endpoint, config, days=days, now=datetime.now(UTC))
    if out is not None:
        write_contract(found, out / "review.json")
        (out / "change.yaml").write_text(change_yaml(found), encoding="utf-8")
    if options.as_json:
        say_contract(found)
    else:
        say_review(found)
        if found.change and out is not None:
            typer.echo(f"its plan: seatrial deploy --review {out / 'review.json'} --dry-run")
    if found.to_do:
        raise typer.Exit(AGAINST)


def say_review(found: Review) -> None:
    """A line for each topic, then the change of the configuration."""
    from seatrial.review.change import change_yaml

    rows = [
        (
            _verdict(item),
            item.topic,
            item.detail,
            "–" if item.saving_usd_a_month is None else f"{item.saving_usd_a_month:.2f}",
        )
        for item in found.advice
    ]
    cost = "" if found.usd_a_month is None else f", ${found.usd_a_month:.2f} a month"
    title = (
        f"{found.endpoint_name}: {found.memory_size_mb} MB, {found.max_concurrency} at once, "
        f"{found.usage.requests} requests in {found.days} days{cost}"
    )
    say_table(title, ("", "topic", "", "saves $"), rows)
    if found.usd_a_month_by_tier:
        costs = (f"{tier} MB ${usd:.2f}" for tier, usd in found.usd_a_month_by_tier.items())
        typer.echo(f"a month at most, by tier: {', '.join(costs)}")
    if found.change:
        typer.echo("the change of the configuration:")
        typer.echo(change_yaml(found), nl=False)


def _verdict(advice: Advice) -> str:
    if advice.act:
        return "[yellow]change[/]"
    return "[green]fine[/]" if advice.known else "[magenta]unknown[/]"
