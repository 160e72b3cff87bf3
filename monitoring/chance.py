"""How far a window strays by chance alone: independent draws from the reference's own summary.

A window of 200 rows is 0.3 away from the reference in a column of a hundred categories although
nothing changed, one of 100 000 rows is not: what chance does depends on the number of rows. The
reference is a sample as well: a window of n rows strays from one of m as a window of
n·m / (n + m) rows does from all that there could be.

Columns are drawn one by one. Correlated ones stray together, so their largest level is lower than
it is here, and alerts are rarer than the budget; where an alert needs several columns it is not,
and there one is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.contracts import AlertRule, Calibration, NumericSummary, Summary
from seatrial.monitoring.budget import alert_levels, calibrate
from seatrial.monitoring.distances import (
    Metric,
    jensen_shannon_counts,
    unit,
    wasserstein,
)

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

# With 400, the bounds of 25 columns let 3.7 to 7.1 % of windows pass, by the seed, where 5 % were
# meant; with 1000, 3.8 to 5.7 %.
DRAWS = 1000


@dataclass(frozen=True)
class Chance:
    """What independent rows do: for each signal the score that passes the threshold."""

    bounds: Mapping[tuple[str, Metric], float]
    calibration: Calibration


def learn_chance(
    reference: Summary, rows: int, *, every_windows: float, window_h: float, seed: int
) -> Chance:
    """What windows of so many independent rows stay within, but one in `every_windows`."""
    drawn = {
        (column, metric): scores
        for column, metric, scores in chance_scores(reference, rows, seed=seed)
    }
    levels: dict[str, Array] = {}
    for (column, _), scores in drawn.items():
        own = (scores - scores.mean()) / (scores.std() or 1.0)
        levels[column] = np.maximum(levels.get(column, own), own)
    calibration = calibrate(alert_levels(levels, AlertRule()), every_windows, window_h=window_h)
    bounds = {
        key: float(scores.mean() + calibration.threshold * scores.std())
        for key, scores in drawn.items()
    }
    return Chance(bounds, calibration)


def chance_scores(
    reference: Summary, rows: int, *, seed: int
) -> Iterator[tuple[str, Metric, Array]]:
    """For each signal, the scores of `DRAWS` windows of `rows` rows drawn from the reference.

    Draws from a multinomial over the cells are what resampling the rows would give.
    """
    random = np.random.default_rng(seed)
    rows = max(1, round(rows * reference.rows / (rows + reference.rows)))
    for name, column in reference.columns.items():
        if isinstance(column, NumericSummary):
            counts = np.array([*column.counts, column.missing])
            drawn = random.multinomial(rows, counts / counts.sum(), size=DRAWS)
            yield name, "wasserstein_std", _numeric_scores(column, drawn[:, :-1])
            missing = np.abs(drawn[:, -1] / rows - column.missing / counts.sum())
            yield name, "missing_ratio", missing
        else:
            counts = np.array([*column.counts.values(), column.missing])
            drawn = random.multinomial(rows, counts / counts.sum(), size=DRAWS)
            yield name, "jensen_shannon", jensen_shannon_counts(counts, drawn)


def _numeric_scores(column: NumericSummary, drawn: Array) -> Array:
    counts, sums = np.array(column.counts), np.array(column.sums)
    scores = np.zeros(len(drawn))
    some = drawn.sum(axis=1) > 0
    if some.any():
        means = sums / np.maximum(counts, 1)
        windows = (drawn[some], drawn[some] * means)
        scores[some] = wasserstein(np.array(column.upper), (counts, sums), windows)
    return scores / unit(column)
