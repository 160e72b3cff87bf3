"""What the answers of a window promise of their own quality, or why nothing can be said."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.contracts import ModelSignature, ScoreCalibration
from seatrial.monitoring.estimates import estimate, learn_calibration
from seatrial.monitoring.summary import category

if TYPE_CHECKING:
    import pandas as pd

    Array = np.ndarray[Any, np.dtype[Any]]

REGRESSION = "a predicted number does not say how wrong it may be: only labels show the error"


@dataclass(frozen=True)
class Promise:
    """The metrics to expect, or the reason why there are none."""

    metrics: dict[str, float] = field(default_factory=dict)
    reason: str | None = None


def learn_promises(rows: pd.DataFrame, signature: ModelSignature) -> ScoreCalibration | None:
    """How often scores, or of several classes the highest, were right on these labelled rows."""
    names = _answers(signature)
    if names is None:
        return None
    answered = rows.dropna(subset=names)
    truth = answered["truth"].to_numpy()
    if signature.task == "binary_classification":
        return learn_calibration(answered[signature.score].to_numpy(), truth)
    given, true = (map(category, values.tolist()) for values in (answered[signature.label], truth))
    right = np.array([one == other for one, other in zip(given, true, strict=True)], dtype=float)
    return learn_calibration(confidence(answered, signature), right)


@dataclass(frozen=True)
class Promising:
    """A model whose answers promise something, as far as its calibration is known."""

    signature: ModelSignature
    known: ScoreCalibration | None
    min_rows: int

    def of(self, rows: pd.DataFrame) -> Promise:
        """What these rows promise; nothing if they are few, of regression, or not calibrated."""
        task, names = self.signature.task, _answers(self.signature)
        if task == "regression":
            return Promise(reason=REGRESSION)
        if names is None:
            return Promise(reason="the model gives no probability beside its label")
        if self.known is None:
            return Promise(reason=_uncalibrated(self.signature))
        answered = rows.dropna(subset=names)
        if len(answered) < self.min_rows:
            few = f"{len(answered)} answered rows; an estimate needs {self.min_rows}"
            return Promise(reason=few)
        if task == "multiclass_classification":
            sure = confidence(answered, self.signature)
            return Promise(
                {"accuracy": float(np.interp(sure, self.known.scores, self.known.rates).mean())}
            )
        label, score = self.signature.label, answered[self.signature.score].to_numpy()
        return Promise(
            estimate(None if label is None else answered[label].to_numpy(), score, self.known)
        )


def confidence(rows: pd.DataFrame, signature: ModelSignature) -> Array:
    """The highest of the classes' scores."""
    highest: Array = rows[_class_scores(signature)].max(axis=1).to_numpy(dtype=float)
    return highest


def _class_scores(signature: ModelSignature) -> list[str]:
    return [item.name for item in signature.outputs if item.name != signature.label]


def _answers(signature: ModelSignature) -> list[str] | None:
    """The outputs that are needed; None if the model does not have them."""
    label = [] if signature.label is None else [signature.label]
    if signature.task == "binary_classification":
        return None if signature.score is None else [*label, signature.score]
    scores = _class_scores(signature)
    return [*label, *scores] if label and scores else None


def _uncalibrated(signature: ModelSignature) -> str:
    wanted = (
        "a truth of 0 and of 1"
        if signature.task == "binary_classification"
        else "their truth, some of them answered right and some wrong"
    )
    return f"the baseline has no calibration: it takes validation rows with {wanted}"
