"""JSON bodies, in MLflow's scoring protocol.

{"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2], [3, 4]]}}
{"dataframe_records": [{"a": 1, "b": 2}, {"a": 3, "b": 4}]}
{"instances": [{"a": 1, "b": 2}]}   {"instances": [[1, 2], [3, 4]]}
{"inputs": {"a": [1, 3], "b": [2, 4]}}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from seatrial.serving.columns import Typed, Values, read_columns
from seatrial.serving.errors import RequestError

# The name of each column that was sent and its values, and the number of rows.
Sent = tuple[dict[str, Sequence[Any]], int]


def read_json(body: bytes, columns: Sequence[Typed]) -> dict[str, Values]:
    """The columns of a JSON body."""
    document = _parse(body)
    keys = list(document) if isinstance(document, dict) else []
    if len(keys) != 1 or keys[0] not in _FORMS:
        raise RequestError(
            "the body is not a JSON scoring request",
            got=f"an object with {', '.join(map(str, keys)) or 'nothing'}"
            if isinstance(document, dict)
            else f"a JSON {type(document).__name__}",
            allowed=f"an object with exactly one of {', '.join(_FORMS)}",
            do='Send {"dataframe_records": [{column: value, …}, …]}',
        )
    names = [column.name for column in columns]
    return _typed(_FORMS[keys[0]](document[keys[0]], names), columns)


def read_instances(rows: Any, columns: Sequence[Typed]) -> dict[str, Values]:
    """The columns of a JSON array of rows, which are all objects or all arrays."""
    return _typed(_instances(rows, [column.name for column in columns]), columns)


def read_json_answer(body: bytes, columns: Sequence[Typed]) -> dict[str, Values]:
    """The columns of an answer that `write_json` wrote."""
    document = _parse(body)
    records = document.get("predictions") if isinstance(document, dict) else None
    values, rows = _records(records, [column.name for column in columns])
    return read_columns(columns, values, rows, text=False)


def write_json(columns: Mapping[str, Values]) -> bytes:
    """{"predictions": [{column: value, …}, …]}; a missing value is null."""
    rows = zip(*columns.values(), strict=True)
    return orjson.dumps({"predictions": [dict(zip(columns, row, strict=True)) for row in rows]})


def write_split(columns: Mapping[str, Values]) -> bytes:
    """{"dataframe_split": {"columns": […], "data": [[…], …]}}; a missing value is null."""
    rows = zip(*columns.values(), strict=True)
    return orjson.dumps({"dataframe_split": {"columns": list(columns), "data": list(rows)}})


def require_known(sent: Sequence[str], names: Sequence[str], *, row: int | None = None) -> None:
    """RequestError for the first name that is not a column's."""
    for name in sent:
        if name not in names:
            raise RequestError(
                "the body names a column that the model does not have",
                got=name,
                allowed=", ".join(names),
                do="Leave that column out, or correct its name",
                row=row,
                column=name,
            )


def _typed(sent: Sent, columns: Sequence[Typed]) -> dict[str, Values]:
    values, rows = sent
    if rows == 0:
        raise RequestError(
            "the body has no rows", got="none", allowed="at least one row", do="Send rows"
        )
    return read_columns(columns, values, rows, text=False)


def _parse(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestError(
            "the body is not JSON",
            got=str(error),
            allowed="JSON in UTF-8; an unknown value is null, not NaN",
            do="Write it with a JSON library",
        ) from error


def _split(value: Any, names: Sequence[str]) -> Sent:
    if not isinstance(value, dict) or not {"data"} <= set(value) <= {"columns", "index", "data"}:
        raise _wrong_form("dataframe_split", value, "an object with columns and data")
    sent = value.get("columns", names)
    if not isinstance(sent, list | tuple) or not all(isinstance(name, str) for name in sent):
        raise _wrong_form("dataframe_split.columns", sent, "an array of names")
    if len(set(sent)) != len(sent):
        raise _wrong_form("dataframe_split.columns", ", ".join(sent), "each column once")
    require_known(sent, names)
    return _lists(value["data"], sent, "dataframe_split.data")


def _instances(value: Any, names: Sequence[str]) -> Sent:
    if isinstance(value, list) and value and isinstance(value[0], list):
        return _lists(value, names, "instances")
    return _records(value, names)


def _inputs(value: Any, names: Sequence[str]) -> Sent:
    if not isinstance(value, dict):
        raise _wrong_form("inputs", value, "an object of arrays, one a column")
    require_known(list(value), names)
    rows = None
    for name, cells in value.items():
        if not isinstance(cells, list):
            raise _wrong_form(f"inputs.{name}", cells, "an array, one value a row", column=name)
        rows = len(cells) if rows is None else rows
        if len(cells) != rows:
            raise _wrong_form(
                f"inputs.{name}", f"{len(cells)} values", f"{rows}, as before it", column=name
            )
    return value, rows or 0


def _lists(data: Any, names: Sequence[str], where: str) -> Sent:
    if not isinstance(data, list):
        raise _wrong_form(where, data, "an array of rows")
    for row, cells in enumerate(data):
        if not isinstance(cells, list) or len(cells) != len(names):
            got = f"{len(cells)} values" if isinstance(cells, list) else cells
            raise _wrong_form(where, got, f"an array of {len(names)} values", row=row)
    if not data:
        return {}, 0
    return dict(zip(names, zip(*data, strict=True), strict=True)), len(data)


def _records(data: Any, names: Sequence[str]) -> Sent:
    if not isinstance(data, list):
        raise _wrong_form("the rows", data, "an array of objects, one a row")
    known, sent = set(names), set[str]()
    for row, record in enumerate(data):
        if not isinstance(record, dict):
            raise _wrong_form("the rows", record, "an object of column: value", row=row)
        if not record.keys() <= known:
            require_known(list(record), names, row=row)
        sent.update(record)
    return {name: [record.get(name) for record in data] for name in names if name in sent}, len(
        data
    )


_FORMS: dict[str, Callable[[Any, Sequence[str]], Sent]] = {
    "dataframe_split": _split,
    "dataframe_records": _records,
    "instances": _instances,
    "inputs": _inputs,
}


def _wrong_form(
    where: str, got: object, allowed: str, *, row: int | None = None, column: str | None = None
) -> RequestError:
    return RequestError(
        f"the body is not of its form, at {where}",
        got=got if isinstance(got, str) else f"a JSON {type(got).__name__}",
        allowed=allowed,
        do="See MLflow's scoring protocol",
        row=row,
        column=column,
    )
