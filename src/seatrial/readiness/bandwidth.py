"""What a CPU quota does to requests that are sent one after another.

The kernel gives a group its quota at the start of each period and stops it once that is used up
(CFS bandwidth control, https://docs.kernel.org/scheduler/sched-bwc.html). So a request is not
slowed: it runs as on whole cores, and waits for the next period as often as it has to. A short one
waits not at all or for almost a period; a long one takes its CPU time over the quota.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import floor

# localcloud's and the profiler's. What AWS uses is not documented.
PERIOD_MS = 20.0
# A choice: of the same requests, CPU time differs by about as much from one minute to the next.
DRIFT = 1.15


@dataclass(frozen=True)
class Stalls:
    """So many waits a request, on average, of `wait_ms` each."""

    per_request: float
    wait_ms: float

    def of(self, wall_ms: float, phase: float) -> float:
        """What a request takes that begins where it does: `phase`, from 0 to under 1, is chance.

        >>> half = stalls(5.0, 5.0, 0.5)  # 10 ms of each 20
        >>> half.of(5.0, 0.49), half.of(5.0, 0.51)
        (5.0, 15.0)
        """
        return wall_ms + floor(self.per_request + phase) * self.wait_ms

    def or_a_little_more(self) -> Stalls:
        """As if a few more waited, where most do not: a p95 at the edge counts as waiting.

        How many wait is known no better than the CPU time. Where a twentieth does, give or take,
        the p95 is either side of a whole stall, and a bound on it has to hold on the far side.

        >>> stalls(0.55, 0.55, 0.58).or_a_little_more().per_request > 0.05
        True
        """
        if self.per_request >= 1:
            return self
        return replace(self, per_request=min(1.0, self.per_request * DRIFT))

    def mean_of(self, wall_ms: float) -> float:
        """The mean over all phases: the CPU time over the quota, where the quota is short of it.

        >>> stalls(5.0, 5.0, 0.5).mean_of(5.0), stalls(2.0, 5.0, 0.5).mean_of(5.0)
        (10.0, 5.0)
        """
        return wall_ms + self.per_request * self.wait_ms


def stalls(cpu_ms: float, every_ms: float, vcpus: float) -> Stalls:
    """Of requests of that CPU time, one every so many ms on whole cores.

    What they wait for without using a CPU, and the pause of whoever sends them, makes the quota of
    a period last longer.

    >>> stalls(5.0, 7.5, 0.5).mean_of(5.0)  # 5 ms of CPU time take 10, of which 2.5 pause
    7.5
    """
    quota_ms = PERIOD_MS * vcpus
    if cpu_ms * PERIOD_MS <= quota_ms * every_ms:
        return Stalls(per_request=0.0, wait_ms=0.0)
    runs_ms = quota_ms * every_ms / cpu_ms
    return Stalls(per_request=cpu_ms / quota_ms, wait_ms=PERIOD_MS - runs_ms)


def on_share(wall: float, cpu: float, vcpus: float) -> float:
    """The mean without a pause, of a wall and a CPU time in the same unit, which may be 0.

    >>> on_share(5.0, 5.0, 0.5), on_share(5.0, 2.0, 0.5), on_share(0.0, 0.0, 0.5)
    (10.0, 5.0, 0.0)
    """
    return max(wall, cpu / vcpus)
