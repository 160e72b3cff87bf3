"""A latency on whole cores, and what the quota of a tier makes of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil, inf

from seatrial.contracts import CandidateProfile, PayloadProfile, WholeLatency
from seatrial.readiness.bandwidth import Stalls, stalls
from seatrial.readiness.spread import POINTS, Spread, percentile_of, spread_ms

# So that phases beside one another are far apart: each wall then meets all of them.
_GOLDEN_RATIO = 0.6180339887498949
_LATEST = 1 - 1e-9  # phase


@dataclass(frozen=True)
class Latency:
    """One payload's latency at a tier; `measured` under its CPU share, or predicted.

    The mean is what is billed: a share of a CPU stalls some requests for long, and the median does
    not show it. Too few requests have no p95, but something that it is no less than. `spread_ms`
    has equally likely ones, of which these are the figures.
    """

    mean_ms: float
    p50_ms: float
    p95_ms: float | None
    p95_at_least_ms: float | None
    slowest_ms: float
    measured: bool
    spread_ms: Spread

    @property
    def billed_ms(self) -> float:
        """What a request is billed on average: each in whole milliseconds (7.0 ms are 7, not 8)."""
        return sum(ceil(ms - 1e-6) for ms in self.spread_ms) / len(self.spread_ms)


@dataclass(frozen=True)
class Whole:
    """A payload's latency on whole cores, the CPU time of each, and the pause after it.

    The same body is sent each time: what differs between the requests is what else they waited for,
    and not their CPU time.
    """

    mean_ms: float
    p50_ms: float
    p95_ms: float | None
    p99_ms: float | None
    p95_at_least_ms: float | None
    slowest_ms: float
    cpu_ms: float
    gap_ms: float = 0.0

    @property
    def spread_ms(self) -> Spread:
        """Equally likely walls."""
        knots = [(0.5, self.p50_ms), (0.95, self.p95_ms), (0.99, self.p99_ms)]
        known = [(share, ms) for share, ms in knots if ms is not None]
        return spread_ms(self.mean_ms, [*known, (1.0, self.slowest_ms)])

    def under(self, vcpus: float) -> Latency:
        """What the quota of a tier makes of it."""
        return _under(self, vcpus)


@lru_cache(maxsize=512)  # the same tiers are looked at for each check, and again for the cost
def _under(whole: Whole, vcpus: float) -> Latency:
    """Each wall begins somewhere in a period, wherever: which requests wait is chance."""
    stalled, found = stalls(whole.cpu_ms, whole.mean_ms + whole.gap_ms, vcpus), _as_it_is(whole)
    if not stalled.wait_ms:
        return found
    spread = _stalled(found.spread_ms, stalled)
    p95_ms, least_ms = None, found.p95_at_least_ms
    if found.p95_ms is not None:
        edge = _stalled(found.spread_ms, stalled.or_a_little_more())
        p95_ms = least_ms = percentile_of(edge, 0.95)
    elif least_ms is not None:
        least_ms = stalled.of(least_ms, 0.0)
    return replace(
        found,
        mean_ms=stalled.mean_of(whole.mean_ms),
        p50_ms=percentile_of(spread, 0.5),
        p95_ms=p95_ms,
        p95_at_least_ms=least_ms,
        slowest_ms=stalled.of(whole.slowest_ms, _LATEST),
        spread_ms=spread,
    )


def _stalled(spread_ms: Spread, stalled: Stalls) -> Spread:
    phases = (number * _GOLDEN_RATIO % 1 for number in range(POINTS))
    return tuple(sorted(map(stalled.of, spread_ms, phases)))


def _as_it_is(whole: Whole) -> Latency:
    """Where the quota is not short of it."""
    return Latency(
        mean_ms=whole.mean_ms,
        p50_ms=whole.p50_ms,
        p95_ms=whole.p95_ms,
        p95_at_least_ms=whole.p95_at_least_ms if whole.p95_ms is None else whole.p95_ms,
        slowest_ms=whole.slowest_ms,
        measured=False,
        spread_ms=whole.spread_ms,
    )


def whole_latency(
    measured: CandidateProfile, payload: PayloadProfile, threads: int
) -> Whole | None:
    """By a server of so many threads, in turn with the tiers if it was measured so; None if never.

    Else as the samples were, or with the most threads that took turns, but no request in less than
    its CPU time over the threads.
    """
    p50_ms, mean_ms = payload.latency_p50_ms, _mean_ms(payload)
    slowest_ms, cpu_s = slowest_seen_ms(payload), payload.cpu_s_per_request
    if p50_ms is None or mean_ms is None or slowest_ms is None or cpu_s is None:
        return None
    whole = Whole(
        mean_ms=mean_ms,
        p50_ms=p50_ms,
        p95_ms=payload.latency_p95_ms,
        p99_ms=payload.latency_p99_ms,
        p95_at_least_ms=payload.latency_p95_at_least_ms,
        slowest_ms=slowest_ms,
        cpu_ms=1000 * cpu_s,
        gap_ms=_gap_ms(payload),
    )
    seen = _in_turn(measured, payload.payload, threads)
    if seen is None or seen.latency_mean_ms is None:
        return _by_threads(whole, threads)
    seen_cpu_s = seen.cpu_s_per_request
    # What too few requests took turns for, the samples say, which were sent to all cores.
    alike = whole if seen.threads is None else _by_threads(whole, seen.threads)
    found = replace(
        alike,
        cpu_ms=whole.cpu_ms if seen_cpu_s is None else 1000 * seen_cpu_s,
        mean_ms=seen.latency_mean_ms,
        p50_ms=seen.latency_p50_ms,
        p95_ms=alike.p95_ms if seen.latency_p95_ms is None else seen.latency_p95_ms,
        slowest_ms=max(alike.slowest_ms, seen.latency_max_ms or 0.0),
    )
    return found if seen.threads == threads else _by_threads(found, threads)


def _in_turn(measured: CandidateProfile, name: str, threads: int) -> WholeLatency | None:
    """Of that many threads, or else of the most; those of unknown number are all cores'."""
    found = [item for item in measured.whole_latencies if item.payload == name]
    exact = [item for item in found if item.threads == threads]
    return max(exact or found, key=lambda item: item.threads or inf, default=None)


