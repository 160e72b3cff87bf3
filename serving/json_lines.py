"""JSON Lines bodies: one row a line, as an object {column: value} or as an array of values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from seatrial.serving.columns import Typed, Values
from seatrial.serving.errors import RequestError
from seatrial.serving.json_rows import read_instances


def read_json_lines(body: bytes, columns: Sequence[Typed]) -> dict[str, Values]:
    """The columns of the lines, which are all objects or all arrays; empty lines do not count."""
    lines = (line for line in body.split(b"\n") if line.strip())
    return read_instances([_parse(line, row) for row, line in enumerate(lines)], columns)


def write_json_lines(columns: Mapping[str, Values]) -> bytes:
    """{column: value, …} and a newline for each row; a missing value is null."""
    rows = zip(*columns.values(), strict=True)
    return b"".join(
        orjson.dumps(dict(zip(columns, row, strict=True)), option=orjson.OPT_APPEND_NEWLINE)
        for row in rows
    )


def _parse(line: bytes, row: int) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise RequestError(
            "a line is not JSON",
            got=str(error),
            allowed="JSON in UTF-8, one row a line; an unknown value is null, not NaN",
            do="Write each row with a JSON library, without line breaks in it",
            row=row,
        ) from error
