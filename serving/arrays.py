"""Columns as numpy's arrays, for whoever computes with them: the steps, and an archive's own code.

type            array                     missing
string          object (str)              None
float, double   float64                   NaN
integer, long   int64, float64 if any     NaN (integers beyond 2**53 are then rounded)
                value is missing
boolean         bool, float64 if any      NaN
                value is missing
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.serving import codec
from seatrial.serving.columns import Typed, Values
from seatrial.serving.signature import Signature

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

ANSWER_TYPES: dict[str, Any] = {
    "boolean": np.bool_,
    "integer": np.int64,
    "long": np.int64,
    "float": np.float64,
    "double": np.float64,
    "string": object,
}


def decode(body: bytes, content_type: str, signature: Signature) -> dict[str, Array]:
    """The request's columns; RequestError says what cannot be used, and where."""
    columns = codec.decode(body, codec.media_type(content_type), signature.inputs)
    return as_arrays(columns, signature.inputs)


def decode_answer(body: bytes, content_type: str, signature: Signature) -> dict[str, Array]:
    """The columns of an answer that the server wrote."""
    columns = codec.decode_answer(body, content_type, signature)
    return as_arrays(columns, signature.outputs)


def encode(answer: Mapping[str, Array], name: str) -> bytes:
    """The answer as a body of the content type `name`."""
    return codec.encode(as_lists(answer), name)


def as_arrays(columns: Mapping[str, Values], types: Sequence[Typed]) -> dict[str, Array]:
    """The columns that columns.py has read."""
    return {item.name: _as_array(columns[item.name], item.type) for item in types}


def as_lists(columns: Mapping[str, Array]) -> dict[str, Values]:
    """The columns as the server writes them."""
    return {name: values.tolist() for name, values in columns.items()}


def is_missing(values: Array) -> Array:
    """True where there is no value."""
    if values.dtype.kind == "O":
        return np.fromiter((value is None for value in values), dtype=bool, count=len(values))
    if values.dtype.kind == "f":
        return np.isnan(values)
    return np.zeros(len(values), dtype=bool)


def _as_array(values: Values, kind: str) -> Array:
    if kind != "string":
        return np.array(values)
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found
