"""Equally likely latencies that have the percentiles, the slowest and the mean that were kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import ceil, inf

POINTS = 1000
Spread = tuple[float, ...]


def spread_ms(mean_ms: float, knots: Sequence[tuple[float, float]]) -> Spread:
    """In ascending order. A knot is a share of the requests, and what so many do not exceed.

    The first is the median and the last the slowest. From one to the next latency rises as t^k: the
    smaller the mean, the later, as where a few requests meet a stall and most do not. What is
    under the median takes as long as that, or less if the mean would be too large otherwise.

    >>> found = spread_ms(1.5, [(0.5, 1.0), (0.95, 9.0), (1.0, 9.0)])
    >>> found[0], round(sum(found) / len(found), 2), round(found[-1], 2)
    (1.0, 1.5, 9.0)
    """
    steps = list(_steps(knots))
    median_ms = steps[0][1]
    least_ms = median_ms / 2 + sum(width * low for width, low, _ in steps)
    room_ms = sum(width * (high - low) for width, low, high in steps)
    late = (mean_ms - least_ms) / room_ms if room_ms else 0.0  # 1 / (k + 1)
    power = 1 / min(late, 1.0) - 1 if late > 0 else inf
    # Half of the requests on a slope from there to the median make good for what is too much.
    start_ms = max(0.0, median_ms - 4 * max(0.0, least_ms - mean_ms))
    half = POINTS // 2
    found = [start_ms + (median_ms - start_ms) * (i + 1) / half for i in range(half)]
    for width, low, high in steps:
        count = round(width * POINTS)
        found += [low + (high - low) * ((i + 1) / count) ** power for i in range(count)]
    return tuple(found)


def percentile_of(spread: Sequence[float], share: float) -> float:
    """The smallest that at least that share does not exceed."""
    return spread[ceil(share * len(spread)) - 1]


def _steps(knots: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float, float]]:
    """Width, low and high of each step; few requests may have percentiles that do not ascend."""
    low = knots[0][1]
    for (begin, _), (end, ms) in pairwise(knots):
        high = max(low, ms)
        yield end - begin, low, high
        low = high
