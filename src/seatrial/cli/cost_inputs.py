"""From `seatrial cost`'s options to its traffic and its workload."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from seatrial.errors import InputError

if TYPE_CHECKING:
    from seatrial.config import Config
    from seatrial.contracts import Profile
    from seatrial.contracts.review import Review
    from seatrial.cost.traffic import Traffic
    from seatrial.cost.workload import Workload


@dataclass(frozen=True)
class TrafficOptions:
    """Exactly one of file, endpoint, review and shape says how much traffic there is."""

    file: Path | None
    span_h: float | None
    endpoint: str | None
    days: int
    review: Path | None
    shape: Literal["steady", "diurnal", "bursty"] | None
    requests_a_month: int | None
    seed: int


@dataclass(frozen=True)
class WorkloadOptions:
    """A profile, or two figures, or else what a review found."""

    profile: Path | None
    candidates: Path | None
    candidate: str | None
    shares: tuple[str, ...]
    duration_ms: float | None
    cold_start_s: float | None
    request_kb: float
    response_kb: float
    review: Path | None


def traffic_of(options: TrafficOptions, config: Config, now: datetime) -> Traffic:
    """The traffic that the options name."""
    _exactly_one(
        "traffic",
        {
            "--traffic": options.file,
            "--endpoint": options.endpoint,
            "--review": options.review,
            "--shape": options.shape,
        },
    )
    if options.review is not None:
        from seatrial.cost.reviewed import reviewed_traffic

        return reviewed_traffic(_review(options.review), seed=options.seed)
    if options.file is not None:
        from seatrial.cost.arrivals import read_arrivals

        span_s = None if options.span_h is None else options.span_h * 3600
        return read_arrivals(options.file, span_s=span_s)
    if options.endpoint is not None:
        from seatrial.aws import client
        from seatrial.cost.arrivals import read_invocations

        return read_invocations(
            client("cloudwatch", region=config.region),
            options.endpoint,
            config.endpoint.variant_name,
            end=now,
            days=options.days,
            seed=options.seed,
        )
    return _shaped(options)


def _shaped(options: TrafficOptions) -> Traffic:
    from seatrial.cost.traffic import month_of

    if options.shape is None or options.requests_a_month is None or options.requests_a_month < 1:
        raise InputError(
            "a shape needs a number of requests",
            got=options.requests_a_month,
            allowed="1 or more",
            do="Give --requests-a-month",
        )
    return month_of(options.shape, options.requests_a_month, seed=options.seed)


def workload_of(options: WorkloadOptions) -> Workload:
    """The workload that the options name."""
    from seatrial.cost.measured import choose_candidate, given_workload, profiled_workload
    from seatrial.limits import load_limits

    limits = load_limits()
    share, slowest_s = limits.mb_per_vcpu.value, limits.invocation_s.value
    if options.review is not None and options.profile is None and options.duration_ms is None:
        from seatrial.cost.reviewed import reviewed_workload

        found = _review(options.review)
        return reviewed_workload(found, mb_per_vcpu=share, max_service_s=slowest_s)
    _exactly_one("workload", {"--profile": options.profile, "--duration-ms": options.duration_ms})
    if options.profile is not None:
        profile = _profile(options.profile, options.candidates)
        return profiled_workload(
            choose_candidate(profile, options.candidate),
            shares=_shares(options.shares),
            mb_per_vcpu=share,
            max_service_s=slowest_s,
        )
    if options.duration_ms is None or options.cold_start_s is None or options.cold_start_s < 0:
        raise InputError(
            "a duration needs a cold start",
            got=options.cold_start_s,
            allowed="seconds, 0 or more",
            do="Give --cold-start-s with --duration-ms",
        )
    return given_workload(
        duration_ms=options.duration_ms,
        cold_start_s=options.cold_start_s,
        request_kb=options.request_kb,
        response_kb=options.response_kb,
        mb_per_vcpu=share,
        max_service_s=slowest_s,
    )


def _review(path: Path) -> Review:
    from seatrial.contracts import read_contract
    from seatrial.contracts.review import Review

    return read_contract(Review, path)


def _profile(folder: Path, candidates: Path | None) -> Profile:
    """The profile; without the candidates that optimize rejected, where its folder is given."""
    from seatrial.contracts import Optimization, Profile, read_contract

    profile = read_contract(Profile, folder / "profile.json")
    if candidates is None:
        return profile
    optimization = read_contract(Optimization, candidates / "optimization.json")
    good = {item.name for item in optimization.survivors}
    left = tuple(item for item in profile.candidates if item.candidate in good)
    return profile.model_copy(update={"candidates": left})


def _shares(texts: Iterable[str]) -> dict[str, float] | None:
    shares = {}
    for text in texts:
        name, _, ratio = text.partition("=")
        try:
            shares[name] = float(ratio)
        except ValueError as error:
            raise InputError(
                "not a share of the requests",
                got=text,
                allowed="PAYLOAD=RATIO, as one-row=0.9",
                do="Correct --share",
            ) from error
    return shares or None


def _exactly_one(what: str, options: dict[str, object]) -> None:
    given = [name for name, value in options.items() if value is not None]
    if len(given) != 1:
        raise InputError(
            f"the {what} is not clear",
            got=" and ".join(given) or "none of them",
            allowed=f"one of {', '.join(options)}",
            do="See seatrial cost --help",
        )
