"""Rows, arrays, text or bytes as the body of a request."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seatrial.errors import InputError

CSV, JSON = "text/csv", "application/json"
JSON_LINES, NPY = "application/jsonlines", "application/x-npy"


@dataclass(frozen=True)
class Body:
    """A request's or an answer's bytes, and how they are to be read."""

    content: bytes
    content_type: str

    @property
    def kind(self) -> str:
        """The content type without its parameters."""
        return self.content_type.partition(";")[0].strip().lower()

    @property
    def header(self) -> str | None:
        """RFC 4180's parameter of text/csv: `present`, `absent`, or None if it is not said."""
        for part in self.content_type.lower().split(";")[1:]:
            name, _, value = part.strip().partition("=")
            if name == "header":
                return value
        return None


def body_of(data: Any, content_type: str) -> Body:
    """`data` as a body: bytes as they are, text in UTF-8, rows and numpy arrays as the type wants.

    Rows are mappings of column to value, or sequences of values in the model's order. None and NaN
    are missing values. An array has a row for each element of its first axis.
    """
    if isinstance(data, bytes | bytearray | memoryview):
        return Body(bytes(data), content_type)
    if isinstance(data, str):
        return Body(data.encode("utf-8"), content_type)
    kind = Body(b"", content_type).kind
    is_array = hasattr(data, "__array_interface__")
    if kind == NPY and is_array:
        return Body(npy(data), content_type)
    rows = _rows_of_array(data) if is_array else data
    if kind not in (CSV, JSON, JSON_LINES) or not _are_rows(rows):
        raise InputError(
            f"the request cannot be written as {content_type}",
            got=type(data).__name__,
            allowed=f"rows or an array for {CSV}, {JSON} and {JSON_LINES}, an array for {NPY}, "
            "text or bytes for any type",
            do="Give at least one row, or write the body yourself and give its bytes",
        )
    rows = [_plain_row(row) for row in rows]
    if kind == CSV:
        return _csv_body(rows, content_type)
    if kind == JSON_LINES:
        return Body(b"".join(compact(row) + b"\n" for row in rows), content_type)
    form = "dataframe_records" if isinstance(rows[0], dict) else "instances"
    return Body(compact({form: rows}), content_type)


def npy(array: Any) -> bytes:
    """The array as numpy.save writes it, without objects."""
    import numpy as np

    output = io.BytesIO()
    np.save(output, array, allow_pickle=False)
    return output.getvalue()


def compact(value: Any) -> bytes:
    """JSON without spaces, in UTF-8."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _rows_of_array(array: Any) -> list[Any]:
    names = array.dtype.names
    if names is not None:
        return [dict(zip(names, row, strict=True)) for row in array.tolist()]
    return [[cell] for cell in array.tolist()] if array.ndim == 1 else list(array.tolist())


def _are_rows(rows: Any) -> bool:
    return (
        isinstance(rows, Sequence)
        and len(rows) > 0
        and (
            all(isinstance(row, Mapping) for row in rows)
            or all(isinstance(row, Sequence) and not isinstance(row, str | bytes) for row in rows)
        )
    )


def _plain_row(row: Any) -> Any:
    if isinstance(row, Mapping):
        return {name: _plain(cell) for name, cell in row.items()}
    return [_plain(cell) for cell in row]


def _plain(cell: Any) -> Any:
    if hasattr(cell, "item"):  # a number of numpy's
        cell = cell.item()
    return None if isinstance(cell, float) and cell != cell else cell


def _csv_body(rows: list[Any], content_type: str) -> Body:
    """With a header if rows have names; the content type then says so, and nobody has to guess."""
    output = io.StringIO()
    writer = csv.writer(output, lineterminator="\n")
    named = isinstance(rows[0], dict)
    names = list(dict.fromkeys(name for row in rows for name in row)) if named else []
    if named:
        writer.writerow(names)
    for row in rows:
        writer.writerow([_cell(cell) for cell in ([row.get(n) for n in names] if named else row)])
    said = "present" if named else "absent"
    if Body(b"", content_type).header is None:
        content_type = f"{content_type}; header={said}"
    return Body(output.getvalue().encode("utf-8"), content_type)


def _cell(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value
