"""How far a window is from the reference, from their summaries alone.

Numbers: the Wasserstein-1 distance in units of the reference's standard deviation. Categories: the
Jensen-Shannon distance with natural logarithms, 0 to 0.83. Both are Evidently's definitions, with
two differences: a missing category counts as one of its own, and a standard deviation below 0.001
is taken as it is, so that a column in small units is not blind. The share of missing numbers is
a signal by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from seatrial.contracts import CategoricalSummary, NumericSummary, Summary
from seatrial.monitoring.summary import missing_ratio

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

Metric = Literal["wasserstein_std", "jensen_shannon", "missing_ratio"]
# The unit of a column that was constant in the reference; Evidently's least unit for any column.
CONSTANT_UNIT = 0.001
ROUNDING = 1e-12


@dataclass(frozen=True)
class Signal:
    """One way in which one column may move, and how far it did."""

    column: str
    metric: Metric
    score: float


def signals(reference: Summary, window: Summary) -> Iterator[Signal]:
    """All signals of all columns, in the reference's order."""
    for name, column in reference.columns.items():
        other = window.columns[name]
        if isinstance(column, NumericSummary) and isinstance(other, NumericSummary):
            yield Signal(name, "wasserstein_std", wasserstein_std(column, other))
            difference = abs(missing_ratio(column) - missing_ratio(other))
            yield Signal(name, "missing_ratio", difference)
        elif isinstance(column, CategoricalSummary) and isinstance(other, CategoricalSummary):
            yield Signal(name, "jensen_shannon", jensen_shannon(column, other))


def wasserstein_std(reference: NumericSummary, window: NumericSummary) -> float:
    """Wasserstein-1 of the values that are there, over the reference's standard deviation.

    0 where one side has no value at all: that is for the missing ratio to tell.
    """
    reference_counts, window_counts = np.array(reference.counts), np.array(window.counts)
    if not reference_counts.sum() or not window_counts.sum():
        return 0.0
    distances = wasserstein(
        np.array(reference.upper),
        (reference_counts, np.array(reference.sums)),
        (window_counts[None, :], np.array(window.sums)[None, :]),
    )
    return float(distances[0]) / unit(reference)


def unit(reference: NumericSummary) -> float:
    """What a distance of this column is measured in."""
    largest = max((abs(edge) for edge in reference.upper), default=0.0)
    return reference.std if reference.std > ROUNDING * largest else CONSTANT_UNIT


def wasserstein(
    upper: Array, reference: tuple[Array, Array], windows: tuple[Array, Array]
) -> Array:
    """Wasserstein-1 of the reference's (counts, sums) to each row of the windows' (counts, sums).

    It is the integral of |F - G| over the two distribution functions. The integral of F - G over a
    cell follows exactly from counts and sums, so only a cell in which F and G cross is too small.
    """
    if not len(upper):
        return np.zeros(len(windows[0]))
    masses, sums = (part / reference[0].sum() for part in reference)
    rows = windows[0].sum(axis=1, keepdims=True)
    mass_gap, sum_gap = masses - windows[0] / rows, sums - windows[1] / rows
    lower_gap = np.cumsum(mass_gap, axis=1)[:, :-1]  # F - G at each inner edge
    areas = np.append(upper, upper[-1]) * mass_gap - sum_gap
    areas[:, 1:-1] += np.diff(upper) * lower_gap[:, :-1]
    distances: Array = np.abs(areas).sum(axis=1)
    return distances


def jensen_shannon(reference: CategoricalSummary, window: CategoricalSummary) -> float:
    """The Jensen-Shannon distance of the categories' shares; a missing one is a category."""
    names = sorted(reference.counts.keys() | window.counts.keys())  # a set has no order
    counts = [
        np.array([*(side.counts.get(name, 0) for name in names), side.missing], dtype=float)
        for side in (reference, window)
    ]
    if not counts[0].sum() or not counts[1].sum():
        return 0.0
    return float(jensen_shannon_counts(counts[0], counts[1][None, :])[0])


def jensen_shannon_counts(reference: Array, windows: Array) -> Array:
    """The distance of the reference's counts to those in each row of `windows`."""
    p = reference / reference.sum()
    q = windows / windows.sum(axis=1, keepdims=True)
    middle = (p + q) / 2
    divergence = (_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2
    distances: Array = np.sqrt(np.maximum(divergence, 0))  # rounding may leave -1e-17
    return distances


def _relative_entropy(p: Array, middle: Array) -> Array:
    p = np.broadcast_to(p, middle.shape)
    ratio = np.divide(p, middle, out=np.ones_like(middle), where=p > 0)
    total: Array = (p * np.log(ratio)).sum(axis=1)
    return total
