"""`seatrial cost` and `seatrial cost refresh`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from seatrial.cli.cost_inputs import (
    TrafficOptions,
    WorkloadOptions,
    traffic_of,
    workload_of,
)
from seatrial.cli.cost_table import say_costs
from seatrial.cli.output import say_contract, say_json, shared

app = typer.Typer()
DEFAULT_KEEP_WARM = (1,)


@app.callback(invoke_without_command=True)
def cost(
    context: typer.Context,
    profile: Annotated[Path | None, typer.Option(help="What profile wrote.")] = None,
    candidates: Annotated[
        Path | None, typer.Option(help="What optimize wrote: leaves rejected candidates out.")
    ] = None,
    candidate: Annotated[
        str | None, typer.Option(help="One of the profile's; default: the quickest.")
    ] = None,
    share: Annotated[
        list[str] | None, typer.Option(help="PAYLOAD=RATIO of the requests; default: equal.")
    ] = None,
    duration_ms: Annotated[
        float | None, typer.Option(help="In place of a profile: each request takes that long.")
    ] = None,
    cold_start_s: Annotated[float | None, typer.Option(help="… and each cold start.")] = None,
    request_kb: Annotated[float, typer.Option(help="… and each request has 1000s of bytes.")] = 0,
    response_kb: Annotated[float, typer.Option(help="… and each answer.")] = 0,
    traffic: Annotated[
        Path | None, typer.Option(help="CSV with a time (ISO 8601 or seconds) for each request.")
    ] = None,
    span_h: Annotated[
        float | None, typer.Option(help="Hours that the CSV covers; default: first to last.")
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option(help="In place of a CSV: CloudWatch's Invocations of it.")
    ] = None,
    days: Annotated[int, typer.Option(help="… of that many days until now, 1 to 14.")] = 7,
    review: Annotated[
        Path | None,
        typer.Option(help="In place of both: a review.json's callers; and its times, sizes."),
    ] = None,
    shape: Annotated[
        Literal["steady", "diurnal", "bursty"] | None, typer.Option(help="In place of all three …")
    ] = None,
    requests_a_month: Annotated[int | None, typer.Option(help="… with that many.")] = None,
    seed: Annotated[int, typer.Option(help="For all that is drawn.")] = 0,
    max_concurrency: Annotated[
        int | None, typer.Option(help="Default: endpoint.max_concurrency.")
    ] = None,
    provisioned: Annotated[
        list[int] | None, typer.Option(help="Provisioned concurrency to try; default: 1 and more.")
    ] = None,
    keep_warm: Annotated[
        list[int] | None, typer.Option(help="Sandboxes to keep warm; default: 1.")
    ] = None,
    keep_warm_every_s: Annotated[float, typer.Option(help="How often they are asked.")] = 240,
    idle_s: Annotated[
        float | None,
        typer.Option(
            help="How long an idle sandbox lasts; default: warm.idle_s, else 300, assumed."
        ),
    ] = None,
    bill_cold_start: Annotated[
        bool, typer.Option("--bill-cold-start", help="Assume that cold starts are billed.")
    ] = False,
    instance: Annotated[
        list[str] | None, typer.Option(help="Real-time types; default: all not burstable.")
    ] = None,
    min_instances: Annotated[int, typer.Option(help="The fewest that autoscaling keeps.")] = 1,
    max_instances: Annotated[int, typer.Option(help="The most.")] = 100,
    max_throttled: Annotated[float, typer.Option(help="Share that may be throttled.")] = 0.001,
    max_cold: Annotated[
        float | None, typer.Option(help="Share that may be cold; default: any.")
    ] = None,
    latency_p95_ms: Annotated[float | None, typer.Option(help="Default: any.")] = None,
    price: Annotated[
        list[str] | None, typer.Option(help="NAME=USD: a price that is missing, or better known.")
    ] = None,
    prices: Annotated[
        Path | None, typer.Option(help="What refresh wrote; default: those that come along.")
    ] = None,
    region: Annotated[str | None, typer.Option(help="Default: the configuration's.")] = None,
    curve: Annotated[
        bool, typer.Option("--curve", help="Cost over traffic, and where real-time is cheaper.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for cost.json.")] = None,
) -> None:
    """What the traffic costs a month: each memory tier, each policy, and real-time instances."""
    if context.invoked_subcommand is not None:
        return
    from seatrial.contracts import write_contract
    from seatrial.cost.answer import answer
    from seatrial.cost.case import Case
    from seatrial.cost.prices import load_prices, parse_price, with_given
    from seatrial.cost.setup import Autoscaling, Objectives, Setup
    from seatrial.deployment.warming import ASSUMED_IDLE_S
    from seatrial.limits import load_limits

    options = shared(context)
    config, limits = options.config(), load_limits()
    if region is not None:
        config = config.model_copy(update={"region": region})
    now = datetime.now(UTC)
    setup = Setup(
        max_concurrency=max_concurrency or config.endpoint.max_concurrency,
        idle_s=idle_s if idle_s is not None else config.warm.idle_s or ASSUMED_IDLE_S,
        bill_cold_start=bill_cold_start,
        provisioned=None if provisioned is None else tuple(provisioned),
        keep_warm=DEFAULT_KEEP_WARM if keep_warm is None else tuple(keep_warm),
        keep_warm_every_s=keep_warm_every_s,
        instances=None if instance is None else tuple(instance),
        autoscaling=Autoscaling(fewest=min_instances, most=max_instances),
        headroom_ratio=config.objectives.memory_headroom_ratio,
    )
    setup.check(limits)
    workload = workload_of(
        WorkloadOptions(
            profile=profile,
            candidates=candidates,
            candidate=candidate,
            shares=tuple(share or ()),
            duration_ms=duration_ms,
            cold_start_s=cold_start_s,
            request_kb=request_kb,
            response_kb=response_kb,
            review=review,
        )
    )
    arrivals = traffic_of(
        TrafficOptions(traffic, span_h, endpoint, days, review, shape, requests_a_month, seed),
        config,
        now,
    )
    known = with_given(
        load_prices(config.region, prices),
        {**config.prices, **dict(parse_price(text) for text in price or ())},
        today=now.date(),
    )
    fixed = config.endpoint.memory_size_mb
    found = answer(
        Case(arrivals, workload, known, setup, seed),
        tiers_mb=limits.memory_tiers_mb.value if fixed is None else (fixed,),
        objectives=Objectives(max_throttled, max_cold, latency_p95_ms),
        with_curve=curve,
    )
    if out is not None:
        write_contract(found, out / "cost.json")
    if options.as_json:
        say_contract(found)
    else:
        say_costs(found)


@app.command()
def refresh(
    context: typer.Context,
    region: Annotated[str | None, typer.Option(help="Default: the configuration's.")] = None,
    instance: Annotated[
        list[str] | None, typer.Option(help="Real-time types; default: those that come along.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="YAML file; default: prices-REGION.yaml here.")
    ] = None,
) -> None:
    """Read a region's prices from AWS's Price List, for --prices. Not tried on AWS yet."""
    from seatrial.aws import client
    from seatrial.cost.price_list import PRICING_REGION, fetch_prices, prices_yaml
    from seatrial.cost.prices import load_prices, price_names

    options = shared(context)
    region = region or options.config().region
    types = instance or list(load_prices(PRICING_REGION).instances)
    pricing = client("pricing", region=PRICING_REGION)
    found = fetch_prices(pricing, region, types, datetime.now(UTC).date())
    path = out or Path(f"prices-{region}.yaml")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(prices_yaml(found), encoding="utf-8")
    missing = [*found.missing(price_names()), *(set(types) - set(found.instances))]
    if options.as_json:
        say_json({"file": str(path), "region": region, "missing": sorted(missing)})
        return
    typer.echo(f"{path}: {len(price_names()) + len(types) - len(missing)} prices of {region}")
    for name in sorted(missing):
        typer.echo(f"not in the Price List's answers: {name}")
