"""`endpoint_profile.json`: how temporary endpoints of a few tiers behaved on the real service."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, NonNegativeFloat, NonNegativeInt, PositiveInt

from seatrial.contracts.base import Contract, Part

PhaseName = Literal["cold", "warm", "burst", "over"]


class TrialPhase(Part):
    """Requests sent in one way: `clients` at a time, each waiting for its answer.

    `cold` are the first requests of a new endpoint, `warm` go one at a time, `burst` with as many
    clients as MaxConcurrency, `over` with half as many more. Latency is the caller's, network and
    cold start included, of the answered ones; None if there were none.
    """

    name: PhaseName
    clients: PositiveInt
    requests: NonNegativeInt
    answered: NonNegativeInt
    throttled: NonNegativeInt
    errors: NonNegativeInt
    first_error: str | None
    latency_p50_ms: NonNegativeFloat | None
    latency_p95_ms: NonNegativeFloat | None
    latency_max_ms: NonNegativeFloat | None


class ServiceMetric(Part):
    """A CloudWatch metric of the endpoint over its whole trial, all of its data points together."""

    name: str
    unit: str
    samples: NonNegativeInt
    average: NonNegativeFloat
    maximum: NonNegativeFloat


class IdlePause(Part):
    """So long without a request; `cold`: the next one found no sandbox."""

    pause_s: NonNegativeFloat
    cold: bool


class IdleTime(Part):
    """How long a sandbox stays idle: warm after `warm_s`, gone after `cold_s`, on one sandbox.

    None: never seen warm, or never gone within the longest pause. `ended_early` says why there are
    fewer pauses than planned.
    """

    pauses: tuple[IdlePause, ...]
    warm_s: NonNegativeFloat | None
    cold_s: NonNegativeFloat | None
    ended_early: str | None


class TierTrial(Part):
    """One temporary endpoint. `ended_early` says why phases are missing, if they are.

    `metrics_complete` is False if CloudWatch had fewer data points than requests were answered
    when the deadline for them was over. `idle` is None unless it was asked for, and on all tiers
    but the first. `left_behind` is what could not be removed.
    """

    memory_size_mb: PositiveInt
    max_concurrency: PositiveInt
    endpoint_name: str
    started_at: AwareDatetime
    in_service_s: NonNegativeFloat | None
    phases: tuple[TrialPhase, ...]
    metrics: tuple[ServiceMetric, ...]
    metrics_complete: bool
    idle: IdleTime | None
    ended_early: str | None
    left_behind: tuple[str, ...]


class EndpointProfile(Contract):
    """Written by `seatrial profile --endpoint`; for people."""

    candidate: str
    archive_sha256: str
    image: str
    payloads: tuple[str, ...]
    tiers: tuple[TierTrial, ...]
