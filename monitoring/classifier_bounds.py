"""How well ordinary windows are told from the reference, and what a window has to pass.

Blocks of the reference and the windows are judged by as many rows each, so chance does the same to
all of them; a window that has fewer gets a wider bound. Where rows have times, each block is told
from the rest of the reference, and its AUC has a level like the score of any column: `budget` finds
one threshold for all of them together. Ordinary weeks have weather of their own, and are told from
each other by it. Where that is so the bound is high, and at 1 nothing can pass it.

Without times windows are drawn at random, and the classifier has half of the budget to itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.contracts import (
    Baseline,
    ClassifierBound,
    ClassifierVerdict,
    ColumnGain,
    DriftReport,
    Summary,
)
from seatrial.errors import InputError
from seatrial.monitoring.bounds import cut_blocks, upper_bound
from seatrial.monitoring.columns import take
from seatrial.monitoring.domain_classifier import Separation, evenly, separate, spaced

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

# More tell the sides apart better, and cost more: 2 000 take half a second of one core.
MAX_ROWS = 2000
# Of fewer rows the trees learn nothing, and would find no drift whatever there is.
LEAST_ROWS = 200
DRAWS = 20
MAX_TOLD = 5


@dataclass(frozen=True)
class Told:
    """The AUC of some ordinary windows of the reference, each judged by `rows` rows."""

    columns: tuple[str, ...]
    aucs: Array
    rows: int


def auc_floor(drift_floor: float) -> float:
    """The AUC below which a change does not matter: its Gini coefficient, 2 AUC - 1, is the floor.

    >>> auc_floor(0.1)
    0.55
    """
    return 0.5 + drift_floor / 2


@dataclass(frozen=True)
class RowCount:
    """By how many rows a window may be judged: no more than are sampled, no fewer than `least`."""

    most: int
    least: int

    def of(self, available: int) -> int:
        """The number of rows; InputError if they are too few."""
        rows, least = min(MAX_ROWS, self.most, available), max(self.least, LEAST_ROWS)
        if rows < least:
            raise InputError(
                "the reference is too small for monitoring.domain_classifier",
                got=f"{rows} rows in the smallest of its windows",
                allowed=f"at least {least}",
                do="Register the model with a larger reference, make monitoring.window_h longer, "
                "or set domain_classifier to false",
            )
        return rows


def tell_blocks(
    columns: Mapping[str, Array], times: Array, like: Summary, count: RowCount, *, window_h: float
) -> Told:
    """Each block of `window_h` hours against the rest of the reference."""
    order = np.argsort(times, kind="stable")
    blocks = [order[np.isin(order, block)] for block in cut_blocks(times, window_h)]
    rows = count.of(min(map(len, blocks)))
    aucs = []
    for block in blocks:
        rest = spaced(order[~np.isin(order, block)], rows)
        sides = take(columns, rest), take(columns, spaced(block, rows))
        aucs.append(separate(*sides, like).auc)
    return Told(tuple(columns), np.array(aucs), rows)


def tell_draws(columns: Mapping[str, Array], like: Summary, count: RowCount, *, seed: int) -> Told:
    """Windows drawn at random, each against as many of the other rows."""
    available = len(next(iter(columns.values())))
    rows = count.of(available // 2)
    random = np.random.default_rng(seed)
    aucs = []
    for _ in range(DRAWS):
        chosen = random.permutation(available)
        window, others = take(columns, chosen[:rows]), take(columns, chosen[rows : 2 * rows])
        aucs.append(separate(others, window, like).auc)
    return Told(tuple(columns), np.array(aucs), rows)


def half_budget(every_windows: float) -> float:
    """The threshold that one window in twice as many passes, as a normal score.

    >>> round(half_budget(20), 2)
    1.96
    """
    from scipy.special import ndtri

    return float(-ndtri(1 / (2 * every_windows)))


def classifier_bound(
    told: Told, *, threshold: float, window_h: float, drift_floor: float, timed: bool
) -> ClassifierBound:
    """The AUC that a window of `window_h` hours has to pass."""
    return ClassifierBound(
        window_h=window_h,
        columns=told.columns,
        rows=told.rows,
        bound=upper_bound(told.aucs, threshold, drift_floor / 2),
        floor=auc_floor(drift_floor),
        blocks=len(told.aucs) if timed else 0,
        largest_block_auc=float(told.aucs.max()) if timed else None,
    )


def bound_for(baseline: Baseline, length_h: float) -> ClassifierBound | None:
    """The bound for windows of that length; None if the classifier is off."""
    return next((item for item in baseline.classifier if item.window_h == length_h), None)


def judge_together(
    reference: Mapping[str, Array],
    window: Mapping[str, Array],
    like: Summary,
    known: ClassifierBound,
) -> ClassifierVerdict:
    """The verdict on a window, of which all rows or at least as many as its bound is for are given.

    Both sides are in order of time, and have the columns of `like`: those of the bound that are
    recorded. With fewer of them a window is told apart less well, so that errs to silence.
    """
    rows = min(known.rows, *(len(next(iter(side.values()), ())) for side in (reference, window)))
    if rows < LEAST_ROWS:
        detail = f"{rows} rows with a column to see; a classifier needs {LEAST_ROWS}"
        return ClassifierVerdict(status="not enough data", bound=known, detail=detail)
    found = separate(evenly(reference, rows), evenly(window, rows), like)
    return judge_separation(found, with_fewer_rows(known, rows))


def with_fewer_rows(known: ClassifierBound, rows: int) -> ClassifierBound:
    """The bound for so many rows: chance strays from 0.5 by one over the root of their number.

    Time does not stray further, so this is more than fewer rows of a block would do.
    """
    bound = 0.5 + (known.bound - 0.5) * math.sqrt(known.rows / rows)
    return known.model_copy(update={"rows": rows, "bound": bound})


def judge_separation(found: Separation, known: ClassifierBound) -> ClassifierVerdict:
    """The verdict, with the columns that tell most."""
    drifted = found.auc > known.bound and found.auc >= known.floor
    worst = sorted(found.gains.items(), key=lambda item: (-item[1], item[0]))[:MAX_TOLD]
    return ClassifierVerdict(
        status="drift" if drifted else "no drift",
        bound=known,
        auc=found.auc,
        columns=tuple(ColumnGain(column=name, share=share) for name, share in worst if share),
        detail=_detail(found.auc, known),
    )


def with_classifier(report: DriftReport, found: ClassifierVerdict) -> DriftReport:
    """The report with the classifier's verdict, which alerts by itself."""
    status = "drift" if found.status == "drift" else report.status
    return report.model_copy(update={"status": status, "classifier": found})


def _detail(auc: float, known: ClassifierBound) -> str:
    told = f"AUC {auc:.3f}, bound {known.bound:.3f}, floor {known.floor:g}"
    if known.blocks:
        told += (
            f"; {known.blocks} ordinary windows of {known.rows} rows reach "
            f"{known.largest_block_auc:.3f}"
        )
    if known.bound >= 1:
        told += (
            "; nothing can pass that: make monitoring.window_h longer, or leave the classifier off"
        )
    return told
