"""How long a request takes at a tier, from what a profile measured.

The verdict, the report and `seatrial cost` all ask here. CPU grows with memory. SageMaker does not
say how; AWS Lambda's rule of one vCPU per 1769 MB is assumed. A latency is *measured* where the
profile has one under that CPU share, else *predicted*.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from seatrial.contracts import CandidateProfile, PayloadProfile, TierLatency
from seatrial.limits import tier_threads
from seatrial.readiness.bandwidth import PERIOD_MS
from seatrial.readiness.spread import spread_ms
from seatrial.readiness.whole import Latency, Whole, whole_latency

# Over fewer it is chance how many requests met a stall.
FEW_PERIODS = 10


def latency_at(
    measured: CandidateProfile, payload: PayloadProfile, memory_size_mb: float, mb_per_vcpu: float
) -> Latency | None:
    """The payload's latency at the tier; None if it was not answered.

    Few requests under the quota have a mean, but no p95: that is then the predicted one. Short ones
    are over in a few periods, and how many of them met a stall was chance: then the p95 is the
    predicted one if that is longer, and the mean no less than CPU time over quota.
    """
    whole = whole_latency(measured, payload, tier_threads(memory_size_mb, mb_per_vcpu))
    if whole is None:
        return None
    vcpus = memory_size_mb / mb_per_vcpu
    seen, predicted = tier_latency(measured, payload, memory_size_mb), whole.under(vcpus)
    return predicted if seen is None else _seen(_less_chance(seen, whole, vcpus), predicted)


def _less_chance(seen: TierLatency, whole: Whole, vcpus: float) -> TierLatency:
    """The same where nothing waits for the quota, or in many periods."""
    predicted, mean_ms = whole.under(vcpus), _mean_ms(seen)
    waits = predicted.slowest_ms > whole.slowest_ms
    if not waits or seen.requests * mean_ms >= FEW_PERIODS * PERIOD_MS:
        return seen
    least_ms = whole.cpu_ms / vcpus - whole.gap_ms
    longer = (predicted.p95_ms or 0.0) > (seen.latency_p95_ms or inf)
    update = {"latency_mean_ms": max(mean_ms, least_ms)}
    return seen.model_copy(update={**update, "latency_p95_ms": None} if longer else update)


def _seen(seen: TierLatency, predicted: Latency) -> Latency:
    """The measured figures, and the predicted ones in place of what was not measured."""
    p95_ms, least_ms, mean_ms = predicted.p95_ms, predicted.p95_at_least_ms, _mean_ms(seen)
    if seen.latency_p95_ms is not None:
        p95_ms = least_ms = seen.latency_p95_ms
    elif seen.latency_p95_at_least_ms is not None:
        least_ms = max(least_ms or 0.0, seen.latency_p95_at_least_ms)
        p95_ms = None if p95_ms is None else max(p95_ms, seen.latency_p95_at_least_ms)
    slowest_ms = max(predicted.slowest_ms, seen.latency_max_ms or seen.latency_p95_ms or 0.0)
    known = [] if p95_ms is None else [(0.95, p95_ms)]
    return Latency(
        mean_ms=mean_ms,
        p50_ms=seen.latency_p50_ms,
        p95_ms=p95_ms,
        p95_at_least_ms=least_ms,
        slowest_ms=slowest_ms,
        measured=seen.latency_p95_ms is not None,
        spread_ms=spread_ms(mean_ms, [(0.5, seen.latency_p50_ms), *known, (1.0, slowest_ms)]),
    )


def _mean_ms(seen: TierLatency) -> float:
    """The median where no mean was kept."""
    return seen.latency_p50_ms if seen.latency_mean_ms is None else seen.latency_mean_ms


def tier_latency(
    measured: CandidateProfile, payload: PayloadProfile, memory_size_mb: float
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


def slowdown(memory_size_mb: float, mb_per_vcpu: float) -> float:
    """How much longer one thread that only computes takes at that tier; 1 from a whole vCPU on.

    >>> slowdown(1769, 1769), slowdown(1024, 1769)
    (1.0, 1.7275390625)
    """
    return max(1.0, mb_per_vcpu / memory_size_mb)


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
