"""How good predictions should be, going by their own probabilities: decay before labels come.

The reference says how often each score came true (isotonic regression on validation data). If that
still holds, the metrics of a window follow from its scores alone. It is blind to concept drift, the
very change of what a score means: labels show that, as a realised metric away from its estimate.

    J. Bialek et al., Estimating Model Performance Under Covariate Shift Without Labels, 2024.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.contracts import MetricEstimate, MetricScore, ScoreCalibration
from seatrial.monitoring.bootstrap import weighted_auc

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

# As for a decay: exactly the allowed difference is allowed.
ROUNDING = 1e-9


def learn_calibration(score: Array, truth: Array) -> ScoreCalibration | None:
    """How often each score came true; None unless truth is 0 and 1, both of them."""
    from sklearn.isotonic import IsotonicRegression

    known = np.isfinite(score)
    if sorted(set(truth[known].tolist())) != [0, 1]:
        return None
    model = IsotonicRegression(out_of_bounds="clip").fit(score[known], truth[known].astype(float))
    return ScoreCalibration(
        scores=tuple(model.X_thresholds_.tolist()), rates=tuple(model.y_thresholds_.tolist())
    )


def estimate(label: Array | None, score: Array, known: ScoreCalibration) -> dict[str, float]:
    """The metrics of a binary classifier that these predictions lead one to expect.

    >>> known = ScoreCalibration(scores=(0.0, 1.0), rates=(0.0, 1.0))
    >>> estimate(np.array([0, 1]), np.array([0.25, 0.75]), known)
    {'accuracy': 0.75, 'brier': 0.1875, 'auc': 0.75}
    """
    rates = np.interp(score, known.scores, known.rates)
    found: dict[str, float] = {}
    if label is not None:
        found["accuracy"] = float(np.where(np.asarray(label) == 1, rates, 1 - rates).mean())
    found["brier"] = float((rates * (1 - score) ** 2 + (1 - rates) * score**2).mean())
    # Each row is a true and a false one, with its rate and the rest as their weights.
    positive = np.repeat([1.0, 0.0], len(score))
    weights = np.concatenate([rates, 1 - rates])[None, :]
    auc = float(weighted_auc(positive, np.tile(score, 2), weights)[0])
    return found | ({} if np.isnan(auc) else {"auc": auc})


def compare(
    estimates: Mapping[str, float],
    expected: Mapping[str, float],
    realised: Sequence[MetricScore],
    *,
    max_decay: float,
) -> Iterator[MetricEstimate]:
    """Each estimate of the window, beside what labels say if there are any.

    `expected` are the estimates for the labelled rows alone, which `realised` is of. The two have
    parted if they differ by more than `max_decay`, whatever end of the interval is taken.
    """
    known = {item.metric: item for item in realised}
    for metric, value in estimates.items():
        found = known.get(metric)
        parted = False
        if found is not None and metric in expected:
            gap = max(found.low - expected[metric], expected[metric] - found.high)
            parted = gap > max_decay + ROUNDING
        yield MetricEstimate(
            metric=metric,
            value=value,
            of_labelled_rows=expected.get(metric),
            realised=None if found is None else found.value,
            parted=parted,
        )
