"""`seatrial loadtest`: how an endpoint bears a load."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from seatrial.cli.output import AGAINST, FAILED, say_contract, say_table, shared

if TYPE_CHECKING:
    from seatrial.contracts import Payload
    from seatrial.contracts.loadtest import LoadLatency, LoadShape, LoadTest
    from seatrial.loadtest.plan import PlannedPhase

app = typer.Typer()


class Shape(StrEnum):
    """What can be asked for; an idle time comes with the burst."""

    RAMP = "ramp"
    STEADY = "steady"
    DIURNAL = "diurnal"
    REPLAY = "replay"
    BURST = "burst"


@app.command()
def loadtest(
    context: typer.Context,
    endpoint: Annotated[str, typer.Argument(help="A serverless endpoint.")],
    payloads: Annotated[Path, typer.Option(help="payloads.jsonl as optimize writes it.")],
    out: Annotated[Path, typer.Option(help="Folder for loadtest.json and Locust's files.")],
    users: Annotated[
        int | None, typer.Option(min=1, help="Callers at once; default: MaxConcurrency.")
    ] = None,
    shape: Annotated[
        list[Shape] | None, typer.Option(help="Some of the shapes; default: all.")
    ] = None,
    traffic: Annotated[
        Path | None, typer.Option(help="CSV with a time for each request: replayed in its rhythm.")
    ] = None,
    short: Annotated[bool, typer.Option("--short", help="A minute in place of 15.")] = False,
    seconds: Annotated[float | None, typer.Option(help="… or as long as that.")] = None,
    web_port: Annotated[
        int | None, typer.Option(help="Show Locust's page on this port of 127.0.0.1.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="It may cost what it says.")] = False,
) -> None:
    """Load an endpoint through its MaxConcurrency and after idle time: exit 1 if that is bad."""
    from datetime import UTC, datetime

    from seatrial.aws import client
    from seatrial.contracts import write_contract
    from seatrial.cost.prices import load_prices, with_given
    from seatrial.loadtest.plan import LoadPlan, max_usd, planned, served_by
    from seatrial.loadtest.run import require_locust, run

    options = shared(context)
    config = options.config()
    require_locust()
    names = ("sagemaker", "cloudwatch", "logs")
    clients = {name: client(name, region=config.region) for name in names}
    today = datetime.now(UTC).date()
    prices = with_given(load_prices(config.region), config.prices, today=today)
    served = served_by(endpoint, clients["sagemaker"])
    settings = config.loadtest
    lasts_s = seconds or (settings.short_s if short else settings.seconds)
    phases = planned(_shapes(shape, traffic), lasts_s)
    plan = LoadPlan(
        served=served,
        region=config.region,
        users=users or served.max_concurrency,
        phases=phases,
        arrivals_s=_arrivals(traffic, phases),
        payloads=_payloads(payloads),
        max_errors=settings.max_errors,
        requests_path=out.resolve() / "requests.jsonl",
    )
    price = f"{plan.seconds:.0f} s of load on {endpoint}: at most ${max_usd(plan, prices):.4f}"
    typer.echo(f"{price} of compute, and its data", err=True)
    if not yes:
        typer.echo("not started: give --yes if it may cost that", err=True)
        raise typer.Exit(FAILED)
    out.mkdir(parents=True, exist_ok=True)
    found = run(plan, config, prices, clients, web_port=web_port)
    write_contract(found, out / "loadtest.json")
    if options.as_json:
        say_contract(found)
    else:
        say_loadtest(found)
    if not found.passed:
        raise typer.Exit(AGAINST)


def _shapes(given: list[Shape] | None, traffic: Path | None) -> list[LoadShape]:
    if not given:
        return ["steady", "diurnal" if traffic is None else "replay", "ramp", "burst"]
    return cast("list[LoadShape]", [item.value for item in given])


def _arrivals(traffic: Path | None, phases: tuple[PlannedPhase, ...]) -> tuple[float, ...]:
    from seatrial.cost.arrivals import read_arrivals
    from seatrial.errors import InputError
    from seatrial.loadtest.shapes import replayed

    replay = next((phase for phase in phases if phase.shape == "replay"), None)
    if (replay is None) != (traffic is None):
        raise InputError(
            "it is not clear what to replay",
            got="--traffic without --shape replay" if traffic else "--shape replay",
            allowed="both, or neither",
            do="Give the recorded arrivals as --traffic CSV",
        )
    if replay is None or traffic is None:
        return ()
    return replayed(read_arrivals(traffic), replay.seconds, seed=0)


def _payloads(path: Path) -> tuple[Payload, ...]:
    from seatrial.deployment.inputs import read_payloads
    from seatrial.errors import InputError

    try:
        found = tuple(read_payloads(path))
    except (OSError, ValueError) as error:
        raise InputError(
            "cannot read the payloads",
            got=f"{path}: {str(error)[:200]}",
            allowed="a JSON object a line: name, content_type, rows, body",
            do="Give the payloads.jsonl that optimize wrote",
        ) from error
    if not found:
        raise InputError("no payloads", got=str(path), allowed="one or more", do="Add a line")
    return found


def say_loadtest(found: LoadTest) -> None:
    """A row for each phase, then the checks, what it cost, and what to change."""

    def shown(latency: LoadLatency) -> list[str]:
        times = (latency.p50_ms, latency.p95_ms)
        return [str(latency.requests), *("–" if ms is None else f"{ms:.0f}" for ms in times)]

    rows = [
        (
            phase.shape,
            "–" if phase.peak_users is None else str(phase.peak_users),
            str(phase.throttled),
            str(phase.errors),
            *shown(phase.warm),
            *shown(phase.cold),
        )
        for phase in found.phases
    ]
    latency = ("p50", "p95")
    columns = ("shape", "users", "throttled", "errors", "warm", *latency, "cold", *latency)
    title = f"{found.endpoint_name}: {found.max_concurrency} at once, latencies in ms"
    say_table(title, columns, rows)
    bursts = [phase for phase in found.phases if phase.shape == "burst" and phase.warm.requests]
    if any(not phase.cold.requests for phase in bursts):
        typer.echo("no request of the burst was cold: sandboxes outlived the idle time before it")
    if found.cold_told_by == "setups":
        typer.echo("cold: as many of the slowest as CloudWatch counted setups, an estimate")
    for check in found.checks:
        verdict = {True: "pass", False: "fail", None: "unknown"}[check.passed]
        measured = "nothing measured" if check.measured is None else f"{check.measured:.4g}"
        typer.echo(f"{verdict}: {check.code}: {measured}, at most {check.limit:g} {check.unit}")
    if found.ended_early:
        typer.echo(f"ended early: {found.ended_early}")
    typer.echo(f"{found.recommendation}")
    typer.echo(f"cost ${found.usd:.4f} at list prices; at most ${found.max_usd:.4f} was said")
