"""By how much a candidate is worse than the original on labelled rows, with bootstrap intervals.

Paired: each resample draws the same rows for both, so what is hard for both cancels out, and the
interval of the difference is far narrower than that of either metric. Percentile interval, as in
Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.contracts import Estimate, Task
from seatrial.guards import Predictions
from seatrial.monitoring.bootstrap import weighted_auc
from seatrial.quality import HIGHER_IS_BETTER

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

INTERVAL = (2.5, 97.5)
# Resamples at once: bounds the memory to some 100 MB at a million rows.
CHUNK = 16

# A metric of weighted rows: (resamples, rows) → (resamples,).
Metric = Callable[["Array"], "Array"]


class Judge:
    """Knows the truth and the original's metrics in every resample; asked once per candidate."""

    def __init__(
        self, task: Task, truth: Array, original: Predictions, *, resamples: int, seed: int
    ) -> None:
        self._task, self._truth = task, truth
        self._resamples, self._seed = resamples, seed
        self.quality = self.measure(original)
        self._draws = self._in_every_resample(original)

    def measure(self, predicted: Predictions) -> dict[str, float]:
        """The task's metrics on all rows."""
        once = np.ones((1, len(self._truth)))
        return {name: float(metric(once)[0]) for name, metric in self._metrics(predicted).items()}

    def drops(self, predicted: Predictions) -> dict[str, Estimate]:
        """How much worse each metric is than the original's, in its own unit; less is better."""
        values, draws = self.measure(predicted), self._in_every_resample(predicted)
        found = {}
        for name, value in values.items():
            sign = 1 if HIGHER_IS_BETTER[name] else -1
            low, high = np.percentile(sign * (self._draws[name] - draws[name]), INTERVAL)
            drop = sign * (self.quality[name] - value) + 0.0  # no -0.0
            found[name] = Estimate(value=drop, low=float(low) + 0.0, high=float(high) + 0.0)
        return found

    def _in_every_resample(self, predicted: Predictions) -> dict[str, Array]:
        metrics = self._metrics(predicted)
        parts: dict[str, list[Array]] = {name: [] for name in metrics}
        for weights in resample_weights(len(self._truth), self._resamples, self._seed):
            for name, metric in metrics.items():
                parts[name].append(metric(weights))
        # A resample without one of the classes has no AUC; it has none for either model.
        return {name: np.nan_to_num(np.concatenate(part)) for name, part in parts.items()}

    def _metrics(self, predicted: Predictions) -> Mapping[str, Metric]:
        if self._task == "regression":
            return _errors(self._truth, predicted.scores[:, 0])
        metrics: dict[str, Metric] = {}
        truth, labels, classes = encode(self._truth, predicted.labels)
        if labels is not None:
            metrics |= {
                "accuracy": _mean(truth == labels),
                "f1": _f1(truth, labels, classes, binary=self._task == "binary_classification"),
            }
        if self._task == "binary_classification":
            score, positive = predicted.scores[:, 0], (truth == classes - 1).astype(float)
            metrics["brier"] = _mean((score - positive) ** 2)
            if 0 < positive.sum() < len(positive):
                metrics["auc"] = lambda weights: weighted_auc(positive, score, weights)
        return metrics


def resample_weights(rows: int, resamples: int, seed: int) -> Iterator[Array]:
    """How often each row is drawn, some resamples at a time; the same for the same seed."""
    random = np.random.default_rng(seed)
    for start in range(0, resamples, CHUNK):
        count = min(CHUNK, resamples - start)
        drawn = random.integers(0, rows, size=(count, rows))
        yield np.stack([np.bincount(row, minlength=rows) for row in drawn]).astype(float)


def encode(truth: Array, labels: Array | None) -> tuple[Array, Array | None, int]:
    """Truth and labels as numbers of classes in their order, and how many classes there are.

    A binary truth of zeros alone still has two classes, of which 1 is the positive one.
    """
    truth, labels = _plain(truth), None if labels is None else _plain(labels)
    if labels is not None and (labels.dtype.kind == "U") != (truth.dtype.kind == "U"):
        truth, labels = truth.astype(str), labels.astype(str)
    parts = [truth] if labels is None else [truth, labels]
    whole = np.concatenate([*parts, [0, 1]]) if truth.dtype.kind != "U" else np.concatenate(parts)
    known = np.unique(whole)
    return (
        np.searchsorted(known, truth),
        None if labels is None else np.searchsorted(known, labels),
        len(known),
    )


def _plain(values: Array) -> Array:
    """Booleans and whole numbers as such, everything else that is not a number as text."""
    if values.dtype.kind == "b":
        return values.astype(np.int64)
    if values.dtype.kind in "iuf":
        return values
    return values.astype(str)


def _mean(values: Array) -> Metric:
    column = np.asarray(values, dtype=float)
    return lambda weights: weights @ column / weights.sum(axis=1)


def _errors(truth: Array, predicted: Array) -> dict[str, Metric]:
    error = predicted - truth.astype(float)
    squares = _mean(error**2)
    return {"rmse": lambda weights: np.sqrt(squares(weights)), "mae": _mean(np.abs(error))}


def _f1(truth: Array, labels: Array, classes: int, *, binary: bool) -> Metric:
    """Of the positive class, or the mean over the classes that occur (macro)."""
    hits = truth == labels

    def measure(weights: Array) -> Array:
        found = []
        for row in weights:
            hit = np.bincount(truth, weights=row * hits, minlength=classes)
            both = np.bincount(truth, weights=row, minlength=classes)
            both += np.bincount(labels, weights=row, minlength=classes)
            each = np.divide(2 * hit, both, out=np.zeros(classes), where=both > 0)
            found.append(each[-1] if binary else each[both > 0].mean())
        return np.array(found)

    return measure
