"""How far ordinary windows stray from the reference, learnt from the reference's own blocks.

Live windows are not independent draws: a week has its own weather. So the reference period is cut
into contiguous blocks as long as a window, each is scored against the rest of the reference, and a
window has to stray further than those blocks explain.

Quarters have only a dozen weeks, so no quantile of the blocks' scores can be read off at a small
false-alarm budget. The bound is the upper end of a prediction interval for one more block,
mean + t(1 - budget/signals, n - 1) · s · √(1 + 1/n), and never below the largest block. It treats
scores as normal and blocks as independent; scores are skewed and neighbouring weeks alike, so the
budget is aimed at, not guaranteed. Bonferroni's division by the number of signals errs to silence.
Few blocks are paid for with wide bounds: t is 9 with four blocks, 4 with twelve, 3 with a hundred.

Without a time column there are no blocks: the bound is 0, and only chance is allowed for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.contracts import DriftBound, Summary
from seatrial.errors import InputError
from seatrial.monitoring.distances import Metric, signals
from seatrial.monitoring.merging import subtract
from seatrial.monitoring.summary import summarise

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

Scores = dict[tuple[str, Metric], list[float]]

MIN_BLOCKS = 4
# A block with fewer rows than this share of the median one is the rest at an end, or has a gap.
WHOLE_BLOCK_SHARE = 0.5


def upper_bound(scores: Array, share: float) -> float:
    """What a further score exceeds in `share` of the cases; never below the largest score.

    >>> round(upper_bound(np.array([1.0, 2.0, 3.0]), 0.05), 2)
    5.37
    """
    from scipy.special import stdtrit

    count = len(scores)
    spread = float(scores.std(ddof=1)) * math.sqrt(1 + 1 / count)
    quantile = float(stdtrit(count - 1, 1 - share))
    return max(float(scores.max()), float(scores.mean()) + quantile * spread)


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


def block_scores(
    columns: Mapping[str, Array], times: Array, reference: Summary, window_h: float
) -> Scores:
    """For each signal of these columns, how far each block is from the rest of the reference."""
    scores: Scores = {}
    for block in cut_blocks(times, window_h):
        part = summarise({name: values[block] for name, values in columns.items()}, like=reference)
        for signal in signals(subtract(reference, part), part):
            scores.setdefault((signal.column, signal.metric), []).append(signal.score)
    return scores


def block_bounds(
    scores: Scores, *, window_h: float, budget: float, floor: float
) -> tuple[DriftBound, ...]:
    """A bound per signal, so that all together stay within the budget."""
    return tuple(
        DriftBound(
            column=column,
            metric=metric,
            window_h=window_h,
            bound=upper_bound(np.array(found), budget / len(scores)),
            floor=floor,
            blocks=len(found),
            largest_block_score=max(found),
        )
        for (column, metric), found in scores.items()
    )


def chance_bounds(reference: Summary, *, window_h: float, floor: float) -> tuple[DriftBound, ...]:
    """The bounds of a reference without times: nothing but chance is known to move a window."""
    return tuple(
        DriftBound(
            column=signal.column,
            metric=signal.metric,
            window_h=window_h,
            bound=0,
            floor=floor,
            blocks=0,
            largest_block_score=None,
        )
        for signal in signals(reference, reference)
    )
