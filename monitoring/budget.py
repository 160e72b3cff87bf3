"""The threshold that ordinary windows pass once in so many, learnt from some of them.

Each ordinary window (a block of the reference, or a draw from it) has one figure: the least that
its alert would have needed, as a normal score over all of its columns. Correlated columns count
for what they are, then, and no correction for their number is needed.

If there are enough figures, the threshold is one of them, and right on average whatever their
distribution: a further one is as likely to come at any place in their order. A quarter has a dozen
weeks, of which none can show what happens once in twenty; there Gumbel's law for maxima is fitted,
and the threshold is that of a prediction: over all samples of that size, the rate is the budget on
average. Either way the rate of a single baseline is uncertain, and is given with its 90 % interval.

    V. Vovk et al., Algorithmic Learning in a Random World, 2005, ch. 2 (the order).
    E. J. Gumbel, Statistics of Extremes, 1958.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.contracts import AlertRule, Calibration

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

SAMPLES = 10_000
INTERVAL = (5.0, 95.0)
# Gumbel's quantiles in standard deviations are below this for one in a million, from two figures.
WIDEST = 1e4
STEPS = 60


def alert_levels(levels: Mapping[str, Array], rule: AlertRule) -> Array:
    """For each window, the level that its alert needs, from the levels of its columns.

    An alert is any critical column, or `min_drifted_columns` of the others, over the threshold.

    >>> rule = AlertRule(critical_columns=("a",), min_drifted_columns=2)
    >>> alert_levels({"a": np.array([1.0]), "b": np.array([5.0]), "c": np.array([2.0])}, rule)
    array([2.])
    """
    critical = [values for name, values in levels.items() if name in rule.critical_columns]
    others = [values for name, values in levels.items() if name not in rule.critical_columns]
    found = [np.max(critical, axis=0)] if critical else []
    if len(others) >= rule.min_drifted_columns:
        found.append(np.sort(others, axis=0)[-rule.min_drifted_columns])
    highest: Array = np.max(found, axis=0)
    return highest


def is_alert(drifted: Collection[str], rule: AlertRule) -> bool:
    """True if these columns are enough for an alert."""
    critical = set(drifted) & set(rule.critical_columns)
    return bool(critical) or len(set(drifted) - critical) >= rule.min_drifted_columns


def calibrate(levels: Array, every_windows: float, *, window_h: float) -> Calibration:
    """The threshold that one further window in `every_windows` passes.

    >>> found = calibrate(np.arange(39.0), 20, window_h=168)
    >>> found.tail, found.threshold, found.rate_low < 1 / 20 < found.rate_high
    ('order', 37.0, True)
    """
    from scipy.special import betaincinv

    count, shares = len(levels), np.array(INTERVAL) / 100
    allowed = int((count + 1) / every_windows + 1e-9)
    if allowed:
        threshold = float(np.sort(levels)[-allowed])
        low, high = betaincinv(allowed, count + 1 - allowed, shares)
    else:
        factor, low, high = _gumbel(count, every_windows)
        fitted = float(levels.mean() + factor * levels.std(ddof=1))
        threshold = max(fitted, float(levels.max()))
    return Calibration(
        window_h=window_h,
        windows=count,
        tail="order" if allowed else "gumbel",
        threshold=threshold,
        rate_low=float(low),
        rate_high=float(high),
    )


@cache
def _gumbel(count: int, every_windows: float) -> tuple[float, float, float]:
    """Standard deviations over the mean of `count` maxima, and the interval of the rate beyond.

    The figures' mean and standard deviation move with the sample; the factor is such that the rate
    is right on average over samples. It depends on nothing but the two arguments.
    """
    drawn = np.random.default_rng(0).gumbel(size=(SAMPLES, count))
    means, stds = drawn.mean(axis=1), drawn.std(axis=1, ddof=1)

    def rates(factor: float) -> Array:
        beyond: Array = -np.expm1(-np.exp(-(means + factor * stds)))
        return beyond

    low, high = 0.0, WIDEST
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if rates(middle).mean() > 1 / every_windows else (low, middle)
    interval = np.percentile(rates(high), INTERVAL)
    return high, float(interval[0]), float(interval[1])
