"""How far a window strays by chance alone: independent draws from the reference's own summary.

A window of 200 rows is 0.3 away from the reference in a column of a hundred categories although
nothing changed, one of 100 000 rows is not: what chance does depends on the number of rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.contracts import NumericSummary, Summary
from seatrial.monitoring.distances import (
    Metric,
    jensen_shannon_counts,
    unit,
    wasserstein,
)

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

DRAWS = 200


def chance_scores(
    reference: Summary, rows: int, *, seed: int
) -> Iterator[tuple[str, Metric, Array]]:
    """For each signal, the scores of `DRAWS` windows of `rows` rows drawn from the reference.

    Draws from a multinomial over the cells are what resampling the rows would give.
    """
    random = np.random.default_rng(seed)
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
