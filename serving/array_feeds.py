"""The graph computes on numpy's arrays, as arrays.py makes them of a request's columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.serving.arrays import ANSWER_TYPES
from seatrial.serving.errors import RequestError
from seatrial.serving.graph import ELEMENT_NAMES, Feed, cannot_hold
from seatrial.serving.model import Model, failed
from seatrial.serving.ort_library import OrtError
from seatrial.serving.signature import Column, Output
from seatrial.serving.tensors import Tensor

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]


def predict(model: Model, columns: Mapping[str, Array], batch_rows: int | None) -> dict[str, Array]:
    """See Model.predict."""
    rows = _count_rows(columns)
    if batch_rows is None or rows <= batch_rows:
        return _predict(model, columns)
    parts = [
        _predict(model, {name: each[start : start + batch_rows] for name, each in columns.items()})
        for start in range(0, rows, batch_rows)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def fill(feed: Feed, columns: Mapping[str, Array], rows: int) -> Array:
    """As Feed.fill, in numpy's memory."""
    tensor = _stacked(feed, columns)
    if tensor is None:
        tensor = np.empty((rows, len(feed.columns)), dtype=_element(feed))
        for index, column in enumerate(feed.columns):
            tensor[:, index] = _elements(feed, column, columns, rows)
    return tensor.reshape(rows, *feed.shape)


def _predict(model: Model, columns: Mapping[str, Array]) -> dict[str, Array]:
    rows = len(next(iter(columns.values())))
    tensors = [_tensor(feed.element, fill(feed, columns, rows)) for feed in model.feeds]
    try:
        raw = dict(zip(model.output_names, model.run_raw(tensors), strict=True))
        outputs = model.signature.outputs
        return {item.name: _answer(item, raw[item.onnx_output]) for item in outputs}
    except (OrtError, TypeError, ValueError, IndexError) as error:
        raise failed(error) from error


def _tensor(element: str, filled: Array) -> Tensor:
    return Tensor(element, filled.shape, filled.ravel().tolist() if element == "string" else filled)


def _answer(item: Output, raw: Tensor) -> Array:
    """One column of the answer out of a tensor of shape (rows,) or (rows, columns)."""
    element = object if raw.element == "string" else None
    values = np.array(raw.data, dtype=element).reshape(raw.shape)
    column = values if values.ndim == 1 else values.reshape(len(values), -1)[:, item.index or 0]
    with np.errstate(invalid="ignore"):  # for a whole number that is none: see model.py
        return column.astype(ANSWER_TYPES[item.type], copy=False)


def _element(feed: Feed) -> Any:
    return object if feed.element == "string" else np.dtype(ELEMENT_NAMES[feed.element])


def _stacked(feed: Feed, columns: Mapping[str, Array]) -> Array | None:
    """All columns at once, if all are numbers that a tensor of floats holds; else None.

    Column by column, an image of 3 × 32 × 32 values takes 20 ms.
    """
    if _element(feed) is object or _element(feed).kind != "f":
        return None
    values = [columns.get(column.name) for column in feed.columns]
    if any(item is None or item.dtype.kind not in "fiub" for item in values):
        return None
    with np.errstate(over="ignore"):
        tensor: Array = np.array(values).T.astype(_element(feed), order="C")
    return None if np.isinf(tensor).any() else tensor


def _elements(feed: Feed, column: Column, columns: Mapping[str, Array], rows: int) -> Array:
    values = columns.get(column.name)
    if values is None:
        if column.required:
            raise cannot_hold(column, None, "no such column", "a column of this name")
        values = np.full(rows, None if feed.element == "string" else np.nan)
    if feed.element == "string":
        return _texts(column, values)
    try:
        return _numbers(column, values, _element(feed))
    except (TypeError, ValueError) as error:
        raise cannot_hold(column, None, str(error), "numbers") from error


def _texts(column: Column, values: Array) -> Array:
    texts = np.empty(len(values), dtype=object)
    for row, value in enumerate(values):
        if isinstance(value, str):
            texts[row] = value
        elif value is None or (isinstance(value, float) and value != value):
            texts[row] = ""
        else:
            raise cannot_hold(column, row, value, "text, or None")
    return texts


def _numbers(column: Column, values: Array, element: Any) -> Array:
    numbers = values if values.dtype.kind in "fiub" else values.astype(np.float64)
    if numbers.dtype.kind == "f":
        _require_numbers(column, numbers, element)
    with np.errstate(over="ignore", invalid="ignore"):
        tensor: Array = numbers.astype(element)
    lost = np.isinf(tensor) if tensor.dtype.kind == "f" else tensor != numbers
    if lost.any():
        row = int(lost.argmax())
        raise cannot_hold(column, row, numbers[row], f"a number that {element.name} holds")
    return tensor


def _require_numbers(column: Column, numbers: Array, element: Any) -> None:
    """Whole numbers and booleans have no NaN."""
    if element.kind != "f" and np.isnan(numbers).any():
        row = int(np.isnan(numbers).argmax())
        raise cannot_hold(column, row, "no value", f"a value: the graph takes {element.name}")


def _count_rows(columns: Mapping[str, Array]) -> int:
    counts = {name: len(values) for name, values in columns.items()}
    if len(set(counts.values())) != 1 or 0 in counts.values():
        raise RequestError(
            "the columns are not of one length",
            got=counts,
            allowed="the same number of rows, at least one, in each",
            do="Send every column with a value for every row",
        )
    return next(iter(counts.values()))
