"""`seatrial router` and `seatrial fanout`: what applications use to call endpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seatrial.cli.output import AGAINST, say_json, shared

app = typer.Typer()


@app.command()
def router(
    context: typer.Context,
    cost: Annotated[Path, typer.Argument(help="Folder where cost --curve --out wrote cost.json.")],
    serverless: Annotated[str, typer.Option(help="The serverless endpoint.")],
    warm: Annotated[
        str | None, typer.Option(help="The one with provisioned concurrency, if any.")
    ] = None,
    warm_at_once: Annotated[int, typer.Option(help="… and how much of it is this router's.")] = 1,
    realtime: Annotated[
        str | None, typer.Option(help="The real-time endpoint above the crossover, if any.")
    ] = None,
    out: Annotated[Path, typer.Option(help="The router's configuration.")] = Path("router.json"),
) -> None:
    """Write a router's configuration, with the crossover that the cost simulation found."""
    from seatrial.contracts import CostReport, read_contract
    from seatrial.errors import InputError
    from seatrial.router.settings import Settings, Switch, Target

    report = read_contract(CostReport, cost / "cost.json")
    targets = {"serverless": Target(serverless)}
    first: tuple[str, ...] = ("serverless",)
    if warm is not None:
        targets["warm"] = Target(warm, warm_at_once)
        first = ("warm", "serverless")
    switch = None
    if realtime is not None:
        over = next((item for item in report.crossovers if item.to == "real time"), None)
        if over is None:
            raise InputError(
                "the cost report has no crossover to real time",
                got=f"{len(report.crossovers)} crossovers",
                allowed="a report of seatrial cost --curve in which real-time gets cheaper",
                do="Run cost with --curve, or leave --realtime out",
            )
        targets["real-time"] = Target(realtime)
        switch = Switch("real-time", over.requests_a_month)
    settings = Settings(
        targets, {"latency-sensitive": first, "other": tuple(reversed(first))}, switch
    )
    out.write_text(settings.to_json(), encoding="utf-8")
    if shared(context).as_json:
        say_json({"file": str(out)})
    else:
        above = "" if switch is None else f", real-time over {switch.requests_a_month:,.0f} a month"
        typer.echo(f"{out}: {', '.join(targets)}{above}")


@app.command()
def fanout(
    event: Annotated[
        Path | None, typer.Argument(help="JSON as seatrial.orchestrator.request describes it.")
    ] = None,
    code: Annotated[
        Path | None,
        typer.Option(
            "--zip", help="Write the Lambda function's code here, and its template beside it."
        ),
    ] = None,
) -> None:
    """Ask several endpoints at once, as the Lambda function does: exit 1 if one is missing."""
    import json

    from seatrial.errors import InputError
    from seatrial.orchestrator.code_archive import write_code
    from seatrial.orchestrator.handler import handler

    if (event is None) == (code is None):
        raise InputError(
            "it is not clear what to do",
            got="both" if event else "neither",
            allowed="an event, or --zip",
            do="See seatrial fanout --help",
        )
    if code is not None:
        typer.echo(str(write_code(code)))
        return
    try:
        asked = json.loads(Path(str(event)).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            "cannot read the event", got=f"{event}: {error}", allowed="JSON", do="Check the file"
        ) from error
    found = handler(asked, None)
    say_json(found)
    if found["missing"]:
        raise typer.Exit(AGAINST)
