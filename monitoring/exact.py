"""Scores near their bound, settled on the rows themselves.

A summary's Wasserstein distance is exact but for cells in which the two distribution functions may
cross: there it may be too small, by no more than can be told from the counts. Where the limit lies
within that margin the distance is computed again from the values; everywhere else both come to the
same verdict. All other scores of a summary are exact.

The reference's values are those of `reference_rows.parquet`, where the baseline has it. A reference
of more rows than monitoring.max_reference_rows keeps none, and then the summary decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.contracts import NumericSummary, Summary
from seatrial.monitoring.distances import Metric, Signal, unit
from seatrial.monitoring.text import NO_TEXTS, Texts

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

REFERENCE_ROWS = "reference_rows.parquet"
# Sums over a million rows round at this share of the values.
ROUNDING = 1e-9
Settle = Callable[[str], float]


def margin(reference: NumericSummary, window: NumericSummary) -> float:
    """How much larger than the summary's the exact Wasserstein/std can be.

    In a cell, distribution functions F and G are apart by at most the larger of what F ends and G
    begins with, and the other way round; they cannot cross where one begins above the other's end.
    """
    upper = np.array(reference.upper)
    counts = [np.array(side.counts, dtype=float) for side in (reference, window)]
    if len(upper) < 2 or not counts[0].sum() or not counts[1].sum():
        return 0.0
    ends = [np.cumsum(side)[:-1] / side.sum() for side in counts]
    (first, last), (other_first, other_last) = ((end[:-1], end[1:]) for end in ends)
    apart = np.maximum(last - other_first, other_last - first)
    may_cross = np.minimum(last - other_first, other_last - first) > 0
    return float((apart * np.diff(upper))[may_cross].sum()) / unit(reference)


def exact_wasserstein_std(reference: Array, window: Array, kind: NumericSummary) -> float:
    """The distance of the values themselves; NaN and infinities are missing."""
    from scipy.stats import wasserstein_distance

    sides = [side[np.isfinite(side)] for side in (reference, window)]
    if not all(map(len, sides)):
        return 0.0
    return float(wasserstein_distance(*sides)) / unit(kind)


def settled(
    found: Iterator[Signal],
    least: Mapping[tuple[str, Metric], float],
    summaries: tuple[Summary, Summary],
    settle: Settle,
) -> Iterator[Signal]:
    """The signals, those whose limit is within their margin with their exact score."""
    for signal in found:
        sides = [summary.columns[signal.column] for summary in summaries]
        limit = least[signal.column, signal.metric]
        before, now = sides
        if (
            signal.metric == "wasserstein_std"
            and isinstance(before, NumericSummary)
            and isinstance(now, NumericSummary)
            and signal.score * (1 - ROUNDING)
            <= limit
            <= (signal.score + margin(before, now)) * (1 + ROUNDING)
        ):
            yield Signal(signal.column, signal.metric, settle(signal.column))
        else:
            yield signal


def settle_from_files(
    reference: Path, window: Path, summary: Summary, texts: Texts = NO_TEXTS
) -> Settle | None:
    """Exact scores from the rows of both files, read a column at a time; None without them."""
    import pyarrow.dataset as ds

    if not reference.is_file():
        return None

    def values(path: Path, column: str) -> Array:
        table = ds.dataset(path, format="parquet").to_table(columns=[column])
        found: Array = table[column].cast("float64").to_numpy()
        return found

    def window_values(column: str) -> Array:
        [source] = texts.sources([column])
        if source == column:
            return values(window, column)
        table = ds.dataset(window, format="parquet").to_table(columns=[source])
        return texts.measure({source: table[source].to_numpy()})[column]

    kinds = {
        name: kind for name, kind in summary.columns.items() if isinstance(kind, NumericSummary)
    }

    def settle(column: str) -> float:
        sides = values(reference, column), window_values(column)
        return exact_wasserstein_std(*sides, kinds[column])

    return settle


def write_reference_rows(parts: list[Mapping[str, Array]], summary: Summary, path: Path) -> None:
    """The numbers of all parts side by side; shorter parts end in missing values."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = max(len(values) for part in parts for values in part.values())
    numbers = {
        name: values.astype(np.float64)
        for part in parts
        for name, values in part.items()
        if isinstance(summary.columns[name], NumericSummary)
    }
    padded = {
        name: np.append(values, np.full(rows - len(values), np.nan))
        for name, values in numbers.items()
    }
    pq.write_table(pa.table(padded), path)
