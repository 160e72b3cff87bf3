"""How good the predictions of a window turn out to be, once true labels are known.

Intervals come from a bootstrap of whole requests.

`ece`, the expected calibration error, cannot be below 0, so chance alone raises it: the fewer the
rows, the more. Its percentiles would show that as decay; the lower end of its interval takes off
what chance adds to a model that is calibrated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.calibration import calibration_error
from seatrial.contracts import MetricScore
from seatrial.monitoring.bootstrap import Labelled, resample
from seatrial.quality import HIGHER_IS_BETTER, measure_quality

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

INTERVAL = (2.5, 97.5)
NORMAL_95 = 1.959964
# A change of exactly `max_decay` is allowed, whatever the difference of two floats makes of it.
ROUNDING = 1e-9


def score_metrics(
    rows: Labelled, baseline: Mapping[str, float], *, max_decay: float, seed: int
) -> tuple[MetricScore, ...]:
    """The task's metrics with 95 % intervals, each compared with the baseline's."""
    values = measure(rows)
    draws = resample(values, rows, seed=seed)
    found = []
    for metric, value in values.items():
        if metric == "ece":
            interval = spread(metric, draws[metric]).interval(value, NORMAL_95)
        else:
            low, high = np.nanpercentile(draws[metric], INTERVAL)
            interval = float(low), float(high)
        found.append(
            metric_score(metric, value, interval, baseline.get(metric), max_decay=max_decay)
        )
    return tuple(found)


def measure(rows: Labelled) -> dict[str, float]:
    """The task's metrics, and the calibration error of a classifier of 0 and 1."""
    found = measure_quality(rows.task, rows.truth, label=rows.label, score=rows.score)
    binary = rows.task == "binary_classification" and rows.score is not None
    if binary and np.isin(rows.truth, (0, 1)).all():
        truth, score = np.asarray(rows.truth, dtype=float), np.asarray(rows.score, dtype=float)
        found["ece"] = float(calibration_error(truth, score)[0])
    return found


@dataclass(frozen=True)
class Spread:
    """How far a metric strays from draw to draw, and by how much chance raises it at most."""

    error: float
    chance: float = 0.0

    def interval(self, value: float, deviations: float) -> tuple[float, float]:
        """So many standard errors to either side; a metric that chance raises starts lower.

        >>> Spread(error=0.25, chance=0.5).interval(2.0, 2)
        (1.0, 2.5)
        """
        low, high = value - self.chance - deviations * self.error, value + deviations * self.error
        return low if self.chance == 0 else max(low, 0.0), high


def spread(metric: str, draws: Array) -> Spread:
    """How far the metric strays over these draws, as far as it is defined."""
    if metric != "ece":
        return Spread(float(np.nanstd(draws)))
    # The mean of |x| for a normal x about 0; a bin that is truly off is raised by less.
    chance = np.sqrt(2 / np.pi) * draws.std(axis=0).sum()
    return Spread(float(np.abs(draws).sum(axis=1).std()), float(chance))


def metric_score(
    metric: str,
    value: float,
    interval: tuple[float, float],
    baseline: float | None,
    *,
    max_decay: float,
) -> MetricScore:
    """The metric with its verdict: decayed if even its interval's better end is too bad."""
    low, high = interval
    decayed = False
    if baseline is not None:
        loss = baseline - high if HIGHER_IS_BETTER[metric] else low - baseline
        decayed = loss > max_decay + ROUNDING
    return MetricScore(
        metric=metric,
        value=value,
        low=low,
        high=high,
        baseline=baseline,
        change=None if baseline is None else value - baseline,
        decayed=decayed,
    )
