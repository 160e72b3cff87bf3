"""`seatrial profile --endpoint`: temporary endpoints, asked and removed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from seatrial.cli.output import AGAINST, Shared, say_contract, say_table

if TYPE_CHECKING:
    from seatrial.config import Config
    from seatrial.contracts import EndpointProfile, Readiness
    from seatrial.contracts.trial import IdleTime
    from seatrial.trial.plan import Trial


@dataclass(frozen=True)
class TrialOptions:
    """What the verb was given."""

    candidates: Path
    readiness: Path | None
    tiers_mb: tuple[int, ...]
    out: Path
    idle: bool
    yes: bool


def profile_endpoint(options: Shared, given: TrialOptions) -> None:
    """Ask first, since it costs; then try every tier. Exit 1 if one ended early."""
    from datetime import UTC, datetime

    from seatrial.aws import client
    from seatrial.contracts import write_contract
    from seatrial.cost.prices import load_prices
    from seatrial.trial.run import new_run_id, run_trial
    from seatrial.trial.surroundings import Surroundings

    config = options.config()
    trial = make_trial(config, given)
    most = trial.max_usd(config, load_prices(config.region))
    names = ", ".join(f"{tier} MB" for tier in trial.tiers_mb)
    question = (
        f"{trial.candidate} on temporary endpoints of {names}, {trial.max_concurrency} at once: "
        f"at most ${most:.2f} of requests{_idle_takes(config) if trial.idle else ''}. Go on?"
    )
    if not given.yes and not typer.confirm(question, err=True):
        raise typer.Abort
    services = ("sagemaker", "s3", "logs", "cloudwatch")
    clients = {name: client(name, region=config.region) for name in services}
    clients["sagemaker-runtime"] = client(
        "sagemaker-runtime", region=config.region, attempts=1, connections=2 * trial.max_concurrency
    )
    found = run_trial(
        trial,
        Surroundings(
            config=config,
            clients=clients,
            say=lambda line: typer.echo(line, err=True),
            run_id=new_run_id(trial.archive_sha256, datetime.now(UTC)),
        ),
    )
    write_contract(found, given.out / "endpoint_profile.json")
    if options.as_json:
        say_contract(found)
    else:
        say_trial(found)
    if any(tier.ended_early or (tier.idle and tier.idle.ended_early) for tier in found.tiers):
        raise typer.Exit(AGAINST)


def _idle_takes(config: Config) -> str:
    from seatrial.trial.idle import at_most

    requests, seconds = at_most(config.trial)
    return f", {requests} of them over up to {seconds / 60:.0f} minutes of idle time"


def make_trial(config: Config, given: TrialOptions) -> Trial:
    """The candidate that was chosen, or the first survivor, on the tiers asked for."""
    from seatrial.contracts import Optimization, Readiness, read_contract
    from seatrial.deployment.inputs import read_payloads
    from seatrial.limits import load_limits
    from seatrial.trial.plan import Trial, tiers_to_try

    limits = load_limits()
    optimization = read_contract(Optimization, given.candidates / "optimization.json")
    readiness = (
        None
        if given.readiness is None
        else read_contract(Readiness, given.readiness / "readiness.json")
    )
    name = readiness.candidate if readiness else optimization.survivors[0].name
    candidate = next(item for item in optimization.candidates if item.name == name)
    return Trial(
        candidate=name,
        archive=given.candidates / str(candidate.archive),
        archive_sha256=str(candidate.archive_sha256),
        payloads=tuple(read_payloads(given.candidates / "payloads.jsonl")),
        tiers_mb=tiers_to_try(
            given.tiers_mb,
            readiness,
            limits.memory_tiers_mb.value,
            config.quotas.memory_size_mb or limits.assumed_memory_size_mb.value,
        ),
        max_concurrency=_concurrency(config, readiness),
        idle=given.idle,
        image=candidate.inference_image,
    )


def _concurrency(config: Config, readiness: Readiness | None) -> int:
    if readiness is None or readiness.recommended is None:
        return config.endpoint.max_concurrency
    return readiness.recommended.max_concurrency


def say_trial(found: EndpointProfile) -> None:
    """A row for each phase of each tier, then CloudWatch's figures, then what went wrong."""

    def shown(value: float | None) -> str:
        return "–" if value is None else f"{value:.1f}"

    rows = [
        (
            str(tier.memory_size_mb),
            f"{phase.name} ×{phase.clients}",
            str(phase.answered),
            str(phase.throttled),
            str(phase.errors),
            shown(phase.latency_p50_ms),
            shown(phase.latency_p95_ms),
            shown(phase.latency_max_ms),
        )
        for tier in found.tiers
        for phase in tier.phases
    ]
    columns = ("tier", "phase", "answered", "throttled", "errors", "p50 ms", "p95 ms", "max ms")
    say_table(f"{found.candidate} on temporary endpoints", columns, rows)
    measured = [
        (
            str(tier.memory_size_mb),
            metric.name,
            str(metric.samples),
            _with_unit(metric.average, metric.unit),
            _with_unit(metric.maximum, metric.unit),
        )
        for tier in found.tiers
        for metric in tier.metrics
    ]
    say_table("CloudWatch", ("tier", "metric", "data points", "average", "maximum"), measured)
    for tier in found.tiers:
        if tier.ended_early:
            typer.echo(f"{tier.memory_size_mb} MB ended early: {tier.ended_early}")
        elif not tier.metrics_complete:
            typer.echo(f"{tier.memory_size_mb} MB: CloudWatch did not show every request in time")
        if tier.idle is not None:
            typer.echo(f"{tier.memory_size_mb} MB, left idle: {_said(tier.idle)}")
        for left in tier.left_behind:
            typer.echo(f"{tier.memory_size_mb} MB: not removed: {left}")


def _said(idle: IdleTime) -> str:
    """What is known of the idle time, and what to do with it."""
    if idle.ended_early is not None:
        return f"ended early: {idle.ended_early}"
    if idle.warm_s is None:
        return f"gone within {idle.cold_s:.0f} s, sooner than pings can come"
    gone = (
        "the longest that was tried" if idle.cold_s is None else f"gone after {idle.cold_s:.0f} s"
    )
    return f"warm after {idle.warm_s:.0f} s, {gone}. In the configuration: {_setting(idle.warm_s)}"


def _setting(warm_s: float) -> str:
    """Pings come at most once a minute, which is at four fifths of 75 s."""
    return f"warm: {{idle_s: {int(warm_s)}}}" if warm_s >= 75 else "no pings, it is too short"


def _with_unit(value: float, unit: str) -> str:
    """As people read it; utilisation of concurrency is a ratio and has no unit."""
    if unit == "Microseconds":
        return f"{value / 1000:.1f} ms"
    return f"{value:.1f} %" if unit == "Percent" else f"{value:.2f}"
