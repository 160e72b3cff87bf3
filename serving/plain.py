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
from collections.abc import Sequence
from typing import Any

import orjson

from seatrial.serving.codec import CSV, JSON, MediaType
from seatrial.serving.columns import DOUBLE_MAX, FLOAT_MAX
from seatrial.serving.model import Model
from seatrial.serving.tensors import LETTERS, Tensor

Rows = Sequence[Sequence[float | None]]

# Numbers strictly within these are read alike by both ways. Whole ones have no rounding there.
_LARGEST = {"double": DOUBLE_MAX, "float": FLOAT_MAX, "long": 2.0**53, "integer": 2.0**31 - 1}
_ELEMENT_LARGEST = {"float": FLOAT_MAX, "double": DOUBLE_MAX}
_WHOLE = ("long", "integer")
_JSON_START = re.compile(rb'\s*\{\s*"(?:instances"\s*:\s*\[\s*\[|dataframe_split"\s*:)')
_NUMBERS = frozenset({float, int})
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
        self._line = struct.Struct(f"{self._width}{LETTERS[feed.element]}")
        largest = _ELEMENT_LARGEST[feed.element]
        limits = [min(_LARGEST[column.type], largest) for column in columns]
        # Most often one limit for all.
        self._least_limit = min(limits)
        self._limits = limits
        self._whole = [place for place, column in enumerate(columns) if column.type in _WHOLE]
        self._required = [column.required for column in columns]
        # A first line of such names could be a header.
        self._reads_csv = all(name.encode().translate(None, _CSV_BYTES) for name in self._names)

    def read(self, body: bytes, kind: MediaType) -> Tensor | None:
        """The tensor of these rows; None if the careful way has to read them."""
        if kind.name == JSON:
            rows = self._json(body)
        elif kind.name == CSV and self._reads_csv and not kind.header:
            rows = self._csv(body)
        else:
            rows = None
        return None if not rows else self._tensor(rows)

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

    def _tensor(self, rows: Rows) -> Tensor | None:
        packed = bytearray(len(rows) * self._line.size)
        pack, offset = self._line.pack_into, 0
        for row in rows:
            numbers = self._numbers(row)
            if numbers is None:
                return None
            pack(packed, offset, *numbers)
            offset += self._line.size
        return Tensor(self._element, (len(rows), *self._shape), packed)

    def _numbers(self, row: Sequence[float | None]) -> Sequence[float] | None:
        """The row with NaN where a value is missing; None if it is not certain to be right."""
        if not _NUMBERS.issuperset(map(type, row)):
            return self._with_missing(row)
        if not self._within(row):
            return None
        return self._with_whole(row) if self._whole else row

    def _with_missing(self, row: Sequence[float | None]) -> Sequence[float] | None:
        present = [0.0 if value is None else value for value in row]
        if not _NUMBERS.issuperset(map(type, present)):
            return None
        numbers = self._numbers(present)
        if numbers is None:
            return None
        missing = [value is None for value in row]
        if any(needed and not_there for needed, not_there in zip(self._required, missing)):
            return None
        return [math.nan if gone else number for gone, number in zip(missing, numbers)]

    def _within(self, row: Sequence[float]) -> bool:
        """True if each is within its limit."""
        if -self._least_limit < min(row) and max(row) < self._least_limit:
            return True
        return all(-limit < number < limit for number, limit in zip(row, self._limits, strict=True))

    def _with_whole(self, row: Sequence[float]) -> Sequence[float] | None:
        numbers = list(row)
        for place in self._whole:
            number = row[place]
            if type(number) is float:
                if not number.is_integer():
                    return None
                numbers[place] = number + 0.0  # there is no whole number -0
        return numbers
