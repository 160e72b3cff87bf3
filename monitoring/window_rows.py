"""The rows of a window.parquet of any size, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.contracts import Summary
from seatrial.monitoring.columns import Column, columns_of, take
from seatrial.monitoring.row_groups import (
    BATCH_ROWS,
    list_stretches,
    merge_all,
    summarise_stretch,
)
from seatrial.monitoring.text import NO_TEXTS, Texts

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

Batches = Iterator[dict[str, "Array"]]


def read_batches(path: Path, columns: Iterable[Column], texts: Texts = NO_TEXTS) -> Batches:
    """These columns in order of time, texts measured, so many rows that memory does not matter."""
    import pyarrow.dataset as ds

    columns = tuple(columns)
    names = [column.name for column in columns]
    data = ds.dataset(path, format="parquet")
    for batch in data.to_batches(
        columns=names, batch_size=BATCH_ROWS, batch_readahead=1, fragment_readahead=1
    ):
        if batch.num_rows:
            yield texts.measure(columns_of(batch.to_pandas(), columns))


def summarise_window(path: Path, *, like: Summary, texts: Texts = NO_TEXTS) -> Summary:
    """The summary of all rows."""
    stretches = list_stretches(str(path), like=like, texts=texts)
    found = (summarise_stretch(item, like=like, texts=texts) for item in stretches)
    return merge_all(found, like)


def sample_window(
    path: Path, columns: Iterable[Column], *, rows: int, wanted: int, texts: Texts = NO_TEXTS
) -> dict[str, Array]:
    """At most `wanted` of the `rows` rows, evenly spaced over the window's time."""
    chosen = np.unique(np.linspace(0, rows - 1, min(rows, wanted)).astype(np.int64))
    parts: list[dict[str, Array]] = []
    start = 0
    for batch in read_batches(path, columns, texts):
        end = start + len(next(iter(batch.values())))
        parts.append(take(batch, chosen[(chosen >= start) & (chosen < end)] - start))
        start = end
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
