"""npy bodies, as numpy.save writes them; never with pickled objects.

In:  a plain array (rows, columns) in the signature's order, or (rows,) for a model of one column;
     or a structured array (rows,) whose fields are named as the columns, in any order.
Out: a structured array (rows,) with a field for each column of the answer, so
     numpy.load(file)["score"] has its type and its name.

NaN is a missing number, an empty text a missing text: numpy has no other. The cells of a plain
array of text are read as those of CSV.
"""

from __future__ import annotations

import ast
import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.serving.columns import Typed, Values, read_columns, wrong_value
from seatrial.serving.errors import RequestError
from seatrial.serving.json_rows import require_known

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

_MAGIC = b"\x93NUMPY"
# Bytes of the header's length by format version; 3.0 differs in the header's encoding only.
_LENGTH_BYTES = {1: 2, 2: 4, 3: 4}
_MAX_HEADER_BYTES = 10_000  # numpy's own: literal_eval is slow and recursive beyond it
_KINDS = "fiubU"
_LAST_CHARACTER = 0x10FFFF


def read_npy(body: bytes, columns: Sequence[Typed]) -> dict[str, Values]:
    """The columns of an npy body."""
    array = _array(body)
    names = [column.name for column in columns]
    fields = _fields(array, names)
    if not len(array):
        raise RequestError(
            "the body has no rows", got="none", allowed="at least one row", do="Send rows"
        )
    for name, field in fields.items():
        _require_text(name, field)
    if array.dtype.kind == "U":
        cells = {name: field.tolist() for name, field in fields.items()}
        return read_columns(columns, cells, len(array), text=True)
    known = {column.name: column for column in columns}
    values = {name: _values(field, known[name]) for name, field in fields.items()}
    return read_columns(columns, values, len(array), text=False)


def write_npy(columns: Mapping[str, Values]) -> bytes:
    """The columns as a structured array; a missing number is NaN, a missing text is empty."""
    plain = {
        name: np.array([value or "" for value in values], dtype=np.str_)
        if isinstance(values[0], str | None)
        else np.array(values)
        for name, values in columns.items()
    }
    # numpy cannot save text of no characters
    kinds = [(name, "<U1" if not v.dtype.itemsize else v.dtype) for name, v in plain.items()]
    array = np.empty(len(next(iter(plain.values()))), dtype=kinds)
    for name, values in plain.items():
        array[name] = values
    output = io.BytesIO()
    np.lib.format.write_array(output, array, version=None, allow_pickle=False)
    return output.getvalue()


def _array(body: bytes) -> Array:
    """The array; not by numpy.load, which allocates whatever size the header states."""
    try:
        start, header = _header(body)
        kind = np.lib.format.descr_to_dtype(header["descr"])
        "".join(kind.names or ()).encode("utf-8")  # an escaped surrogate cannot be quoted back
        shape, by_column = header["shape"], bool(header["fortran_order"])
    except Exception as error:  # literal_eval and dtype raise many; none is a fault of ours
        raise _not_npy(f"{type(error).__name__}: {error}") from error
    parts = [kind[name] for name in kind.names] if kind.names else [kind]
    if any(part.kind not in _KINDS or not part.itemsize or part.shape for part in parts):
        raise _wrong_array(str(kind), "elements of numbers, booleans or text, without objects")
    if not all(type(size) is int and size >= 0 for size in shape) or not 1 <= len(shape) <= 2:
        raise _wrong_array(f"shape {shape}", "shape (rows, columns), or (rows,)")
    if len(body) - start != math.prod(shape) * kind.itemsize:
        raise _not_npy(f"{len(body) - start} bytes of data for shape {shape} of {kind}")
    flat = np.frombuffer(body, dtype=kind, offset=start) if math.prod(shape) else np.empty(0, kind)
    return flat.reshape(shape, order="F" if by_column else "C")


def _header(body: bytes) -> tuple[int, dict[str, Any]]:
    """Where the data starts, and the header's dictionary."""
    if not body.startswith(_MAGIC):
        raise ValueError("it does not begin with \\x93NUMPY")
    version = body[len(_MAGIC)]
    begin = len(_MAGIC) + 2 + _LENGTH_BYTES[version]
    length = int.from_bytes(body[len(_MAGIC) + 2 : begin], "little")
    if length > min(_MAX_HEADER_BYTES, len(body) - begin):
        raise ValueError(f"a header of {length} bytes")
    text = body[begin : begin + length].decode("utf-8" if version == 3 else "latin-1")
    header = ast.literal_eval(text.strip())
    if set(header) != {"descr", "fortran_order", "shape"} or type(header["shape"]) is not tuple:
        raise ValueError("a header of another form")
    return begin + length, header


def _fields(array: Array, names: Sequence[str]) -> dict[str, Array]:
    if array.dtype.names is not None:
        if array.ndim != 1:
            raise _wrong_array(f"shape {array.shape}", "shape (rows,) with named fields")
        require_known(array.dtype.names, names)
        return {name: array[name] for name in array.dtype.names}
    if array.ndim == 1 and len(names) == 1:
        return {names[0]: array}
    if array.ndim != 2 or array.shape[1] != len(names):
        raise _wrong_array(f"shape {array.shape}", f"shape (rows, {len(names)})")
    return {name: array[:, index] for index, name in enumerate(names)}


def _require_text(name: str, array: Array) -> None:
    """Numbers that are no characters make Python fail, not raise; surrogates cannot be written."""
    if array.dtype.kind != "U":
        return
    codes = np.ascontiguousarray(array).view(np.dtype("u4").newbyteorder(array.dtype.byteorder))
    wrong = (codes > _LAST_CHARACTER) | ((codes >= 0xD800) & (codes < 0xE000))
    if wrong.any():
        place = int(wrong.argmax())
        raise RequestError(
            "a text holds what is no character",
            got=hex(codes[place]),
            allowed="Unicode characters, and no surrogates",
            do="Write the array with numpy.save",
            row=place // (len(codes) // len(array)),
            column=name,
        )


def _values(array: Array, column: Typed) -> Sequence[Any]:
    """Python values with None where one is missing; 0 and 1 are booleans where those are due."""
    if array.dtype.kind == "f":
        array = array.astype(np.float64)
        infinite = np.isinf(array)
        if infinite.any():
            row = int(infinite.argmax())
            raise wrong_value(column, row, float(array[row]), text=False)
    values = [None if value != value or value == "" else value for value in array.tolist()]
    if column.type == "boolean" and array.dtype.kind != "b":
        return [bool(value) if value in (0, 1) else value for value in values]
    return values


def _not_npy(got: str) -> RequestError:
    return RequestError(
        "the body is not npy",
        got=got,
        allowed="one whole array as numpy.save writes it",
        do="Write it with numpy.save(file, array, allow_pickle=False)",
    )


def _wrong_array(got: str, allowed: str) -> RequestError:
    return RequestError(
        "the array is not a table of the model's columns",
        got=got,
        allowed=allowed,
        do="Send one column for each of the signature's, or a structured array with their names",
    )
