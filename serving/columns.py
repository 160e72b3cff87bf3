"""The values of one column, a list with one for each row; a missing value stays missing.

    type            values                      missing
    string          str                         None
    float, double   float                       NaN
    integer, long   int, float if any value     NaN (integers beyond 2**53 are then rounded)
                    is missing
    boolean         bool, float if any value    NaN
                    is missing

They are not numpy's arrays, because the import of numpy takes more CPU time than a whole cold start
without it. In CSV an empty cell is missing, in JSON null is; an empty string in JSON is a text of
its own. Infinite numbers are refused: no model here was validated on them, and JSON cannot carry
them back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from seatrial.serving.errors import RequestError

Values = list[Any]
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
    if type(values[0]) is float:
        if not math.isnan(sum(values)):
            return None
        return next((row for row, value in enumerate(values) if value != value), None)
    return values.index(None) if None in values else None


def _read(column: Typed, values: Sequence[Any], *, text: bool) -> Values:
    reader = (_TEXT_READERS if text else _JSON_READERS)[column.type]
    try:
        found = reader(values)
    except ValueError as error:
        wrong = next(row for row, value in enumerate(values) if not _readable(reader, value))
        raise wrong_value(column, wrong, values[wrong], text=text) from error
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


def wrong_value(column: Typed, row: int, value: object, *, text: bool) -> RequestError:
    """The error for a value that is not of the column's type."""
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
    return [None if text else math.nan] * rows


def _require_within(numbers: Sequence[float | None], largest: float) -> None:
    """ValueError if one of the numbers, of which none is NaN, is larger, either way."""
    if max(map(abs, filter(None, numbers)), default=0) > largest:
        raise ValueError("too large")


def _integers(values: Sequence[int | float | None], bits: int) -> Values:
    if any(type(value) is float and not value.is_integer() for value in values):
        raise ValueError("not a whole number")
    whole = [None if value is None else int(value) for value in values]
    largest = 2 ** (bits - 1)
    if any(value is not None and not -largest <= value < largest for value in whole):
        raise ValueError("too large")
    return _with_nan(whole)


def _with_nan(values: Sequence[Any]) -> Values:
    """The values; as floats, with NaN for those that are missing, if one is."""
    if None not in values:
        return list(values)
    return [math.nan if value is None else float(value) for value in values]


def _text_strings(cells: Sequence[str]) -> Values:
    return [cell or None for cell in cells]


def _text_doubles(cells: Sequence[str], largest: float = DOUBLE_MAX) -> Values:
    _refuse_underscores(cells)
    numbers = [float(cell) if cell else math.nan for cell in cells]
    total, present = sum(numbers), numbers
    if math.isnan(total):
        present = [number for number in numbers if number == number]
        total = sum(present)
    if largest < DOUBLE_MAX or not math.isfinite(total):
        _require_within(present, largest)
    return numbers


def _text_integers(cells: Sequence[str], bits: int) -> Values:
    _refuse_underscores(cells)
    try:
        return _integers([int(cell) if cell else None for cell in cells], bits)
    except ValueError:  # 3.0, as pandas writes whole numbers beside missing ones
        return _integers([float(cell) if cell else None for cell in cells], bits)


def _text_booleans(cells: Sequence[str]) -> Values:
    try:
        return _with_nan([_BOOLEANS[cell.lower()] for cell in cells])
    except KeyError as error:
        raise ValueError("not a boolean") from error


def _refuse_underscores(cells: Sequence[str]) -> None:
    """Python reads 1_000 as a number; no CSV writer means that."""
    if "_" in "".join(cells):
        raise ValueError("not a number")


def _of_kinds(values: Sequence[Any], *kinds: type) -> Sequence[Any]:
    """The values, if each is null or of one of the kinds; true is not a number here."""
    _kinds(values, *kinds)
    return values


def _kinds(values: Sequence[Any], *allowed: type) -> set[type]:
    kinds = set(map(type, values))
    if not kinds <= {*allowed, _NONE}:
        raise ValueError("not of this type")
    return kinds


def _json_doubles(values: Sequence[Any]) -> Values:
    """The numbers; JSON has no infinite one."""
    kinds = _kinds(values, float, int)
    if int in kinds:
        return [math.nan if value is None else float(value) for value in values]
    return [math.nan if value is None else value for value in values]


def _json_floats(values: Sequence[Any]) -> Values:
    numbers = _json_doubles(values)
    _require_within(values, FLOAT_MAX)
    return numbers


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
    "float": _json_floats,
    "long": lambda values: _integers(_of_kinds(values, int, float), 64),
    "integer": lambda values: _integers(_of_kinds(values, int, float), 32),
    "boolean": lambda values: _with_nan(_of_kinds(values, bool)),
}
