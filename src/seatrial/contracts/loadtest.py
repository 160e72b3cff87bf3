"""`loadtest.json`: how an endpoint bore a load, what it cost, and what to change."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from seatrial.contracts.base import Contract, Part

# `ramp` goes through MaxConcurrency on purpose; `idle` sends nothing, so that `burst` is cold.
LoadShape = Literal["ramp", "steady", "diurnal", "replay", "idle", "burst"]


class LoadLatency(Part):
    """Percentiles (nearest rank) of answered requests as the caller saw them, network included."""

    requests: NonNegativeInt
    p50_ms: NonNegativeFloat | None
    p95_ms: NonNegativeFloat | None
    p99_ms: NonNegativeFloat | None
    max_ms: NonNegativeFloat | None


class LoadPhase(Part):
    """The requests that began while that shape was on. `peak_users` None: replayed arrivals."""

    shape: LoadShape
    seconds: PositiveFloat
    peak_users: NonNegativeInt | None
    requests: NonNegativeInt
    throttled: NonNegativeInt
    errors: NonNegativeInt
    warm: LoadLatency
    cold: LoadLatency


class LoadMoment(Part):
    """A slice of the test: throttles and latency over time."""

    at_s: NonNegativeFloat
    shape: LoadShape
    requests: NonNegativeInt
    throttled: NonNegativeInt
    errors: NonNegativeInt
    p95_ms: NonNegativeFloat | None


class LoadCheck(Part):
    """An objective, and what was measured; `passed` None: there was nothing to measure."""

    code: Literal["WARM_LATENCY", "COLD_LATENCY", "THROTTLES", "ERRORS"]
    passed: bool | None
    measured: NonNegativeFloat | None
    limit: NonNegativeFloat
    unit: str


class LoadTest(Contract):
    """Written by `seatrial loadtest`; for people.

    `cold_told_by` says how cold requests were told from warm ones: by the endpoint's own `records`;
    by `setups` (CloudWatch's number of ModelSetupTime, and the slowest requests are taken for
    them); or not at all. The ramp is left out of recommendation and checks, but for errors.
    `usd` is what was answered at list prices; `max_usd` was said before.
    """

    endpoint_name: str
    memory_size_mb: PositiveInt
    max_concurrency: PositiveInt
    provisioned_concurrency: NonNegativeInt
    users: PositiveInt
    started_at: AwareDatetime
    phases: tuple[LoadPhase, ...]
    moments: tuple[LoadMoment, ...]
    cold_told_by: Literal["records", "setups", "nothing"]
    max_usd: NonNegativeFloat
    usd: NonNegativeFloat
    recommended_max_concurrency: PositiveInt | None
    recommended_provisioned_concurrency: PositiveInt | None
    recommendation: str
    checks: tuple[LoadCheck, ...]
    ended_early: str | None

    @property
    def passed(self) -> bool:
        """True if it ran to its end and no objective was missed."""
        return self.ended_early is None and all(item.passed is not False for item in self.checks)
