"""Put summaries of batches together, and take the summary of a batch out again."""

from __future__ import annotations

from collections import Counter

import numpy as np

from seatrial.contracts import CategoricalSummary, NumericSummary, Summary
from seatrial.errors import InputError
from seatrial.monitoring.summary import ColumnSummary


def merge(left: Summary, right: Summary) -> Summary:
    """The summary of both batches of rows; both have to be over the same cells."""
    return _combined(left, right, sign=1)


def subtract(whole: Summary, part: Summary) -> Summary:
    """The summary of the rows of `whole` that are not in its `part`."""
    return _combined(whole, part, sign=-1)


def _combined(left: Summary, right: Summary, *, sign: int) -> Summary:
    if left.columns.keys() != right.columns.keys():
        raise _unlike(", ".join(left.columns), ", ".join(right.columns))
    return Summary(
        rows=left.rows + sign * right.rows,
        columns={
            name: _combined_column(column, right.columns[name], sign)
            for name, column in left.columns.items()
        },
    )


def _combined_column(left: ColumnSummary, right: ColumnSummary, sign: int) -> ColumnSummary:
    missing = left.missing + sign * right.missing
    if isinstance(left, NumericSummary) and isinstance(right, NumericSummary):
        if left.upper != right.upper:
            raise _unlike(f"{len(left.upper)} cells", f"{len(right.upper)} others")
        return NumericSummary(
            upper=left.upper,
            counts=tuple((np.array(left.counts) + sign * np.array(right.counts)).tolist()),
            sums=tuple((np.array(left.sums) + sign * np.array(right.sums)).tolist()),
            missing=missing,
            std=left.std,
        )
    if isinstance(left, CategoricalSummary) and isinstance(right, CategoricalSummary):
        counts = Counter(left.counts)
        for name, count in right.counts.items():
            counts[name] += sign * count
        kept = {name: count for name, count in sorted(counts.items()) if count}
        return CategoricalSummary(counts=kept, missing=missing)
    raise _unlike(left.kind, right.kind)


def _unlike(left: object, right: object) -> InputError:
    return InputError(
        "two summaries cannot be combined",
        got=right,
        allowed=left,
        do="Summarise both batches like the same reference",
    )
