"""The bodies of thousands of requests or answers read in one go, with the server's own meaning.

Reading one body costs some 50 µs, most of it in making small arrays; thousands at once cost 1 µs
each. What is read here is what seatrial.serving.codec would read; where that is not certain,
UnfitError is raised, and the caller reads fewer at once and in the end one, by the codec itself.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import orjson

from seatrial.monitoring.columns import arrow_type
from seatrial.serving.arrays import as_arrays
from seatrial.serving.codec import CSV, JSON, JSON_LINES, media_type
from seatrial.serving.columns import Typed
from seatrial.serving.json_rows import read_instances

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

_FLOAT32_MAX = float(np.finfo(np.float32).max)
_EXACT = 2**53  # float64 holds every whole number up to this
_BOOLEANS = {"true_values": ["1", "true", "True", "TRUE"]}
_BOOLEANS |= {"false_values": ["0", "false", "False", "FALSE"]}


class UnfitError(ValueError):
    """These bodies cannot be read together."""


class Bodies(NamedTuple):
    """The values of each column as an Arrow array, and how many rows each body has."""

    columns: dict[str, Any]
    counts: Array


def read_bodies(
    bodies: Any, content_type: str, columns: Sequence[Typed], *, answers: bool
) -> Bodies:
    """All bodies' columns; UnfitError or ArrowInvalid if they have to be read one by one.

    `bodies` is an Arrow array of bytes.
    """
    kind = media_type(content_type)
    if kind.name == CSV:
        header = False if answers else kind.header
        found = _read_csv(bodies, columns, header=header)
    elif kind.name in (JSON, JSON_LINES):
        lines = kind.name == JSON_LINES
        rows = [
            _json_rows(body, columns, answers=answers, lines=lines) for body in bodies.to_pylist()
        ]
        found = _read_rows(rows, columns)
    else:
        raise UnfitError(kind.name)
    if not found.counts.all():
        raise UnfitError("a body without rows")
    for column in columns:
        if column.required and found.columns[column.name].null_count:
            raise UnfitError(f"no {column.name}")
    return found


def _read_csv(bodies: Any, columns: Sequence[Typed], *, header: bool | None) -> Bodies:
    import pyarrow.compute as pc

    names = [column.name for column in columns]
    if header:
        bodies, names = _without_header(bodies, names)
    elif header is None:
        starts = pc.match_substring_regex(bodies.cast("string"), _heading(names))
        if pc.any(starts).as_py():
            raise UnfitError("perhaps a header")
    text = _joined(bodies)
    if b"0x" in text or b"0X" in text:
        raise UnfitError("perhaps a number that only Arrow can read")
    counts = _count_lines(bodies, text)
    by_name = {column.name: column for column in columns}
    table = _parse_csv(text, [by_name[name] for name in names])
    if table.num_rows != counts.sum():
        raise UnfitError("lines that are no rows")
    return Bodies({name: _checked(table, by_name[name]) for name in by_name}, counts)


def _without_header(bodies: Any, names: Sequence[str]) -> tuple[Any, list[str]]:
    """The bodies after the first line, and the columns that it names."""
    import pyarrow as pa
    import pyarrow.compute as pc

    first = bodies[0].as_py().partition(b"\n")[0]
    cells = next(csv.reader([first.decode()]), [])
    if set(cells) != set(names) or len(cells) != len(names):
        raise UnfitError("a header that leaves out columns")
    if not pc.all(pc.starts_with(bodies, first + b"\n")).as_py():
        raise UnfitError("headers that differ")
    rest = [body[len(first) + 1 :] for body in bodies.to_pylist()]
    return pa.array(rest, pa.binary()), cells


def _heading(names: Sequence[str]) -> str:
    """The start of a body that may have a header, or that has a byte order mark."""
    plain = "|".join(map(re.escape, names))
    quoted = "|".join(re.escape(name.replace('"', '""')) for name in names)
    return f'^(?:\ufeff|(?:{plain})[,\r\n]|"(?:{quoted})")'


def _joined(bodies: Any) -> bytes:
    """All bodies as one, each of them ended by a newline."""
    import pyarrow.compute as pc

    if not pc.all(pc.ends_with(bodies, b"\n"), min_count=0).as_py():
        return b"".join(
            body if body.endswith(b"\n") else body + b"\n" for body in bodies.to_pylist()
        )
    ends = np.frombuffer(bodies.buffers()[1], dtype=np.int32)[bodies.offset :]
    start, end = int(ends[0]), int(ends[len(bodies)])
    text: bytes = bodies.buffers()[2].slice(start, end - start).to_pybytes()
    return text


def _count_lines(bodies: Any, text: bytes) -> Array:
    """Rows of each body, `text` being all of them; UnfitError for quotes that are not in order."""
    quoted = b'"' in text or b"\r" in text
    if not quoted and text.count(b"\n") == len(bodies):
        return np.ones(len(bodies), dtype=np.int64)
    return np.array(
        [
            _count_quoted(body)
            if quoted and (b'"' in body or b"\r" in body)
            else body.count(b"\n") + (not body.endswith(b"\n"))
            for body in bodies.to_pylist()
        ]
    )


def _count_quoted(body: bytes) -> int:
    try:
        lines = csv.reader(io.StringIO(body.decode(), newline=""), strict=True)
        return sum(1 for line in lines if line)
    except csv.Error as error:
        raise UnfitError(str(error)) from error


def _parse_csv(text: bytes, columns: Sequence[Typed]) -> Any:
    """The table; whole numbers that are written as 3.0 somewhere are read as float64."""
    import pyarrow as pa
    import pyarrow.csv as pc

    types = {column.name: arrow_type(column) for column in columns}
    whole = [column.name for column in columns if column.type in ("integer", "long")]
    for attempt in (types, types | dict.fromkeys(whole, pa.float64())):
        try:
            return pc.read_csv(
                io.BytesIO(text),
                read_options=pc.ReadOptions(
                    column_names=list(types), use_threads=False, block_size=len(text) + 1
                ),
                parse_options=pc.ParseOptions(newlines_in_values=b'"' in text),
                convert_options=pc.ConvertOptions(
                    column_types=attempt,
                    null_values=[""],
                    strings_can_be_null=True,
                    **_BOOLEANS,
                ),
            )
        except pa.ArrowInvalid:
            if not whole or attempt is not types:
                raise
    raise AssertionError("the second attempt returns or raises")


def _checked(table: Any, column: Typed) -> Any:
    """The column in its type; UnfitError for numbers that the server refuses or might."""
    import pyarrow as pa
    import pyarrow.compute as pc

    values = table[column.name].combine_chunks()
    if not pa.types.is_floating(values.type):
        if column.type == "integer":
            values.cast(pa.int32())  # ArrowInvalid beyond 32 bits
        return values
    if not pc.all(pc.is_finite(values), min_count=0).as_py():
        raise UnfitError("a number that is none")
    if column.type in ("integer", "long"):
        return _as_whole(values, column)
    if column.type == "float" and len(values) > values.null_count:
        ends = pc.min_max(values).as_py()
        if max(-ends["min"], ends["max"]) > _FLOAT32_MAX:
            raise UnfitError("too large for 32 bits")
    return values


def _as_whole(values: Any, column: Typed) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    largest = pc.max(pc.abs(values)).as_py()
    if largest is not None and largest >= (2**31 - 1 if column.type == "integer" else _EXACT):
        raise UnfitError("too large to be exact")
    return values.cast(pa.int64())  # ArrowInvalid for 3.5


def _json_rows(
    body: bytes, columns: Sequence[Typed], *, answers: bool, lines: bool
) -> list[dict[str, Any]]:
    """The body's rows as objects; UnfitError if they are in another of the server's forms."""
    try:
        if lines:
            rows = [orjson.loads(line) for line in body.split(b"\n") if line.strip()]
        else:
            [(form, rows)] = orjson.loads(body).items()
            if form == "dataframe_split" and not answers:
                names = rows.get("columns", [column.name for column in columns])
                rows = [dict(zip(names, row, strict=True)) for row in rows["data"]]
            elif form not in (("predictions",) if answers else ("dataframe_records", "instances")):
                raise UnfitError(form)
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        raise UnfitError(str(error)) from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UnfitError("rows that are no objects")
    return rows


def _read_rows(rows: Sequence[list[dict[str, Any]]], columns: Sequence[Typed]) -> Bodies:
    """One array a column; a body that leaves a column out altogether has it null in its rows."""
    import pyarrow as pa

    everything = list(chain.from_iterable(rows))
    found = {}
    arrays = as_arrays(read_instances(everything, columns), columns)
    for column, values in zip(columns, arrays.values(), strict=True):
        if (
            column.type in ("integer", "long")
            and values.dtype.kind == "f"
            and (np.abs(values) >= _EXACT).any()
        ):
            raise UnfitError("too large to be exact")
        found[column.name] = pa.array(values, type=arrow_type(column), from_pandas=True)
    return Bodies(found, np.array([len(part) for part in rows]))
