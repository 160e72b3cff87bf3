"""The loops of the simulation: plain Python that numba compiles, 20 ms for a million arrivals.

A cold start moves all that follows, so they cannot be done on whole arrays. numba keeps no cache on
disk: an installed package may be read-only, and compiling takes about as long as importing numba.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from seatrial.cost.traffic import Numbers
from seatrial.errors import InputError

WARM, COLD, RESERVED, THROTTLED = range(4)


def serve(
    arrivals_s: Numbers,
    service_s: Numbers,
    reserved_service_s: Numbers,
    reserved: int,
    limit: int,
    idle_s: float,
    cold_s: float,
    kinds: Any,
    in_flight: Any,
) -> None:
    """Give each arrival to a reserved slot, a warm sandbox, a new one, or nobody.

    `reserved` slots are always warm and come first; beyond them at most `limit` sandboxes run, one
    request in each. The one that ended last is used next. One that has been idle for `idle_s` is
    gone. A cold start takes `cold_s` before the request's own time, in the same sandbox. `kinds`
    and `in_flight` (counting the arrival itself, if it was taken) are written.
    """
    kept = [0.0]
    kept.pop()  # the list's type is known by now
    busy = [0.0]
    busy.pop()
    idle = np.empty(limit + 1)  # a ring of the times when sandboxes became idle, ascending
    first, count, size = 0, 0, limit + 1
    for i in range(len(arrivals_s)):
        now = arrivals_s[i]
        while len(kept) > 0 and kept[0] <= now:
            heapq.heappop(kept)
        while len(busy) > 0 and busy[0] <= now:
            idle[(first + count) % size] = heapq.heappop(busy)
            count += 1
        while count > 0 and idle[first] + idle_s <= now:
            first = (first + 1) % size
            count -= 1
        if len(kept) < reserved:
            heapq.heappush(kept, now + reserved_service_s[i])
            kinds[i] = RESERVED
        elif len(busy) >= limit:
            kinds[i] = THROTTLED
        elif count > 0:
            count -= 1
            heapq.heappush(busy, now + service_s[i])
            kinds[i] = WARM
        else:
            heapq.heappush(busy, now + cold_s + service_s[i])
            kinds[i] = COLD
        in_flight[i] = len(busy) + len(kept)


def queue(
    arrivals_s: Numbers,
    service_s: Numbers,
    workers: Any,
    step_s: float,
    patience_s: float,
    waits_s: Numbers,
) -> None:
    """Let arrivals wait, first come first served, for one of `workers[step]` workers.

    The number of workers changes at the start of each step; one that is taken away ends what it
    does. Who would wait longer than `patience_s` goes unanswered: their wait is infinite.
    """
    free = [0.0] * workers[0]  # when each worker is free
    step, last = 0, len(workers) - 1
    for i in range(len(arrivals_s)):
        start = max(free[0], arrivals_s[i])
        while step < last and start >= (step + 1) * step_s:
            step += 1
            for _ in range(workers[step] - workers[step - 1]):
                heapq.heappush(free, step * step_s)
            for _ in range(workers[step - 1] - workers[step]):
                heapq.heappop(free)
            start = max(free[0], arrivals_s[i])
        wait_s = start - arrivals_s[i]
        if wait_s > patience_s:
            waits_s[i] = np.inf
        else:
            waits_s[i] = wait_s
            heapq.heapreplace(free, start + service_s[i])


def drain(
    counts: Numbers, capacity: Numbers, patience_steps: float, waits: Numbers, lost: Numbers
) -> None:
    """`queue` as a fluid, for more requests a step than are worth simulating one by one.

    `capacity` is how many can be answered in each step. `waits` (in steps) and the share of each
    step's arrivals that is `lost`, because the queue is longer than patience, are written.
    """
    backlog = 0.0
    for step in range(len(counts)):
        before = backlog
        backlog = max(0.0, backlog + counts[step] - capacity[step])
        gone = max(0.0, backlog - patience_steps * capacity[step])
        backlog -= gone
        waits[step] = (before + backlog) / 2 / capacity[step]
        lost[step] = min(1.0, gone / counts[step]) if counts[step] > 0 else 0.0


def autoscale(
    counts: Numbers,
    target: float,
    fewest: int,
    most: int,
    out_after: int,
    in_after: int,
    launch_steps: int,
    in_service: Any,
    billed: Any,
) -> None:
    """Target tracking: keep the requests of a step at `target` an instance.

    Over it for `out_after` steps on end: launch as many instances as the last step needs, which
    serve `launch_steps` later and are billed from now on. Under nine tenths of it for `in_after`
    steps on end: keep as many as the busiest of these needed. Nothing is decided during a launch.
    `in_service` and `billed` (instances, in each step) are written.
    """
    first = counts[: min(in_after, len(counts))].mean()
    now = min(most, max(fewest, int(np.ceil(first / target))))
    coming, ready_at, over, under, peak = 0, -1, 0, 0, 0.0
    for step in range(len(counts)):
        if coming > 0 and step >= ready_at:
            now += coming
            coming, over, under, peak = 0, 0, 0, 0.0
        in_service[step] = now
        billed[step] = now + coming
        if coming > 0:
            continue
        load = counts[step] / now
        over = over + 1 if load > target else 0
        if load < 0.9 * target:
            under += 1
            peak = max(peak, counts[step])
        else:
            under, peak = 0, 0.0
        if over >= out_after and now < most:
            coming = min(most, int(np.ceil(counts[step] / target))) - now
            ready_at = step + 1 + launch_steps
        elif under >= in_after:
            now = min(now, max(fewest, int(np.ceil(peak / target))))
            over, under, peak = 0, 0, 0.0


@cache
def compiled(loop: Callable[..., None]) -> Callable[..., None]:
    """The loop as machine code, made at its first call in a process."""
    try:
        import numba
    except ImportError as error:
        raise InputError(
            "the simulation of costs needs numba",
            got=str(error),
            allowed="an environment with seatrial's extra `cost`",
            do="pip install 'seatrial[cost]'",
        ) from error
    fast: Callable[..., None] = numba.njit(nogil=True)(loop)
    return fast
