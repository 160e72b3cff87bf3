"""The values of one column, as many as there are rows; a missing value stays missing.

    type            values                    missing
    string          list of str               None
    float, double   array of doubles          NaN
    integer, long   array of 64-bit           NaN (integers beyond 2**53 are then rounded)
                    integers, of doubles if
                    any value is missing
    boolean         list of bool, array of    NaN
                    doubles if any is missing

Arrays are the standard library's: the import of numpy takes more CPU time than a whole cold start
without it. In CSV an empty cell is missing, in JSON null is; an empty string in JSON is a text of
its own. Infinite numbers are refused: no model here was validated on them, and JSON cannot carry
them back.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from seatrial.serving.errors import RequestError

Values = Sequence[Any]
# Turns all values of a column at once; ValueError if one of them is not of its type.
Reader = Callable[[Sequence[Any]], Values]

DOUBLE_MAX, FLOAT_MAX = 2.0**1023 * (2 - 2.0**-52), 2.0**127 * (2 - 2.0**-23)
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
) -> dict[str, Values]:
    """Each column's values, in the columns' order; `text` if they are cells of a CSV file.

    A column without values is missing in every row, if it may be.
    """
    return {
        column.name: _read(column, values[column.name], text=text)
        if column.name in values
        else _missing(column, rows)
        for column in columns
    }


def first_missing(values: Values) -> int | None:
    """The first row without a value; None if each has one."""
    if not isinstance(values, array):
        return values.index(None) if None in values else None
    if values.typecode != "d" or not math.isnan(sum(values)):
        return None
    return next((row for row, value in enumerate(values) if value != value), None)


def _read(column: Typed, values: Sequence[Any], *, text: bool) -> Values:
    reader = (_TEXT_READERS if text else _JSON_READERS)[column.type]
    try:
        found = reader(values)
    except ValueError as error:
        raise _wrong_value(column, values, reader, text=text) from error
    if column.required:
        row = first_missing(found)
        if row is not None:
            raise RequestError(
                "a value is missing in a column that the model needs",
                got="an empty cell" if text else "null",
                allowed=_ALLOWED[column.type],
                do="Send a value in every row",
                row=row,
                column=column.name,
            )
    return found


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


def _missing(column: Typed, rows: int) -> Values:
    if column.required:
        raise RequestError(
            "a column is missing that the model needs",
            got="no such column",
            allowed=f"a column of type {column.type}",
            do="Send it, under this name",
            column=column.name,
        )
    return no_values(rows, text=column.type == "string")


def no_values(rows: int, *, text: bool) -> Values:
    """A column that is missing in every row."""
    return [None] * rows if text else array("d", [math.nan]) * rows


def _doubles(numbers: Sequence[float], largest: float) -> Values:
    """The numbers, if none is larger; NaN is no number."""
    total = sum(numbers)
    if math.isnan(total):
        present = [number for number in numbers if number == number]
    else:
        present = numbers
    if not (largest == DOUBLE_MAX and math.isfinite(total)) and present:
        if max(present) > largest or min(present) < -largest:
            raise ValueError("too large")
    return array("d", numbers)


def _integers(values: Sequence[int | float | None], bits: int) -> Values:
    if any(type(value) is float and not value.is_integer() for value in values):
        raise ValueError("not a whole number")
    whole = [None if value is None else int(value) for value in values]
    largest = 2 ** (bits - 1)
    if any(value is not None and not -largest <= value < largest for value in whole):
        raise ValueError("too large")
    return array("d", _with_nan(whole)) if None in whole else array("q", whole)


def _booleans(values: Sequence[bool | None]) -> Values:
    return array("d", _with_nan(values)) if None in values else list(values)


def _with_nan(values: Sequence[Any]) -> list[Any]:
    return [math.nan if value is None else value for value in values]


def _text_strings(cells: Sequence[str]) -> Values:
    return [cell or None for cell in cells]


def _text_doubles(cells: Sequence[str], largest: float = DOUBLE_MAX) -> Values:
    _refuse_underscores(cells)
    return _doubles([float(cell) if cell else math.nan for cell in cells], largest)


def _text_integers(cells: Sequence[str], bits: int) -> Values:
    _refuse_underscores(cells)
    try:
        return _integers([int(cell) if cell else None for cell in cells], bits)
    except ValueError:  # 3.0, as pandas writes whole numbers beside missing ones
        return _integers([float(cell) if cell else None for cell in cells], bits)


def _text_booleans(cells: Sequence[str]) -> Values:
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


def _json_doubles(values: Sequence[Any], largest: float = DOUBLE_MAX) -> Values:
    numbers = _of_kinds(values, float, int)
    return _doubles(_with_nan(numbers) if None in numbers else numbers, largest)


_TEXT_READERS: dict[str, Reader] = {
    "string": _text_strings,
    "double": _text_doubles,
    "float": lambda cells: _text_doubles(cells, FLOAT_MAX),
    "long": lambda cells: _text_integers(cells, 64),
    "integer": lambda cells: _text_integers(cells, 32),
    "boolean": _text_booleans,
}
_JSON_READERS: dict[str, Reader] = {
    "string": lambda values: list(_of_kinds(values, str)),
    "double": _json_doubles,
    "float": lambda values: _json_doubles(values, FLOAT_MAX),
    "long": lambda values: _integers(_of_kinds(values, int, float), 64),
    "integer": lambda values: _integers(_of_kinds(values, int, float), 32),
    "boolean": lambda values: _booleans(_of_kinds(values, bool)),
}
