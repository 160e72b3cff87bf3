"""The values of one column as an array of its type; a missing value stays missing.

    type            array                     missing
    string          object (str)              None
    float, double   float64                   NaN
    integer, long   int64, float64 if any     NaN (integers beyond 2**53 are then rounded)
                    value is missing
    boolean         bool, float64 if any      NaN
                    value is missing

In CSV an empty cell is missing, in JSON null is; an empty string in JSON is a text of its own.
Infinite numbers are refused: no model here was validated on them, and JSON cannot carry them back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from seatrial.serving.errors import RequestError

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

# Turns all values of a column at once; ValueError if one of them is not of its type.
Reader = Callable[[Sequence[Any]], "Array"]

_FLOAT32_MAX = float(np.finfo(np.float32).max)
_NONE = type(None)
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False, "": None}
_ALLOWED = {
    "string": "text",
    "double": "a finite number",
    "float": "a finite number within ±3.4e38",
    "long": "a whole number of 64 bits",
    "integer": "a whole number of 32 bits",
    "boolean": "true or false",
}


class Typed(Protocol):
    """What there is to know of a column to read its values."""

    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def required(self) -> bool: ...


def read_columns(
    columns: Sequence[Typed], values: Mapping[str, Sequence[Any]], rows: int, *, text: bool
) -> dict[str, Array]:
    """Each column's array, in the columns' order; `text` if the values are cells of a CSV file.

    A column without values is missing in every row, if it may be.
    """
    return {
        column.name: _read(column, values[column.name], text=text)
        if column.name in values
        else _missing(column, rows)
        for column in columns
    }


def is_missing(values: Array) -> Array:
    """True where there is no value."""
    if values.dtype.kind == "O":
        return np.fromiter((value is None for value in values), dtype=bool, count=len(values))
    if values.dtype.kind == "f":
        return np.isnan(values)
    return np.zeros(len(values), dtype=bool)


def _read(column: Typed, values: Sequence[Any], *, text: bool) -> Array:
    reader = (_TEXT_READERS if text else _JSON_READERS)[column.type]
    try:
        array = reader(values)
    except ValueError as error:
        raise _wrong_value(column, values, reader, text=text) from error
    if column.required:
        missing = is_missing(array)
        if missing.any():
            raise RequestError(
                "a value is missing in a column that the model needs",
                got="an empty cell" if text else "null",
                allowed=_ALLOWED[column.type],
                do="Send a value in every row",
                row=int(missing.argmax()),
                column=column.name,
            )
    return array


def _wrong_value(
    column: Typed, values: Sequence[Any], reader: Reader, *, text: bool
) -> RequestError:
    """The error for the first value that the reader does not take."""
    row, value = next(
        (row, value) for row, value in enumerate(values) if not _readable(reader, value)
    )
    empty = "" if column.required else f", or {'an empty cell' if text else 'null'} if unknown"
    return RequestError(
        f"a value is not of its column's type, {column.type}",
        got=repr(value),
        allowed=_ALLOWED[column.type] + empty,
        do="Correct the value, or check the order of the columns",
        row=row,
        column=column.name,
    )


def _readable(reader: Reader, value: object) -> bool:
    try:
        reader([value])
    except ValueError:
        return False
    return True


def _missing(column: Typed, rows: int) -> Array:
    if column.required:
        raise RequestError(
            "a column is missing that the model needs",
            got="no such column",
            allowed=f"a column of type {column.type}",
            do="Send it, under this name",
            column=column.name,
        )
    if column.type == "string":
        return np.full(rows, None, dtype=object)
    return np.full(rows, np.nan)


def _strings(values: Sequence[str | None]) -> Array:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _finite(numbers: Array, largest: float) -> Array:
    if (np.abs(numbers) > largest).any():
        raise ValueError("too large")
    return numbers


def _integers(values: Sequence[int | float | None], bits: int) -> Array:
    if any(type(value) is float and not value.is_integer() for value in values):
        raise ValueError("not a whole number")
    whole = [None if value is None else int(value) for value in values]
    largest = 2 ** (bits - 1)
    if any(value is not None and not -largest <= value < largest for value in whole):
        raise ValueError("too large")
    return np.array(whole, dtype=np.float64 if None in whole else np.int64)


def _booleans(values: Sequence[bool | None]) -> Array:
    return np.array(values, dtype=np.float64 if None in values else np.bool_)


def _text_strings(cells: Sequence[str]) -> Array:
    return _strings([cell or None for cell in cells])


def _text_doubles(cells: Sequence[str], largest: float = np.finfo(np.float64).max) -> Array:
    _refuse_underscores(cells)
    return _finite(np.array([float(cell) if cell else np.nan for cell in cells]), largest)


def _text_integers(cells: Sequence[str], bits: int) -> Array:
    _refuse_underscores(cells)
    try:
        return _integers([int(cell) if cell else None for cell in cells], bits)
    except ValueError:  # 3.0, as pandas writes whole numbers beside missing ones
        return _integers([float(cell) if cell else None for cell in cells], bits)


def _text_booleans(cells: Sequence[str]) -> Array:
    try:
        return _booleans([_BOOLEANS[cell.lower()] for cell in cells])
    except KeyError as error:
        raise ValueError("not a boolean") from error


def _refuse_underscores(cells: Sequence[str]) -> None:
    """Python reads 1_000 as a number; no CSV writer means that."""
    if "_" in "".join(cells):
        raise ValueError("not a number")


def _of_kinds(values: Sequence[Any], *kinds: type) -> Sequence[Any]:
    """The values, if each is null or of one of the kinds; true is not a number here."""
    if not set(map(type, values)) <= {*kinds, _NONE}:
        raise ValueError("not of this type")
    return values


def _json_doubles(values: Sequence[Any], largest: float = np.finfo(np.float64).max) -> Array:
    return _finite(np.array(_of_kinds(values, float, int), dtype=np.float64), largest)


_TEXT_READERS: dict[str, Reader] = {
    "string": _text_strings,
    "double": _text_doubles,
    "float": lambda cells: _text_doubles(cells, _FLOAT32_MAX),
    "long": lambda cells: _text_integers(cells, 64),
    "integer": lambda cells: _text_integers(cells, 32),
    "boolean": _text_booleans,
}
_JSON_READERS: dict[str, Reader] = {
    "string": lambda values: _strings(_of_kinds(values, str)),
    "double": _json_doubles,
    "float": lambda values: _json_doubles(values, _FLOAT32_MAX),
    "long": lambda values: _integers(_of_kinds(values, int, float), 64),
    "integer": lambda values: _integers(_of_kinds(values, int, float), 32),
    "boolean": lambda values: _booleans(_of_kinds(values, bool)),
}
