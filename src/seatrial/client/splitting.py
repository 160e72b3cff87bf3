"""One body as several of fewer rows, and several answers as one; the order is kept."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from seatrial.client.bodies import CSV, JSON, JSON_LINES, NPY, Body, compact, npy
from seatrial.errors import InputError

# AWS, "Invoke a serverless endpoint": 4 MB each way; botocore would let 6 MB pass.
MAX_BODY_BYTES = 4 * 2**20


@dataclass(frozen=True)
class _Rows:
    """A body's rows, and how some of them are written as a body again."""

    rows: Sequence[Any]
    write: Callable[[Sequence[Any]], bytes]


def fitting(body: Body, limit: int = MAX_BODY_BYTES) -> list[tuple[Body, int | None]]:
    """The body in parts of at most `limit` bytes, and the rows of each; None: it is whole.

    InputError if a single row is over the limit, or the content type has no rows to split by.
    """
    if len(body.content) <= limit:
        return [(body, None)]
    found = cut(body, -(-len(body.content) // limit), limit=limit)
    return [
        piece
        for part, rows in found
        for piece in ([(part, rows)] if len(part.content) <= limit else fitting(part, limit))
    ]


def cut(body: Body, parts: int, *, limit: int = MAX_BODY_BYTES) -> list[tuple[Body, int | None]]:
    """The body in `parts` of as many rows each as is possible, with their number of rows."""
    if body.kind not in _READERS:
        raise _too_large(body, limit, "a content type with rows", f"Send {', '.join(_READERS)}")
    try:
        found = _READERS[body.kind](body)
    except (ValueError, KeyError, TypeError) as error:
        raise _too_large(body, limit, "rows that can be told apart", str(error)) from error
    count = len(found.rows)
    if count < 2:
        raise _too_large(body, limit, f"{limit} bytes for one row", "Send less in the row")
    parts = min(parts, count)
    ends = [count * number // parts for number in range(parts + 1)]
    return [
        (replace(body, content=found.write(found.rows[start:end])), end - start)
        for start, end in pairwise(ends)
    ]


def join(answers: Sequence[Body]) -> Body:
    """The answers to consecutive parts as one; InputError for what cannot be joined."""
    first = answers[0]
    if len(answers) == 1:
        return first
    try:
        if {answer.kind for answer in answers} != {first.kind}:
            raise ValueError("answers of different content types")
        return replace(first, content=_JOINERS[first.kind]([item.content for item in answers]))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            "the answers to the parts of a request cannot be joined",
            got=f"{first.content_type}: {type(error).__name__}: {error}",
            allowed=f"{CSV}, {JSON_LINES}, {NPY}, or {JSON} with one list of predictions",
            do="Send fewer rows a request",
        ) from error


def _too_large(body: Body, limit: int, allowed: str, do: str) -> InputError:
    return InputError(
        "the request, or its answer, is over the service's limit and cannot be split",
        got=f"{len(body.content)} bytes of {body.content_type}",
        allowed=f"{limit} bytes, or {allowed}",
        do=do,
    )


def _csv_rows(body: Body) -> _Rows:
    if body.header is None:
        raise ValueError(
            "Say in the content type whether its first line is a header: "
            "text/csv; header=present (or absent)"
        )
    rows: list[bytes] = []
    record: list[bytes] = []
    quotes = 0
    for line in body.content.splitlines(keepends=True):
        record.append(line)
        quotes += line.count(b'"')
        # A record ends with its line unless it is inside quotes; doubled quotes count twice.
        if quotes % 2 == 0:
            rows += [b"".join(record)] if line.strip() or len(record) > 1 else []
            record.clear()
    rows += [b"".join(record)] if record else []
    head = rows.pop(0) if body.header == "present" else b""
    return _Rows(rows, lambda some: head + _lines(some))


def _lines(lines: Sequence[bytes]) -> bytes:
    return b"".join(line if line.endswith((b"\n", b"\r")) else line + b"\n" for line in lines)


def _json_lines(body: Body) -> _Rows:
    return _Rows([line for line in body.content.split(b"\n") if line.strip()], _lines)


def _json_rows(body: Body) -> _Rows:
    document = json.loads(body.content)
    ((form, value),) = document.items()
    if form == "dataframe_split":
        return _split_form(value["data"], value.get("columns"))
    if form == "inputs":
        columns = list(value)
        return _split_form(list(zip(*value.values(), strict=True)), columns)
    if not isinstance(value, list):
        raise ValueError(f"Send {form} as a list of rows")
    return _Rows(value, lambda some: compact({form: some}))


def _split_form(data: Sequence[Any], columns: Sequence[str] | None) -> _Rows:
    named = {} if columns is None else {"columns": columns}
    return _Rows(data, lambda some: compact({"dataframe_split": {**named, "data": some}}))


def _array(content: bytes) -> Any:
    import numpy as np

    return np.load(io.BytesIO(content), allow_pickle=False)


def _join_json(contents: Sequence[bytes]) -> bytes:
    documents = [json.loads(content) for content in contents]
    if all(isinstance(document, list) for document in documents):
        return compact([row for document in documents for row in document])
    keys = {key for document in documents for key in document}
    (key,) = keys  # ValueError if there are more
    if not all(isinstance(document[key], list) for document in documents):
        raise ValueError(f"{key} is not a list")
    return compact({key: [row for document in documents for row in document[key]]})


def _join_npy(contents: Sequence[bytes]) -> bytes:
    import numpy as np

    return npy(np.concatenate([_array(content) for content in contents]))


_READERS: dict[str, Callable[[Body], _Rows]] = {
    CSV: _csv_rows,
    JSON: _json_rows,
    JSON_LINES: _json_lines,
    NPY: lambda body: _Rows(_array(body.content), npy),
}
_JOINERS: dict[str, Callable[[Sequence[bytes]], bytes]] = {
    CSV: _lines,
    JSON: _join_json,
    JSON_LINES: _lines,
    NPY: _join_npy,
}
