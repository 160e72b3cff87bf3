"""Can a classifier tell the window's rows from the reference's? Drift that no single column shows.

Gradient-boosted trees learn to tell the two, and the AUC on rows that they have not learnt from
says how well: 0.5 is not at all, 1 is always. They see how columns go together. Rows of one hour
are alike, and trees that have seen one of them know the others; so the rows that are judged are
those of other days: each fold is a stretch of the window's time, and one of the reference's. On the
flights' ordinary weeks folds at random give an AUC of 0.998, and stretches 0.66.

    D. Lopez-Paz, M. Oquab, Revisiting Classifier Two-Sample Tests, ICLR 2017.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.contracts import CategoricalSummary, Summary
from seatrial.errors import InputError
from seatrial.monitoring.columns import take
from seatrial.monitoring.summary import category
from seatrial.serving.arrays import is_missing

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

FOLDS = 5
ROUNDS = 50
# One thread, whatever the machine has: the same rows give the same AUC everywhere.
SETTINGS = {
    "objective": "binary",
    "num_leaves": 15,
    "learning_rate": 0.1,
    "min_data_in_leaf": 20,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "seed": 0,
    "verbosity": -1,
}


@dataclass(frozen=True)
class Separation:
    """How well two sets of rows are told apart, and each column's share of what tells them."""

    auc: float
    gains: dict[str, float]


def require_lightgbm() -> None:
    """InputError where LightGBM is not installed."""
    if find_spec("lightgbm") is None:
        raise InputError(
            "monitoring.domain_classifier needs LightGBM",
            got="no module lightgbm",
            allowed="an environment with seatrial's extra `classifier`, as the toolbox image is",
            do="pip install 'seatrial[monitor,classifier]', or set domain_classifier to false",
        )


def separate(
    reference: Mapping[str, Array], window: Mapping[str, Array], like: Summary
) -> Separation:
    """How well the rows are told apart; both in order of time, with the columns of `like`."""
    names = list(like.columns)
    categorical = [isinstance(like.columns[name], CategoricalSummary) for name in names]
    encoded = [
        _codes(reference[name], window[name]) if is_category else _numbers(reference, window, name)
        for name, is_category in zip(names, categorical, strict=True)
    ]
    sides = [np.column_stack([column[side] for column in encoded]) for side in (0, 1)]
    folds = [np.arange(len(side)) * FOLDS // len(side) for side in sides]
    aucs, gains = [], np.zeros(len(names))
    for fold in range(FOLDS):
        known = [side[own != fold] for side, own in zip(sides, folds, strict=True)]
        judged = [side[own == fold] for side, own in zip(sides, folds, strict=True)]
        trees = _learn(known, [at for at, is_category in enumerate(categorical) if is_category])
        aucs.append(_auc(*(trees.predict(side) for side in judged)))
        gains += trees.feature_importance("gain")
    shares = gains / (gains.sum() or 1.0)
    return Separation(float(np.mean(aucs)), dict(zip(names, shares.tolist(), strict=True)))


def evenly(columns: Mapping[str, Array], wanted: int) -> dict[str, Array]:
    """So many of the rows, in their order and as far from each other as can be."""
    return take(columns, spaced(np.arange(len(next(iter(columns.values())))), wanted))


def spaced(rows: Array, wanted: int) -> Array:
    """So many of these row numbers, from the first to the last.

    >>> spaced(np.array([3, 5, 8, 9, 12]), 3).tolist()
    [3, 8, 12]
    """
    chosen: Array = rows[np.linspace(0, len(rows) - 1, wanted).astype(np.int64)]
    return chosen


def _learn(known: list[Array], categorical: list[int]) -> Any:
    import lightgbm

    truth = np.repeat([0.0, 1.0], [len(side) for side in known])
    rows = lightgbm.Dataset(
        np.concatenate(known), truth, categorical_feature=categorical, params=SETTINGS
    )
    return lightgbm.train(SETTINGS, rows, ROUNDS)


def _auc(reference: Array, window: Array) -> float:
    """The share of pairs in which the window's row looks more like one; half for a tie.

    >>> _auc(np.array([0.1, 0.5]), np.array([0.5, 0.9]))
    0.875
    """
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([reference, window]))[len(reference) :]
    least = len(window) * (len(window) + 1) / 2
    return float((ranks.sum() - least) / (len(reference) * len(window)))


def _numbers(
    reference: Mapping[str, Array], window: Mapping[str, Array], name: str
) -> tuple[Array, Array]:
    """What is not finite is missing, as it is for summaries."""
    first, second = (side[name].astype(np.float64) for side in (reference, window))
    return np.where(np.isfinite(first), first, np.nan), np.where(
        np.isfinite(second), second, np.nan
    )


def _codes(reference: Array, window: Array) -> tuple[Array, Array]:
    """A number for each category of either side; NaN where it is missing."""
    sides = [
        [
            None if missing else category(value)
            for value, missing in zip(side.tolist(), is_missing(side), strict=True)
        ]
        for side in (reference, window)
    ]
    known = sorted({name for side in sides for name in side if name is not None})
    numbers: dict[str | None, float] = {name: float(at) for at, name in enumerate(known)}
    first, second = (np.array([numbers.get(name, np.nan) for name in side]) for side in sides)
    return first, second
