"""How good the predictions of a window turn out to be, once true labels are known.

Intervals come from a bootstrap that draws whole requests: rows of one request share their hour and
their caller, and count as one observation. Requests themselves are taken as independent; where
errors come in spells of days, the true interval is wider.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.contracts import MetricScore, Task
from seatrial.quality import HIGHER_IS_BETTER, measure_quality

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

DRAWS = 1000
INTERVAL = (2.5, 97.5)
# A change of exactly `max_decay` is allowed, whatever the difference of two floats makes of it.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Labelled:
    """Rows whose truth is known; `request` numbers the request that each row came in with."""

    task: Task
    truth: Array
    label: Array | None
    score: Array | None
    request: Array

    def __len__(self) -> int:
        return len(self.truth)


def score_metrics(
    rows: Labelled, baseline: Mapping[str, float], *, max_decay: float, seed: int
) -> tuple[MetricScore, ...]:
    """The task's metrics with 95 % intervals, each compared with the baseline's."""
    values = measure_quality(rows.task, rows.truth, label=rows.label, score=rows.score)
    draws = request_draws(rows.request, seed)
    found = []
    for metric, value in values.items():
        low, high = np.nanpercentile(bootstrap(metric, rows, draws), INTERVAL)
        found.append(
            metric_score(
                metric, value, (float(low), float(high)), baseline.get(metric), max_decay=max_decay
            )
        )
    return tuple(found)


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


def request_draws(request: Array, seed: int) -> Array:
    """How often each request occurs in each bootstrap draw: (DRAWS, requests)."""
    count = int(request.max()) + 1
    draws: Array = np.random.default_rng(seed).multinomial(
        count, np.full(count, 1 / count), size=DRAWS
    )
    return draws


def bootstrap(metric: str, rows: Labelled, draws: Array) -> Array:
    """The metric in each draw; NaN where it is not defined."""
    if metric == "auc":
        return _auc_draws(rows, draws)
    losses = _LOSSES[metric](rows)
    requests = draws.shape[1]
    sums = np.bincount(rows.request, weights=losses, minlength=requests)
    sizes = np.bincount(rows.request, minlength=requests)
    means: Array = (draws @ sums) / (draws @ sizes)
    found: Array = np.sqrt(means) if metric == "rmse" else means
    return found


def weighted_auc(positive: Array, score: Array, weights: Array) -> Array:
    """The area under the ROC curve for each row of `weights`; ties count half.

    >>> weighted_auc(np.array([0, 1, 1]), np.array([0.2, 0.2, 0.9]), np.ones((1, 3)))
    array([0.75])
    """
    distinct, group = np.unique(score, return_inverse=True)
    found = np.full(len(weights), np.nan)
    for number, weight in enumerate(weights):
        up = np.bincount(group, weights=weight * positive, minlength=len(distinct))
        down = np.bincount(group, weights=weight, minlength=len(distinct)) - up
        pairs = up.sum() * down.sum()
        if pairs > 0:
            below = np.cumsum(down) - down / 2
            found[number] = (up * below).sum() / pairs
    return found


def _auc_draws(rows: Labelled, draws: Array) -> Array:
    positive = np.asarray(rows.truth, dtype=float)
    score = np.asarray(rows.score, dtype=float)
    parts = [weighted_auc(positive, score, draw[None, rows.request]) for draw in draws]
    return np.concatenate(parts)


def _errors(rows: Labelled) -> Array:
    errors: Array = np.asarray(rows.score, dtype=float) - np.asarray(rows.truth, dtype=float)
    return errors


def _hits(rows: Labelled) -> Array:
    hits: Array = np.asarray(rows.label) == np.asarray(rows.truth)
    return hits.astype(float)


_LOSSES: dict[str, Callable[[Labelled], Array]] = {
    "accuracy": _hits,
    "brier": lambda rows: _errors(rows) ** 2,
    "rmse": lambda rows: _errors(rows) ** 2,
    "mae": lambda rows: np.abs(_errors(rows)),
}
