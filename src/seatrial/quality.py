"""How good predictions are, by task: the same metrics for guards, baselines and decay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seatrial.contracts import Task

if TYPE_CHECKING:
    import numpy as np

# Whether more is better; a drop of the others is an improvement.
HIGHER_IS_BETTER = {
    "auc": True,
    "accuracy": True,
    "f1": True,
    "brier": False,
    "ece": False,
    "rmse": False,
    "mae": False,
}
# All others are between 0 and 1.
IN_UNITS_OF_THE_TARGET = frozenset({"rmse", "mae"})


def measure_quality(
    task: Task,
    truth: np.ndarray[Any, Any],
    *,
    label: np.ndarray[Any, Any] | None,
    score: np.ndarray[Any, Any] | None,
) -> dict[str, float]:
    """The task's metrics; `auc` is left out where only one class occurs."""
    import numpy as np
    from sklearn import metrics

    if task == "regression":
        error = np.asarray(score, dtype=float) - np.asarray(truth, dtype=float)
        return {"rmse": float(np.sqrt(np.mean(error**2))), "mae": float(np.mean(np.abs(error)))}
    found: dict[str, float] = {}
    if label is not None:
        found["accuracy"] = float(np.mean(np.asarray(label) == np.asarray(truth)))
    if task == "binary_classification" and score is not None:
        found["brier"] = float(metrics.brier_score_loss(truth, score))
        if len(np.unique(truth)) == 2:
            found["auc"] = float(metrics.roc_auc_score(truth, score))
    return found
