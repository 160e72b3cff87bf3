"""Which rows are in which slice of a column."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from seatrial.monitoring.summary import category

if TYPE_CHECKING:
    import pandas as pd


def slice_parts(
    column: str, upper: tuple[float, ...] | None, rows: pd.DataFrame
) -> Iterator[tuple[str, pd.DataFrame]]:
    """The rows of each slice that has any, by its name."""
    import pandas as pd

    values, missing = rows[column], f"{column} missing"
    if upper is None:
        named = values.dropna().map(lambda value: f"{column}={category(value)}")
    else:
        ends = [f"{end:.6g}" for end in upper]
        between = [f"{low}<{column}<={high}" for low, high in pairwise(ends)]
        labels = [f"{column}<={ends[0]}", *between, f"{column}>{ends[-1]}"] if ends else [column]
        cut = pd.cut(values.astype(float), [-np.inf, *upper, np.inf], labels=labels)
        named = cut.dropna().astype(str)
    names = named.reindex(rows.index).fillna(missing)
    for name, part in rows.groupby(names, sort=True):
        yield str(name), part


def thirds(reference: pd.Series) -> tuple[float, ...]:
    """Where the reference's thirds end; fewer ends if many rows share a value."""
    present = reference.astype(float).dropna()
    if present.empty:
        return ()
    ends = np.unique(np.quantile(present, (1 / 3, 2 / 3), method="inverted_cdf"))
    return tuple(ends[ends < present.max()].tolist())
