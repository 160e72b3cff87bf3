"""The quick way for rows of plain numbers: from the body into the graph's tensor at once.

    {"instances": [[1, 2.5], [3, null]]}
    {"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2.5], [3, null]]}}
    1,2.5

It reads a body only where it is certain to find what the careful way (codec.py, then graph.py)
would; whatever is unusual, or wrong, it leaves to that. Tests hold the two against each other.
"""

from __future__ import annotations

import math
import re
import struct
from itertools import chain
from typing import Any

import orjson

from seatrial.serving.codec import CSV, JSON, MediaType
from seatrial.serving.columns import DOUBLE_MAX, FLOAT_MAX
from seatrial.serving.model import Model
from seatrial.serving.tensors import LETTERS, Tensor

# Numbers strictly within these are read alike by both ways. Whole ones have no rounding there.
_LARGEST = {"double": DOUBLE_MAX, "float": FLOAT_MAX, "long": 2.0**53, "integer": 2.0**31 - 1}
_ELEMENT_LARGEST = {"float": FLOAT_MAX, "double": DOUBLE_MAX}
_WHOLE = ("long", "integer")
_JSON_START = re.compile(rb'\s*\{\s*"(?:instances"\s*:\s*\[\s*\[|dataframe_split"\s*:)')
_CSV_BYTES = b"0123456789+-.eE,\n"


def plain_rows(model: Model) -> PlainRows | None:
    """The quick way into the model; None if it takes anything but one tensor of floats."""
    columns = model.signature.inputs
    if len(model.feeds) != 1 or any(column.type not in _LARGEST for column in columns):
        return None
    return PlainRows(model) if model.feeds[0].element in _ELEMENT_LARGEST else None


class PlainRows:
    """Make one with `plain_rows`."""

    def __init__(self, model: Model) -> None:
        [feed] = model.feeds
        columns = model.signature.inputs
        self._names, self._width = [column.name for column in columns], len(columns)
        self._element, self._shape = feed.element, feed.shape
        self._letter = LETTERS[feed.element]
        largest = _ELEMENT_LARGEST[feed.element]
        self._limits = [min(_LARGEST[column.type], largest) for column in columns]
        # What a column of doubles holds and an element does not, cannot be packed.
        self._unlimited = all(column.type == "double" for column in columns)
        self._whole = [place for place, column in enumerate(columns) if column.type in _WHOLE]
        self._required = [place for place, column in enumerate(columns) if column.required]
        # A first line of such names could be a header.
        self._reads_csv = all(name.encode().translate(None, _CSV_BYTES) for name in self._names)

    def read(self, body: bytes, kind: MediaType) -> Tensor | None:
        """The tensor of these rows; None if the careful way has to read them."""
        if kind.name == JSON:
            rows = self._json(body)
            numbers = list(chain.from_iterable(rows)) if rows else None
        elif kind.name == CSV and self._reads_csv and not kind.header:
            numbers = self._csv(body)
        else:
            numbers = None
        try:
            return None if numbers is None else self._tensor(numbers)
        except (TypeError, OverflowError):  # no number, or too large a one
            return None

    def _json(self, body: bytes) -> list[list[Any]] | None:
        # true would pass for a number
        if not _JSON_START.match(body) or b"true" in body or b"false" in body:
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
        return rows

    def _split(self, split: Any) -> Any:
        if type(split) is not dict or not split.keys() <= {"columns", "index", "data"}:
            return None
        return split.get("data") if split.get("columns", self._names) == self._names else None

    def _csv(self, body: bytes) -> list[float | None] | None:
        body = body.replace(b"\r\n", b"\n").removesuffix(b"\n")
        if body.translate(None, _CSV_BYTES):
            return None
        lines = body.split(b"\n")
        # An empty line is no row.
        if not all(lines) or {line.count(b",") for line in lines} != {self._width - 1}:
            return None
        cells = body.replace(b"\n", b",").split(b",")
        try:
            return [float(cell) if cell else None for cell in cells]
        except ValueError:
            return None

    def _tensor(self, cells: list[Any]) -> Tensor | None:
        """The tensor of the cells, row by row; TypeError or OverflowError if it cannot be made."""
        missing = None in cells
        if missing and any(None in cells[place :: self._width] for place in self._required):
            return None
        numbers = [0.0 if cell is None else cell for cell in cells] if missing else cells
        if not math.isfinite(sum(numbers)) or not (self._unlimited or self._within(numbers)):
            return None
        if missing:
            numbers = [math.nan if cell is None else cell for cell in cells]
        for place in self._whole:
            whole = numbers[place :: self._width]
            if not all(number != number or number == int(number) for number in whole):
                return None
            numbers[place :: self._width] = [number + 0 for number in whole]
        packed = bytearray(struct.pack(f"<{len(numbers)}{self._letter}", *numbers))
        return Tensor(self._element, (len(numbers) // self._width, *self._shape), packed)

    def _within(self, numbers: list[float]) -> bool:
        """True if each is within its limit."""
        columns = (numbers[place :: self._width] for place in range(self._width))
        return all(
            -limit < min(column) and max(column) < limit
            for limit, column in zip(self._limits, columns, strict=True)
        )
