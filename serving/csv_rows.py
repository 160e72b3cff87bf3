"""CSV bodies: with or without a header, one row a line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from seatrial.serving.columns import Typed, Values, read_columns
from seatrial.serving.errors import RequestError

# A first line is a header, if perhaps a wrong one, if more than this share of it names columns.
_HEADER_SHARE = 0.5


def read_csv(text: str, columns: Sequence[Typed], *, header: bool | None) -> dict[str, Values]:
    """The columns of a CSV text.

    `header` None: the first line is a header if most of its cells are names of columns. A model of
    one text column that may hold its own name needs the content type's parameter `header=absent`.
    """
    lines = _lines(text)
    names = [column.name for column in columns]
    if header is None:
        header = bool(lines) and _looks_like_header(lines[0], names)
    if header and lines:
        names, lines = _header(lines[0], names), lines[1:]
    if not lines:
        raise RequestError(
            "the body has no rows",
            got="a header only" if header else "an empty body",
            allowed="at least one row",
            do="Send a line of values for each row",
        )
    _require_width(lines, len(names))
    values = dict(zip(names, zip(*lines, strict=True), strict=True))
    return read_columns(columns, values, len(lines), text=True)


def write_csv(columns: Mapping[str, Values], *, header: bool = False) -> str:
    """The columns as CSV; a missing value is an empty cell."""
    cells = [_cells(values) for values in columns.values()]
    output = io.StringIO()
    writer = csv.writer(output, lineterminator="\n")
    if header:
        writer.writerow(columns)
    writer.writerows(zip(*cells, strict=True))
    return output.getvalue()


def _lines(text: str) -> list[list[str]]:
    # The default, 128 KB a cell, is less than a request may hold.
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        return [line for line in reader if line]
    except csv.Error as error:
        raise RequestError(
            "the body is not CSV",
            got=f"{error}, at line {reader.line_num}",
            allowed="comma-separated cells, quoted with double quotes where they need it",
            do="Write it with a CSV library",
        ) from error


def _looks_like_header(cells: Sequence[str], names: Sequence[str]) -> bool:
    return len(set(cells).intersection(names)) > _HEADER_SHARE * len(cells)


def _header(cells: Sequence[str], known: Sequence[str]) -> list[str]:
    for name in cells:
        if name not in known:
            raise RequestError(
                "the header names a column that the model does not have",
                got=name,
                allowed=", ".join(known),
                do="Leave that column out, or correct its name",
                column=name,
            )
    if len(set(cells)) != len(cells):
        raise RequestError(
            "the header names a column twice",
            got=",".join(cells),
            allowed="each column once",
            do="Leave one of them out",
        )
    return list(cells)


def _require_width(lines: Iterable[Sequence[str]], width: int) -> None:
    for row, line in enumerate(lines):
        if len(line) != width:
            raise RequestError(
                "a row has the wrong number of cells",
                got=f"{len(line)} cells",
                allowed=f"{width} cells",
                do="Send one cell a column; an unknown value is an empty cell",
                row=row,
            )


def _cells(values: Values) -> Values:
    """As they are written; a column's values are of one type, but for text that is missing."""
    if isinstance(values[0], float):
        return [None if value != value else value for value in values]
    if isinstance(values[0], bool):
        return ["true" if value else "false" for value in values]
    return values
