"""The quick way for rows of plain numbers: from the body into the graph's tensor at once.

    {"instances": [[1, 2.5], [3, null]]}
    {"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2.5], [3, null]]}}
    1,2.5

It reads a body only where it is certain to find what the careful way (codec.py, then graph.py)
would; whatever is unusual, or wrong, it leaves to that. Tests hold the two against each other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from seatrial.serving.codec import CSV, JSON, MediaType
from seatrial.serving.model import Model

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

Rows = Sequence[Sequence[float | None]]

# Numbers strictly within these are read alike by both ways. Whole ones have no rounding there.
_LARGEST = {"double": np.finfo(np.float64).max, "float": float(np.finfo(np.float32).max)}
_LARGEST |= {"long": 2.0**53, "integer": 2.0**31 - 1}
_WHOLE = ("long", "integer")
_JSON_START = re.compile(rb'\s*\{\s*"(?:instances"\s*:\s*\[\s*\[|dataframe_split"\s*:)')
_JSON_TYPES = frozenset({float, int, type(None)})
_CSV_BYTES = b"0123456789+-.eE,\n"


def plain_rows(model: Model) -> PlainRows | None:
    """The quick way into the model; None if it takes anything but one tensor of floats."""
    columns = model.signature.inputs
    if len(model.tensors) != 1 or any(column.type not in _LARGEST for column in columns):
        return None
    [tensor] = model.tensors
    element = np.dtype(tensor.element)
    if element.kind != "f":
        return None
    model.bind_row(np.zeros((1, *tensor.shape), element))
    return PlainRows(model)


class PlainRows:
    """Make one with `plain_rows`."""

    def __init__(self, model: Model) -> None:
        [tensor] = model.tensors
        columns = model.signature.inputs
        self._names, self._width = [column.name for column in columns], len(columns)
        self._shape = tensor.shape
        largest = float(np.finfo(tensor.element).max)
        self._limits = np.array([min(_LARGEST[column.type], largest) for column in columns])
        self._whole = np.array([column.type in _WHOLE for column in columns])
        self._any_whole = bool(self._whole.any())
        self._required = np.array([column.required for column in columns])
        # A first line of such names could be a header.
        self._reads_csv = all(name.encode().translate(None, _CSV_BYTES) for name in self._names)

    def read(self, body: bytes, kind: MediaType) -> Array | None:
        """The tensor of these rows, in doubles; None if the careful way has to read them."""
        if kind.name == JSON:
            rows = self._json(body)
        elif kind.name == CSV and self._reads_csv and not kind.header:
            rows = self._csv(body)
        else:
            rows = None
        return None if rows is None else self._tensor(rows)

    def _json(self, body: bytes) -> Rows | None:
        if not _JSON_START.match(body):
            return None
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError:
            return None
        if len(document) != 1:
            return None
        rows = document.get("instances") or self._split(document.get("dataframe_split"))
        if type(rows) is not list:
            return None
        for row in rows:
            if type(row) is not list or len(row) != self._width:
                return None
            if not _JSON_TYPES.issuperset(map(type, row)):
                return None
        return rows

    def _split(self, split: Any) -> Any:
        if type(split) is not dict or not split.keys() <= {"columns", "index", "data"}:
            return None
        return split.get("data") if split.get("columns", self._names) == self._names else None

    def _csv(self, body: bytes) -> Rows | None:
        body = body.replace(b"\r\n", b"\n")
        if body.translate(None, _CSV_BYTES):
            return None
        lines = body.removesuffix(b"\n").split(b"\n")
        try:
            rows = [[float(cell) if cell else None for cell in line.split(b",")] for line in lines]
        except ValueError:
            return None
        # An empty line is no row.
        return rows if all(lines) and {*map(len, rows)} == {self._width} else None

    def _tensor(self, rows: Rows) -> Array | None:
        if not rows:
            return None
        numbers = np.array(rows, dtype=np.float64)
        if not self._within(numbers):
            return None
        if self._any_whole:
            whole = numbers[:, self._whole]
            if (np.trunc(whole) != whole).any():
                return None
            numbers[:, self._whole] = whole + 0.0  # there is no whole number -0
        return numbers.reshape(len(rows), *self._shape)

    def _within(self, numbers: Array) -> bool:
        """True if each is within its limit, or missing where that may be."""
        within = np.abs(numbers) < self._limits
        if np.count_nonzero(within) == within.size:  # a quarter of the time of within.all()
            return True
        missing = np.isnan(numbers)
        return bool((within | missing).all()) and not (missing & self._required).any()
