"""What a CPU quota does to requests that are sent one after another.

The kernel gives a group its quota at the start of each period and stops it once that is used up
(CFS bandwidth control, https://docs.kernel.org/scheduler/sched-bwc.html). So a request is not
slowed: it runs as on whole cores, and waits for the next period as often as it has to. A short one
waits not at all or for almost a period; a long one takes its CPU time over the quota.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, inf

# localcloud's and the profiler's. What AWS uses is not documented.
PERIOD_MS = 20.0


@dataclass(frozen=True)
class Stalls:
    """A wait of `wait_ms` for every `every_ms` of a request's wall on whole cores."""

    every_ms: float
    wait_ms: float

    def of(self, wall_ms: float, phase: float) -> float:
        """What a request takes that begins where it does: `phase`, from 0 to under 1, is chance.

        >>> stalls(1.0, 0.5).of(5.0, 0.49), stalls(1.0, 0.5).of(5.0, 0.51)  # 10 ms of each 20
        (5.0, 15.0)
        """
        return wall_ms + floor(wall_ms / self.every_ms + phase) * self.wait_ms

    def mean_of(self, wall_ms: float) -> float:
        """The mean over all phases: the CPU time over the quota, where the quota is short of it.

        >>> stalls(1.0, 0.5).mean_of(5.0), stalls(0.4, 0.5).mean_of(5.0)
        (10.0, 5.0)
        """
        return wall_ms + wall_ms / self.every_ms * self.wait_ms


def stalls(busy_cores: float, vcpus: float, gap_ratio: float = 0.0) -> Stalls:
    """Of requests that keep so many cores busy, with that pause after each; both over their wall.

    Whoever sends them takes a moment from an answer to the next request, and the quota of a period
    lasts longer for it.

    >>> stalls(1.0, 0.5, gap_ratio=0.5).mean_of(5.0)  # 5 ms of CPU time take 10, of which 2.5 pause
    7.5
    """
    quota_ms = PERIOD_MS * vcpus
    if busy_cores * PERIOD_MS <= quota_ms * (1 + gap_ratio):
        return Stalls(every_ms=inf, wait_ms=0.0)
    runs_ms = quota_ms * (1 + gap_ratio) / busy_cores
    return Stalls(every_ms=quota_ms / busy_cores, wait_ms=PERIOD_MS - runs_ms)


def on_share(wall: float, cpu: float, vcpus: float) -> float:
    """The mean without a pause, of a wall and a CPU time in the same unit, which may be 0.

    >>> on_share(5.0, 5.0, 0.5), on_share(5.0, 2.0, 0.5), on_share(0.0, 0.0, 0.5)
    (10.0, 5.0, 0.0)
    """
    return max(wall, cpu / vcpus)
