"""Traffic and workload as a review found them: of the endpoint's real callers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from seatrial.contracts.calls import Calls
from seatrial.contracts.review import Logged, Review
from seatrial.cost.prices import MONTH_S
from seatrial.cost.traffic import Rhythm, Traffic
from seatrial.cost.workload import Payload, Workload
from seatrial.errors import InputError
from seatrial.readiness.latency import slowdown
from seatrial.readiness.spread import POINTS, Spread

_HOUR_S, _HOUR_MIN = 3600, 60


@dataclass(frozen=True)
class ReviewedTimes:
    """As seen at the endpoint's memory size. At another one, they are taken to do nothing but
    compute.
    """

    here_ms: Spread
    start_here_s: float
    here_mb: int
    mb_per_vcpu: float
    scales = True

    def latencies_ms(self, _payload: str, memory_size_mb: float) -> Spread:
        """Of all requests alike."""
        slower = self._slower(memory_size_mb)
        return tuple(ms * slower for ms in self.here_ms)

    def cold_start_s(self, memory_size_mb: float) -> float:
        """CloudWatch's ModelSetupTime, on average."""
        return self.start_here_s * self._slower(memory_size_mb)

    def _slower(self, memory_size_mb: float) -> float:
        there, here = (slowdown(mb, self.mb_per_vcpu) for mb in (memory_size_mb, self.here_mb))
        return there / here


def reviewed_traffic(review: Review, *, seed: int) -> Traffic:
    """The callers' requests by the hour, at random within each; our own are not among them."""
    calls = _logged(review).calls
    counts = _by_hour(calls)
    if not counts.sum():
        raise _unfit(review, "no request of a caller in its windows")
    span_s = len(counts) * float(_HOUR_S)
    shares = np.repeat(counts / counts.sum() / _HOUR_MIN, _HOUR_MIN)
    source = f"callers of {review.endpoint_name} by the hour, {calls.started_at:%Y-%m-%d %H:%M} to "
    source += f"{calls.ended_at:%Y-%m-%d %H:%M}"
    a_month = float(counts.sum()) * MONTH_S / span_s
    return Rhythm(shares, span_s).traffic(a_month, seed=seed, source=source)


def _by_hour(calls: Calls) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    first = int(calls.started_at.timestamp() // _HOUR_S)
    after = math.ceil(calls.ended_at.timestamp() / _HOUR_S)
    return np.array([calls.hours.get(hour, 0.0) for hour in range(first, after)])


def reviewed_workload(review: Review, *, mb_per_vcpu: float, max_service_s: float) -> Workload:
    """What requests took and moved.

    The log knows what the server took; what CloudWatch adds on average is added to each.
    """
    callers = _logged(review).calls.callers
    percent = review.usage.memory_max_percent
    payload = Payload(
        name="reviewed",
        share=1.0,
        bytes_in=callers.request_bytes.mean or 0.0,
        bytes_out=callers.response_bytes.mean or 0.0,
    )
    return Workload(
        source=f"review of {review.endpoint_name} on {review.ended_at:%Y-%m-%d}",
        payloads=(payload,),
        times=ReviewedTimes(
            here_ms=_likely_ms(review),
            start_here_s=review.usage.setup_mean_s or 0.0,
            here_mb=review.memory_size_mb,
            mb_per_vcpu=mb_per_vcpu,
        ),
        peak_memory_mb=None if percent is None else percent / 100 * review.memory_size_mb,
        mb_per_vcpu=mb_per_vcpu,
        max_service_s=max_service_s,
    )


def _likely_ms(review: Review) -> Spread:
    calls = _logged(review).calls
    groups = (calls.callers, calls.synthetic)
    count = sum(group.server_ms.count for group in groups)
    taken = calls.callers.server_ms
    if not taken.count:
        raise _unfit(review, "no time of an answered request")
    mean_ms = sum(group.server_ms.total for group in groups) / count
    around_ms = max(0.0, (review.usage.latency_mean_ms or 0.0) - mean_ms)
    likely = (taken.percentile(100 * (place + 1) / POINTS) for place in range(POINTS))
    return tuple((ms or 0.0) + around_ms for ms in likely)


def _logged(review: Review) -> Logged:
    if review.usage.logged is None:
        raise _unfit(review, "no window of the prediction log")
    return review.usage.logged


def _unfit(review: Review, got: str) -> InputError:
    return InputError(
        f"the review of {review.endpoint_name} does not say what its callers do",
        got=got,
        allowed="a review of a period whose windows were collected",
        do="Run the monitor and review again, or take CloudWatch's traffic with --endpoint",
    )
