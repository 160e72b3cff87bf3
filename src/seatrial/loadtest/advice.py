"""How much concurrency the load needed, whatever it was given."""

from __future__ import annotations

import heapq
import math
import statistics
from collections.abc import Sequence

from seatrial.loadtest.requests import Request


def in_flight(requests: Sequence[Request]) -> list[int]:
    """Requests at work when each one came, itself included, had none been throttled.

    A throttled one would have taken as long as the median of those that were answered.
    """
    answered = [item.latency_s for item in requests if item.error is None]
    typical_s = statistics.median(answered) if answered else 0.0
    ends: list[float] = []
    found = []
    for item in sorted(requests, key=lambda item: item.at_s):
        while ends and ends[0] <= item.at_s:
            heapq.heappop(ends)
        heapq.heappush(ends, item.at_s + (typical_s if item.throttled else item.latency_s))
        found.append(len(ends))
    return found


def needed(requests: Sequence[Request], users: int | None, *, ratio: float = 1.0) -> int:
    """The concurrency that is enough for that share of the requests; 0 without requests.

    Users ask again after a throttle, so their requests overlap more than they would without: there
    are never more at work than `users`. None: they were recorded arrivals, which do not ask again.
    """
    found = sorted(in_flight(requests))
    if not found:
        return 0
    enough = found[max(0, math.ceil(ratio * len(found)) - 1)]
    return enough if users is None else min(enough, users)
