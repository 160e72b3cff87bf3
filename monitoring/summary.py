"""Summaries of rows: counts and sums of each column over cells that the reference fixed.

Two batches summarised apart and merged give the numbers of one batch, so rows can be read file by
file, or on many machines. A column is a numpy array: of numbers, where NaN and infinities are
missing, or of objects (text), where None and NaN are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.contracts import CategoricalSummary, NumericSummary, Summary
from seatrial.errors import InputError

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]
    Columns = Mapping[str, Array]

ColumnSummary = NumericSummary | CategoricalSummary

# With counts and sums, 256 cells keep Wasserstein-1/std within 0.003 of its exact value.
MAX_CELLS = 256
# At most 128 values can be as frequent; with two edges each they use at most their share of cells.
ATOM_SHARE = 2 / MAX_CELLS


def cells(values: Array) -> Array:
    """Upper edges of at most `MAX_CELLS` cells for a column with these (reference) values.

    Atoms first; what is left is spread by quantiles, and a quarter evenly over the range, because
    in wide gaps and long tails a few rows make most of a Wasserstein distance.

    >>> cells(np.array([1.0, 1.0, 1.0, 2.0])).tolist()
    [0.9999999999999999, 1.0, 1.9999999999999998, 2.0]
    """
    present = _present(values)
    if not len(present):
        return np.empty(0)
    distinct, counts = np.unique(present, return_counts=True)
    is_atom = counts >= ATOM_SHARE * len(present)
    if len(distinct) <= MAX_CELLS // 2:
        is_atom[:] = True
    atoms = distinct[is_atom]
    edges = [np.nextafter(atoms, -np.inf), atoms]
    spread = MAX_CELLS - 1 - 2 * len(atoms)
    if spread > 0 and not is_atom.all():
        rest = np.repeat(distinct[~is_atom], counts[~is_atom])
        even = np.linspace(rest[0], rest[-1], spread // 4)
        shares = np.linspace(0, 1, spread - len(even))
        edges += [even, np.quantile(rest, shares, method="inverted_cdf")]
    found: Array = np.unique(np.concatenate(edges))
    return found


def without_columns(reference: Summary, names: Collection[str]) -> Summary:
    """The reference of a window that does not hold these columns."""
    kept = {name: column for name, column in reference.columns.items() if name not in names}
    return reference.model_copy(update={"columns": kept})


def summarise_reference(columns: Columns, *, categorical: Collection[str]) -> Summary:
    """The summary that fixes cells and units for all that are compared with it.

    Text is categorical by itself; `categorical` names the columns of numbers that are as well.
    """
    kinds: dict[str, ColumnSummary] = {}
    for name, values in columns.items():
        if name in categorical or values.dtype.kind not in "fiu":
            kinds[name] = CategoricalSummary(counts={}, missing=0)
        else:
            kinds[name] = _empty_numeric(values)
    return summarise(columns, like=Summary(rows=0, columns=kinds))


def summarise(columns: Columns, *, like: Summary) -> Summary:
    """The summary of these rows over the columns and cells of `like`."""
    require_columns(columns, like)
    return Summary(
        rows=len(columns[next(iter(like.columns))]) if like.columns else 0,
        columns={
            name: count_numbers(columns[name], kind)
            if isinstance(kind, NumericSummary)
            else count_categories(Counter(columns[name].tolist()).items())
            for name, kind in like.columns.items()
        },
    )


def require_columns(names: Collection[str], like: Summary) -> None:
    """InputError if the rows lack a column of the reference."""
    absent = [name for name in like.columns if name not in names]
    if absent:
        raise InputError(
            "rows cannot be compared with the reference",
            got=f"no column {', '.join(absent)}",
            allowed=f"the columns {', '.join(like.columns)}",
            do="Send rows of the model that the reference belongs to",
        )


def missing_ratio(column: ColumnSummary) -> float:
    """The share of rows that have no value."""
    rows = present_rows(column) + column.missing
    return column.missing / rows if rows else 0.0


def present_rows(column: ColumnSummary) -> int:
    """The number of rows that have a value."""
    counts = column.counts
    return sum(counts) if isinstance(counts, tuple) else sum(counts.values())


def mean(column: ColumnSummary) -> float | None:
    """The mean of a column of numbers; None where there is none."""
    rows = present_rows(column)
    if isinstance(column, CategoricalSummary) or not rows:
        return None
    return sum(column.sums) / rows


def _present(values: Array) -> Array:
    numbers = values.astype(np.float64, copy=False)
    return numbers[np.isfinite(numbers)]


def _empty_numeric(values: Array) -> NumericSummary:
    present = _present(values)
    upper = tuple(cells(values).tolist())
    nothing = (0,) * (len(upper) + 1)
    std = float(present.std()) if len(present) else 0.0
    return NumericSummary(upper=upper, counts=nothing, sums=nothing, missing=0, std=std)


def count_numbers(values: Array, kind: NumericSummary) -> NumericSummary:
    """The summary of these numbers over the cells of `kind`."""
    if values.dtype.kind not in "fiub":
        values = _as_numbers(values)
    # A few edges are found in sorted values sooner than all values among the edges.
    ordered = np.sort(values.astype(np.float64, copy=False))  # NaN last
    first, end = ordered.searchsorted(-np.inf, "right"), ordered.searchsorted(np.inf, "left")
    present = ordered[first:end]
    ends = np.append(present.searchsorted(kind.upper, "right"), len(present))
    counts = np.diff(ends, prepend=0)  # upper[i - 1] < x <= upper[i]
    sums = np.zeros(len(counts))
    filled = counts > 0  # reduceat has no empty stretches
    sums[filled] = np.add.reduceat(present, (ends - counts)[filled])
    return NumericSummary(
        upper=kind.upper,
        counts=tuple(counts.tolist()),
        sums=tuple(sums.tolist()),
        missing=len(values) - len(present),
        std=kind.std,
    )


def _as_numbers(values: Array) -> Array:
    """Objects as numbers: a column of nothing but None arrives as objects."""
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def count_categories(counts: Iterable[tuple[object, int]]) -> CategoricalSummary:
    """The summary of a column in which these values are so frequent."""
    missing, named = 0, Counter[str]()
    for value, count in counts:
        if value is None or value != value:
            missing += count
        else:
            named[category(value)] += count
    return CategoricalSummary(counts=dict(sorted(named.items())), missing=missing)


def category(value: object) -> str:
    """The name of a categorical value: whole numbers and booleans as digits.

    A boolean column with a gap arrives as 0.0 and 1.0, a label as 1 or 1.0; one name for each.
    """
    if isinstance(value, bool | int | float) and value == int(value):
        return str(int(value))
    return str(value)