def _by_threads(whole: Whole, threads: int) -> Whole:
    """As it would be if it had computed with fewer: what ran beside another thread comes after."""
    slower = whole.cpu_ms / threads / whole.mean_ms if whole.mean_ms else 1.0
    if slower <= 1:
        return whole

    def later(ms: float | None) -> float | None:
        return None if ms is None else ms * slower

    return replace(
        whole,
        mean_ms=whole.mean_ms * slower,
        p50_ms=whole.p50_ms * slower,
        p95_ms=later(whole.p95_ms),
        p99_ms=later(whole.p99_ms),
        p95_at_least_ms=later(whole.p95_at_least_ms),
        slowest_ms=whole.slowest_ms * slower,
    )


def slowest_seen_ms(payload: PayloadProfile) -> float | None:
    """The slowest request; of a profile that did not keep it, the highest percentile it has."""
    kept = (payload.latency_max_ms, payload.latency_p99_ms, payload.latency_p95_ms)
    return next((value for value in kept if value is not None), payload.latency_p50_ms)


def _mean_ms(payload: PayloadProfile) -> float | None:
    """One after the other, requests a second say the mean; the median where that was not kept."""
    if payload.latency_mean_ms is not None:
        return payload.latency_mean_ms
    if not payload.requests_per_s:
        return payload.latency_p50_ms
    return 1000 * payload.concurrency / payload.requests_per_s


def _gap_ms(payload: PayloadProfile) -> float:
    """The pause between two requests; none where it was not kept."""
    if not payload.requests_per_s or payload.latency_mean_ms is None:
        return 0.0
    return max(0.0, 1000 * payload.concurrency / payload.requests_per_s - payload.latency_mean_ms)
