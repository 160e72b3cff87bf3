"""What the worst columns look like beside the reference, from the summaries alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.contracts import CategoricalSummary, DriftReport, NumericSummary, Summary
from seatrial.contracts.distribution import Distribution
from seatrial.monitoring.summary import present_rows

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

# So that the report stays small whatever the number of columns.
MAX_DRAWN = 4
BINS = 24
MAX_CATEGORIES = 7
# Of either side this share may lie beyond each end of the drawing: one far value hides all else.
TAIL = 0.005


def with_distributions(report: DriftReport, reference: Summary, window: Summary) -> DriftReport:
    """The report with the distributions of its worst columns that have values on both sides."""
    found = tuple(_distributions(report, reference, window))
    return report.model_copy(update={"distributions": found})


def _distributions(
    report: DriftReport, reference: Summary, window: Summary
) -> Iterator[Distribution]:
    for item in report.columns[:MAX_DRAWN]:
        before, now = reference.columns[item.column], window.columns[item.column]
        if not present_rows(before) or not present_rows(now):
            continue
        if isinstance(before, NumericSummary) and isinstance(now, NumericSummary):
            yield numbers(item.column, before, now)
        elif isinstance(before, CategoricalSummary) and isinstance(now, CategoricalSummary):
            yield categories(item.column, before, now)


def numbers(column: str, reference: NumericSummary, window: NumericSummary) -> Distribution:
    """Both sides over the same bins, as wide as the other."""
    sides = [_spread(side) for side in (reference, window)]
    low = min(float(np.interp(TAIL, shares, values)) for values, shares in sides)
    high = max(float(np.interp(1 - TAIL, shares, values)) for values, shares in sides)
    if not low < high:
        pad = abs(low) / 2 or 0.5
        low, high = low - pad, high + pad
    # A mean of equal values can be a rounding error away from them.
    digits = 6 - math.ceil(math.log10(high - low))
    edges = np.linspace(round(low, digits), round(high, digits), BINS + 1)
    found = []
    for values, shares in sides:
        below = np.interp(edges, values, shares)
        below[0], below[-1] = 0.0, 1.0
        found.append(tuple(np.diff(below).clip(0).tolist()))
    return Distribution(
        column=column,
        edges=tuple(edges.tolist()),
        reference=found[0],
        window=found[1],
        window_beyond=_beyond(reference, window),
    )


def _beyond(reference: NumericSummary, window: NumericSummary) -> float:
    """The window's share in the outer cells, which hold at most the outermost value before."""
    shares = [np.array(side.counts) / present_rows(side) for side in (reference, window)]
    excess = (shares[1] - shares[0]).clip(0)
    return float(excess[0] + (excess[-1] if len(excess) > 1 else 0.0))


def _spread(side: NumericSummary) -> tuple[Array, Array]:
    """Values and the share at or below each, as a line.

    The rows of a cell lie evenly around its mean, as far as its nearer end: so one far value in a
    wide cell leaves the others where they are.
    """
    counts = np.array(side.counts, dtype=float)
    filled = counts > 0
    ends = np.array([-np.inf, *side.upper, np.inf])
    means = np.array(side.sums)[filled] / counts[filled]
    reach = np.minimum(means - ends[:-1][filled], ends[1:][filled] - means).clip(0)
    above = np.cumsum(counts)[filled]
    values = np.stack([means - reach, means + reach], axis=1).ravel()
    shares = np.stack([above - counts[filled], above], axis=1).ravel() / counts.sum()
    return np.maximum.accumulate(values), shares


def categories(
    column: str, reference: CategoricalSummary, window: CategoricalSummary
) -> Distribution:
    """The categories that are largest on either side, and what is left as one."""
    sides = [
        {name: count / present_rows(side) for name, count in side.counts.items()}
        for side in (reference, window)
    ]
    names = sides[0].keys() | sides[1].keys()
    ranked = sorted(names, key=lambda name: (-max(side.get(name, 0.0) for side in sides), name))
    shown, others = ranked[:MAX_CATEGORIES], ranked[MAX_CATEGORIES:]
    shares = [
        (
            *(side.get(name, 0.0) for name in shown),
            *([sum(side.get(name, 0.0) for name in others)] if others else []),
        )
        for side in sides
    ]
    return Distribution(
        column=column,
        categories=tuple(shown),
        others=bool(others),
        reference=shares[0],
        window=shares[1],
    )
