"""How many users there are, and when recorded arrivals come again."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from seatrial.contracts.loadtest import LoadShape

if TYPE_CHECKING:
    from seatrial.cost.traffic import Traffic

_NIGHT_RATIO = 0.1  # as the diurnal shape of seatrial cost
_OVER = 1.5  # the ramp ends at this many times MaxConcurrency


def users_at(shape: LoadShape, progress: float, users: int, max_concurrency: int) -> int:
    """Users when that share of the phase is over; each waits for its answer and asks again.

    >>> [users_at("ramp", at / 4, 8, 4) for at in range(5)]
    [1, 2, 4, 5, 6]
    """
    if shape == "ramp":
        top = math.ceil(_OVER * max_concurrency)
        return max(1, min(top, math.floor(1 + progress * (top - 1) + 0.5)))
    if shape == "diurnal":
        wave = (1 - math.cos(2 * math.pi * progress)) / 2
        return max(1, round(users * (_NIGHT_RATIO + (1 - _NIGHT_RATIO) * wave)))
    if shape == "idle":
        return 0
    return 1 if shape == "replay" else users  # one sends the recorded arrivals


def peak_users(shape: LoadShape, users: int, max_concurrency: int) -> int | None:
    """The most there are; None for recorded arrivals, which wait for nobody."""
    if shape == "replay":
        return None
    return math.ceil(_OVER * max_concurrency) if shape == "ramp" else users_at(shape, 0.5, users, 0)


def replayed(traffic: Traffic, seconds: float, *, seed: int) -> tuple[float, ...]:
    """Arrivals for `seconds` that rise and fall as the recorded ones do, at the recorded rates.

    Rates are kept, not numbers: a day in a minute has a 1440th of its requests, and the same
    concurrency.
    """
    import numpy as np

    counts = traffic.minute_counts
    lasts_s = seconds / len(counts)
    drawn = np.random.default_rng(seed).poisson(counts * lasts_s / 60)
    begins = np.repeat(np.arange(len(counts)) * lasts_s, drawn)
    arrivals = begins + np.random.default_rng(seed + 1).random(len(begins)) * lasts_s
    return tuple(float(value) for value in np.sort(arrivals))
