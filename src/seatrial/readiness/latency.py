"""How long a request takes at a tier, from what a profile measured.

CPU grows with memory. SageMaker does not say how; AWS Lambda's rule of one vCPU per 1769 MB is
assumed. A latency is *measured* where the profile has one under that CPU share, else *predicted*.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

from seatrial.contracts import CandidateProfile, PayloadProfile, TierLatency
from seatrial.readiness.bandwidth import PERIOD_MS, mean_stalled_ms, stalled_ms

# Over fewer it is chance whether one request in twenty meets a stall.
FEW_PERIODS = 10


@dataclass(frozen=True)
class Latency:
    """One payload's latency at a tier; `measured` under its CPU share, or predicted.

    The mean is what is billed: a share of a CPU stalls some requests for long, and the median does
    not show it. Too few requests have no p95, but something that it is no less than.
    """

    mean_ms: float
    p50_ms: float
    p95_ms: float | None
    p95_at_least_ms: float | None
    slowest_ms: float
    measured: bool


def slowdown(memory_size_mb: int, mb_per_vcpu: float) -> float:
    """How much longer one thread takes at that tier; 1 from a whole vCPU on.

    >>> slowdown(1769, 1769), slowdown(1024, 1769)
    (1.0, 1.7275390625)
    """
    return max(1.0, mb_per_vcpu / memory_size_mb)


def predicted_ms(
    measured_ms: float | None, cpu_s: float | None, memory_size_mb: int, mb_per_vcpu: float
) -> float | None:
    """Latency at the tier: as measured on a whole core, and no less than its CPU allows."""
    if measured_ms is None or cpu_s is None:
        return None
    cpu_bound_ms = 1000 * cpu_s * mb_per_vcpu / memory_size_mb
    return max(measured_ms * slowdown(memory_size_mb, mb_per_vcpu), cpu_bound_ms)


@dataclass(frozen=True)
class Whole:
    """A payload's latency on whole cores, and how many of them it keeps busy."""

    mean_ms: float
    p50_ms: float
    p95_ms: float | None
    p95_at_least_ms: float | None
    slowest_ms: float
    busy_cores: float

    def under(self, vcpus: float) -> Latency:
        """What the quota of a tier makes of it."""

        def stalled(wall_ms: float, share: float) -> float:
            return stalled_ms(wall_ms, self.busy_cores, vcpus, share)

        least_ms = self.p95_ms if self.p95_at_least_ms is None else self.p95_at_least_ms
        return Latency(
            mean_ms=mean_stalled_ms(self.mean_ms, self.busy_cores, vcpus),
            p50_ms=stalled(self.p50_ms, 0.5),
            p95_ms=None if self.p95_ms is None else stalled(self.p95_ms, 0.95),
            p95_at_least_ms=None if least_ms is None else stalled(least_ms, 0.95),
            slowest_ms=stalled(self.slowest_ms, 1.0),
            measured=False,
        )


def whole_latency(measured: CandidateProfile, payload: PayloadProfile) -> Whole | None:
    """In turn with the tiers if it was measured so, else as the samples were; None if neither."""
    p50_ms, mean_ms = payload.latency_p50_ms, _mean_ms(payload)
    slowest_ms, cpu_s = slowest_seen_ms(payload), payload.cpu_s_per_request
    if p50_ms is None or mean_ms is None or slowest_ms is None or cpu_s is None:
        return None
    whole = Whole(
        mean_ms=mean_ms,
        p50_ms=p50_ms,
        p95_ms=payload.latency_p95_ms,
        p95_at_least_ms=payload.latency_p95_at_least_ms,
        slowest_ms=slowest_ms,
        busy_cores=1000 * cpu_s / mean_ms if mean_ms else 0.0,
    )
    named = (item for item in measured.whole_latencies if item.payload == payload.payload)
    seen = next(named, None)
    if seen is None or seen.latency_mean_ms is None:
        return whole
    return replace(
        whole,
        mean_ms=seen.latency_mean_ms,
        p50_ms=seen.latency_p50_ms,
        p95_ms=whole.p95_ms if seen.latency_p95_ms is None else seen.latency_p95_ms,
        slowest_ms=max(slowest_ms, seen.latency_max_ms or 0.0),
    )


def latency_at(
    measured: CandidateProfile, payload: PayloadProfile, memory_size_mb: int, mb_per_vcpu: float
) -> Latency | None:
    """The payload's latency at the tier; None if it was not answered.

    Few requests under the quota have a mean, but no p95: that is then the predicted one. Short ones
    are over in a few periods, and whether one in twenty met a stall was chance: then the p95 is
    the predicted one if that is longer.
    """
    whole = whole_latency(measured, payload)
    if whole is None:
        return None
    predicted = whole.under(memory_size_mb / mb_per_vcpu)
    seen = tier_latency(measured, payload, memory_size_mb)
    if seen is None:
        return predicted
    p95_ms, least_ms = predicted.p95_ms, predicted.p95_at_least_ms
    by_chance = _spans_ms(seen) < FEW_PERIODS * PERIOD_MS
    if by_chance and (p95_ms or 0.0) > (seen.latency_p95_ms or inf):
        seen = seen.model_copy(update={"latency_p95_ms": None})
    if seen.latency_p95_ms is not None:
        p95_ms = least_ms = seen.latency_p95_ms
    elif seen.latency_p95_at_least_ms is not None:
        least_ms = max(least_ms or 0.0, seen.latency_p95_at_least_ms)
        p95_ms = None if p95_ms is None else max(p95_ms, seen.latency_p95_at_least_ms)
    return Latency(
        mean_ms=seen.latency_p50_ms if seen.latency_mean_ms is None else seen.latency_mean_ms,
        p50_ms=seen.latency_p50_ms,
        p95_ms=p95_ms,
        p95_at_least_ms=least_ms,
        slowest_ms=max(predicted.slowest_ms, seen.latency_max_ms or seen.latency_p95_ms or 0.0),
        measured=seen.latency_p95_ms is not None,
    )


@dataclass(frozen=True)
class InVain:
    """A request that got no answer, and how long it was waited for."""

    request: str
    seconds: float


def waited_in_vain(measured: CandidateProfile) -> InVain | None:
    """The one that was waited for longest; None if every request had an answer."""
    found = [InVain("the first request of a cold start", measured.no_answer_s or 0.0)]
    found += [InVain(f"payload {p.payload}", p.no_answer_s or 0.0) for p in measured.payloads]
    longest = max(found, key=lambda item: item.seconds)
    return longest if longest.seconds else None


def slowest_seen_ms(payload: PayloadProfile) -> float | None:
    """The slowest request; of a profile that did not keep it, the highest percentile it has."""
    kept = (payload.latency_max_ms, payload.latency_p99_ms, payload.latency_p95_ms)
    return next((value for value in kept if value is not None), payload.latency_p50_ms)


def _mean_ms(payload: PayloadProfile) -> float | None:
    """One after the other, requests a second say the mean; the median where that was not kept."""
    if not payload.requests_per_s:
        return payload.latency_p50_ms
    return 1000 * payload.concurrency / payload.requests_per_s


def _spans_ms(seen: TierLatency) -> float:
    """How long all of its requests took."""
    return seen.requests * (seen.latency_mean_ms or seen.latency_p50_ms)


def tier_latency(
    measured: CandidateProfile, payload: PayloadProfile, memory_size_mb: int
) -> TierLatency | None:
    """What was measured of the payload under that tier's CPU quota, if anything was."""
    return next(
        (
            item
            for item in measured.tier_latencies
            if item.payload == payload.payload and item.memory_size_mb == memory_size_mb
        ),
        None,
    )
