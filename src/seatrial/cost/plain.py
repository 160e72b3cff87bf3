"""The same simulation as an event queue of sandbox objects, in plain Python: the check on loops.py.

Written apart from it on purpose, and a hundred times slower. Tests and benchmarks/cost.py hold the
two against each other.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from seatrial.cost.loops import COLD, RESERVED, THROTTLED, WARM


@dataclass
class _Sandbox:
    free_at: float
    reserved: bool


def serve_plainly(
    arrivals_s: Sequence[float],
    service_s: Sequence[float],
    reserved_service_s: Sequence[float],
    *,
    reserved: int,
    limit: int,
    idle_s: float,
    cold_s: float,
) -> tuple[list[int], list[int]]:
    """Kind and requests in flight of each arrival, as `loops.serve` writes them."""
    sandboxes = [_Sandbox(float("-inf"), reserved=True) for _ in range(reserved)]
    kinds, in_flight = [], []
    times = zip(arrivals_s, service_s, reserved_service_s, strict=True)
    for now, needed_s, reserved_needed_s in times:
        sandboxes = [item for item in sandboxes if item.reserved or item.free_at + idle_s > now]
        free = [item for item in sandboxes if item.free_at <= now]
        kept = next((item for item in free if item.reserved), None)
        warm = max((item for item in free if not item.reserved), key=_free_at, default=None)
        started = sum(not item.reserved and item.free_at > now for item in sandboxes)
        if kept is not None:
            kept.free_at = now + reserved_needed_s
            kinds.append(RESERVED)
        elif started >= limit:
            kinds.append(THROTTLED)
        elif warm is not None:
            warm.free_at = now + needed_s
            kinds.append(WARM)
        else:
            sandboxes.append(_Sandbox(now + cold_s + needed_s, reserved=False))
            kinds.append(COLD)
        in_flight.append(sum(item.free_at > now for item in sandboxes))
    return kinds, in_flight


def _free_at(sandbox: _Sandbox) -> float:
    return sandbox.free_at


@dataclass
class _Worker:
    free_at: float
    leaves: bool = False


def queue_plainly(
    arrivals_s: Sequence[float],
    service_s: Sequence[float],
    workers: Sequence[int],
    *,
    step_s: float,
    patience_s: float,
) -> list[float]:
    """The wait of each arrival, as `loops.queue` writes it: events in order of their time.

    At one moment a step begins before a worker is free, and that before somebody arrives.
    """
    events = [(step * step_s, 0, step) for step in range(1, len(workers))]
    events += [(time, 2, index) for index, time in enumerate(arrivals_s)]
    heapq.heapify(events)
    team = [_Worker(0.0) for _ in range(workers[0])]
    waiting: deque[int] = deque()
    waits = [float("inf")] * len(arrivals_s)
    while events:
        now, sort, value = heapq.heappop(events)
        if sort == 0:
            _resize(team, now, workers[value] - workers[value - 1])
        elif sort == 2:
            waiting.append(value)
        team = [item for item in team if not item.leaves or item.free_at > now]
        free = [item for item in team if item.free_at <= now and not item.leaves]
        while waiting and free:
            index = waiting.popleft()
            if now - arrivals_s[index] > patience_s:
                continue
            worker = free.pop()
            waits[index] = now - arrivals_s[index]
            worker.free_at = now + service_s[index]
            heapq.heappush(events, (worker.free_at, 1, index))
    return waits


def _resize(team: list[_Worker], now: float, change: int) -> None:
    """Those that are free first go first; one at work ends what it does."""
    team.extend(_Worker(now) for _ in range(change))
    staying = sorted((item for item in team if not item.leaves), key=_worker_free_at)
    for worker in staying[: max(0, -change)]:
        worker.leaves = True


def _worker_free_at(worker: _Worker) -> float:
    return worker.free_at
