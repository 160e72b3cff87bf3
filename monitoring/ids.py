"""Columns that tell rows apart: an order's number, a key; not a measurement, and not a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.monitoring.columns import Column
from seatrial.serving.arrays import is_missing

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

# If n values have no repetition, their windows of as many rows have less than 6 / n of repeated
# ones (with 95 %): of fewer than this, ordinary repetitions could be one row in a hundred.
LEAST_VALUES = 1000
_ID_TYPES = ("string", "integer", "long")


def id_columns(rows: Mapping[str, Array], columns: Iterable[Column]) -> frozenset[str]:
    """The columns of which no value comes twice in the reference's rows.

    Numbers that are measured hardly ever repeat either, so those with a fraction are none. Nor is a
    text of several words: a sentence may be said again.
    """
    return frozenset(
        item.name
        for item in columns
        if item.type in _ID_TYPES and item.name in rows and _tells_apart(rows[item.name])
    )


def _tells_apart(values: Array) -> bool:
    present = values[~is_missing(values)]
    if len(present) < LEAST_VALUES:
        return False
    if present.dtype.kind != "O":
        return len(np.unique(present)) == len(present)
    texts = present.tolist()
    return len(set(texts)) == len(texts) and not any(len(text.split()) > 1 for text in texts)
