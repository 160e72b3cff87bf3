"""How far ordinary windows stray from the reference, learnt from the reference's own blocks.

Live windows are not independent draws: a week has its own weather. So the reference period is cut
into contiguous blocks as long as a window, each is scored against the rest of the reference, and a
window has to stray further than those blocks explain.

Signals differ in how far they stray, so each score is put on one scale: what share of further
blocks would exceed it, going by mean and standard deviation of the others (a prediction interval,
Student's t), as a normal score. `budget` finds the threshold on that scale from the blocks
themselves, so that it holds whatever the scores' true distribution and the columns' correlation;
the bound of a signal is the threshold in its own scores. Blocks are taken as exchangeable: where
neighbouring ones are alike, or the reference has a trend, more ordinary windows alert.

Without a time column there are no blocks: the bound is 0, and only chance is allowed for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.contracts import AlertRule, Calibration, DriftBound, Summary
from seatrial.errors import InputError
from seatrial.monitoring.budget import alert_levels, calibrate
from seatrial.monitoring.distances import Metric, signals
from seatrial.monitoring.merging import subtract
from seatrial.monitoring.summary import summarise

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

Scores = dict[tuple[str, Metric], "Array"]

MIN_BLOCKS = 4
# A block with fewer rows than this share of the median one is the rest at an end, or has a gap.
WHOLE_BLOCK_SHARE = 0.5
# Blocks that differ by less than this share of the effect floor are taken as equally far.
LEAST_SPREAD_SHARE = 0.1
# Shares below this are beyond what any number of blocks could show.
LEAST_SHARE = 1e-300


@dataclass(frozen=True)
class Budget:
    """How often ordinary windows may alert, what an alert is, and which effects matter."""

    every_windows: float
    rule: AlertRule
    floor: float


@dataclass(frozen=True)
class Strays:
    """How far the blocks of some columns are from the rest of the reference."""

    scores: Scores
    block_rows: int


def levels(scores: Array, floor: float) -> Array:
    """Each score as a normal score of the prediction by all others.

    >>> levels(np.array([1.0, 2.0, 3.0, 4.0, 5.0]), 0.1).round(2).tolist()
    [-1.34, -0.58, -0.0, 0.58, 1.34]
    """
    from scipy.special import ndtri, stdtr

    count = len(scores)
    rest = scores.sum() - scores
    squares = (scores**2).sum() - scores**2
    means = rest / (count - 1)
    variances = np.maximum(squares - rest * means, 0) / (count - 2)
    spreads = np.maximum(np.sqrt(variances), LEAST_SPREAD_SHARE * floor)
    gaps = np.divide(scores - means, spreads, out=np.zeros(count), where=spreads > 0)
    shares = stdtr(count - 2, -gaps / math.sqrt(1 + 1 / (count - 1)))
    found: Array = -ndtri(np.clip(shares, LEAST_SHARE, None))
    return found


def upper_bound(scores: Array, threshold: float, floor: float) -> float:
    """The score of a further block whose level is the threshold; not below what all share."""
    from scipy.special import ndtr, stdtrit

    count = len(scores)
    spread = max(float(scores.std(ddof=1)), LEAST_SPREAD_SHARE * floor) * math.sqrt(1 + 1 / count)
    share = max(float(ndtr(-threshold)), LEAST_SHARE)
    return max(0.0, float(scores.mean()) - float(stdtrit(count - 1, share)) * spread)


def cut_blocks(times: Array, window_h: float) -> list[Array]:
    """Row numbers of the contiguous blocks of `window_h` hours, from the first row on.

    `times` is datetime64. Blocks that a gap or the period's end cuts short are left out.
    """
    hours = (times - times.min()) / np.timedelta64(1, "s") / 3600
    number = (hours // window_h).astype(np.int64)
    order = np.argsort(number, kind="stable")
    blocks = np.split(order, np.flatnonzero(np.diff(number[order])) + 1)
    least = WHOLE_BLOCK_SHARE * float(np.median([len(block) for block in blocks]))
    return [block for block in blocks if len(block) >= least]


def require_blocks(times: Array, window_h: float) -> None:
    """InputError if there are too few blocks to learn from."""
    count = len(cut_blocks(times, window_h))
    if count < MIN_BLOCKS:
        span_h = (times.max() - times.min()) / np.timedelta64(1, "h")
        raise InputError(
            "the reference is too short to learn how far its windows stray",
            got=f"{count} blocks of {window_h:g} h in {float(span_h):.0f} h",
            allowed=f"at least {MIN_BLOCKS} blocks",
            do="Register the model with a longer reference, or shorten monitoring.window_h",
        )


def block_strays(
    columns: Mapping[str, Array], times: Array, reference: Summary, window_h: float
) -> Strays:
    """For each signal of these columns, how far each block is from the rest of the reference."""
    blocks = cut_blocks(times, window_h)
    scores: dict[tuple[str, Metric], list[float]] = {}
    for block in blocks:
        part = summarise({name: values[block] for name, values in columns.items()}, like=reference)
        for signal in signals(subtract(reference, part), part):
            scores.setdefault((signal.column, signal.metric), []).append(signal.score)
    return Strays(
        {key: np.array(found) for key, found in scores.items()},
        round(float(np.median([len(block) for block in blocks]))),
    )


def block_levels(parts: Sequence[Strays], floor: float) -> dict[str, Array]:
    """For each column, the level of each block, by the signal that says most.

    Parts that were cut into different blocks are put side by side in order.
    """
    count = min(len(scores) for part in parts for scores in part.scores.values())
    found: dict[str, Array] = {}
    for part in parts:
        for (column, _), scores in part.scores.items():
            own = levels(scores, floor)[:count]
            found[column] = np.maximum(found.get(column, own), own)
    return found


def block_bounds(
    parts: Sequence[Strays], budget: Budget, *, window_h: float, further: Array | None = None
) -> tuple[tuple[DriftBound, ...], Calibration]:
    """A bound per signal, so that all together stay within the budget.

    `further` are each block's levels of something that alerts by itself, beside the columns.
    """
    figures = alert_levels(block_levels(parts, budget.floor), budget.rule)
    if further is not None:
        figures = np.maximum(figures, further[: len(figures)])
    calibration = calibrate(figures, budget.every_windows, window_h=window_h)
    bounds = tuple(
        DriftBound(
            column=column,
            metric=metric,
            window_h=window_h,
            bound=upper_bound(scores, calibration.threshold, budget.floor),
            floor=budget.floor,
            blocks=len(scores),
            largest_block_score=float(scores.max()),
            block_rows=part.block_rows,
        )
        for part in parts
        for (column, metric), scores in part.scores.items()
    )
    return bounds, calibration


def chance_bounds(reference: Summary, *, window_h: float, floor: float) -> Iterator[DriftBound]:
    """The bounds of a reference without times: nothing but chance is known to move a window."""
    for signal in signals(reference, reference):
        yield DriftBound(
            column=signal.column,
            metric=signal.metric,
            window_h=window_h,
            bound=0,
            floor=floor,
            blocks=0,
            largest_block_score=None,
        )
