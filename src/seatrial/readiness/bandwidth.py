"""What a CPU quota does to requests that are sent one after another.

The kernel gives a group its quota at the start of each period and stops it once that is used up
(CFS bandwidth control, https://docs.kernel.org/scheduler/sched-bwc.html). So a request is not
slowed: it runs as on whole cores, and waits for the next period as often as it has to. A short one
waits not at all or for almost a period; a long one takes its CPU time over the quota.
"""

from __future__ import annotations

from math import floor, inf

# localcloud's and the profiler's. What AWS uses is not documented.
PERIOD_MS = 20.0


def stalled_ms(wall_ms: float, busy_cores: float, vcpus: float, share: float) -> float:
    """What `share` of the requests of that wall on whole cores take no more than, under the quota.

    `busy_cores` is their CPU time over their wall. Where in a period a request begins is chance.

    >>> stalled_ms(5.0, 1.0, 0.5, 0.49), stalled_ms(5.0, 1.0, 0.5, 0.51)  # 10 ms of each 20
    (5.0, 15.0)
    >>> stalled_ms(5.0, 1.0, 1.0, 0.95)
    5.0
    """
    runs_ms = PERIOD_MS * vcpus / busy_cores if busy_cores > 0 else inf
    if runs_ms >= PERIOD_MS:
        return wall_ms
    stalls = floor(wall_ms / runs_ms)
    one_more = wall_ms / runs_ms - stalls  # of the requests, so many wait once more
    if share > 1 - one_more:
        stalls += 1
    return wall_ms + stalls * (PERIOD_MS - runs_ms)


def mean_stalled_ms(wall_ms: float, busy_cores: float, vcpus: float) -> float:
    """Their mean: the CPU time over the quota, where the quota is short of it.

    >>> mean_stalled_ms(5.0, 1.0, 0.5), mean_stalled_ms(5.0, 0.4, 0.5)
    (10.0, 5.0)
    """
    return max(wall_ms, wall_ms * busy_cores / vcpus)
