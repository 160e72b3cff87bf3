"""Tensors: numbers in memory that ONNX Runtime shares, and texts, which are copied."""

from __future__ import annotations

import ctypes
import math
import struct
from array import array
from collections.abc import Sequence
from ctypes import byref, c_char, c_int, c_int64, c_size_t, c_void_p
from itertools import accumulate
from typing import Any, NamedTuple

from seatrial.serving.ort_library import Library, OrtError, Runtime

# ONNXTensorElementDataType: what ONNX Runtime calls it, and the struct module's letter.
ELEMENTS: dict[int, tuple[str, Any]] = {
    1: ("float", "f"),
    2: ("uint8", "B"),
    3: ("int8", "b"),
    4: ("uint16", "H"),
    5: ("int16", "h"),
    6: ("int32", "i"),
    7: ("int64", "q"),
    8: ("string", ""),
    9: ("bool", "?"),
    10: ("float16", "e"),
    11: ("double", "d"),
    12: ("uint32", "I"),
    13: ("uint64", "Q"),
}
NUMBERS = {name: number for number, (name, _) in ELEMENTS.items()}
LETTERS = dict(ELEMENTS.values())
_STRING = NUMBERS["string"]


class Tensor(NamedTuple):
    """An element type of ELEMENTS, a shape, and elements in C order.

    `data` of what goes in: a list of texts, or writable memory that holds the numbers. Of what came
    out: a sequence of the elements, which is a memoryview if Python's have such numbers.
    """

    element: str
    shape: tuple[int, ...]
    data: Any


def make_value(runtime: Runtime, tensor: Tensor) -> c_void_p:
    """An OrtValue of the tensor's own memory, or for texts of a copy; to be released."""
    library, _, memory, allocator = runtime
    shape = (c_int64 * len(tensor.shape))(*tensor.shape)
    kind = NUMBERS[tensor.element]
    if kind == _STRING:
        value = library.made("CreateTensorAsOrtValue", allocator, shape, len(shape), kind)
        try:
            fill_texts(library, value, tensor.data)
        except ValueError:  # what is no text in UTF-8
            library.release("ReleaseValue", value)
            raise
        return value
    return library.made(
        "CreateTensorWithDataAsOrtValue",
        memory,
        ctypes.addressof(c_char.from_buffer(tensor.data)),
        math.prod(tensor.shape) * struct.calcsize(LETTERS[tensor.element]),
        shape,
        len(shape),
        kind,
    )


def fill_texts(library: Library, value: c_void_p, texts: Sequence[str]) -> None:
    """Write the texts into an OrtValue of as many."""
    joined = "\0".join(texts)
    raw = bytearray(joined.encode("utf-8") + b"\0")
    ends = raw.count(0)
    if ends == len(texts) and len(raw) == len(joined) + 1:
        lengths = [len(text) for text in texts]
    else:
        lengths = [len(text.encode("utf-8")) for text in texts]
    first = ctypes.addressof(c_char.from_buffer(raw))
    starts = array("Q", accumulate((length + 1 for length in lengths), initial=first))
    library.call("FillStringTensor", value, starts.buffer_info()[0], len(texts))
    if ends > len(texts):  # a text goes on where a C string ends
        for place, length in enumerate(lengths):
            at = library.made("GetResizedStringTensorElementBuffer", value, place, length)
            ctypes.memmove(at, starts[place], length)


def read_value(library: Library, value: c_void_p) -> Tensor:
    """A copy of what an OrtValue holds."""
    info = library.made("GetTensorTypeAndShape", value)
    kind, sizes = read_info(library, info)
    library.release("ReleaseTensorTypeAndShapeInfo", info)
    if kind not in ELEMENTS:
        raise OrtError(f"an output is of ONNX's element type {kind}, which is not read here")
    element, letter = ELEMENTS[kind]
    count = math.prod(sizes)
    if kind == _STRING:
        return Tensor(element, sizes, _texts(library, value, count))
    at = library.made("GetTensorMutableData", value)
    raw = ctypes.string_at(at, count * struct.calcsize(letter)) if count else b""
    if letter == "e":
        return Tensor(element, sizes, struct.unpack(f"{count}e", raw))
    return Tensor(element, sizes, memoryview(raw).cast(letter))


def read_info(library: Library, info: c_void_p) -> tuple[int, tuple[int, ...]]:
    """The element type and the shape; an open dimension is -1."""
    kind, count = c_int(), c_size_t()
    library.call("GetTensorElementType", info, byref(kind))
    library.call("GetDimensionsCount", info, byref(count))
    sizes = (c_int64 * count.value)()
    library.call("GetDimensions", info, sizes, count)
    return kind.value, tuple(sizes)


def _texts(library: Library, value: c_void_p, count: int) -> list[str]:
    length = c_size_t()
    library.call("GetStringTensorDataLength", value, byref(length))
    text, starts = ctypes.create_string_buffer(length.value + 1), (c_size_t * count)()
    library.call("GetStringTensorContent", value, text, length, starts, count)
    raw, ends = text.raw, [*starts[1:], length.value]
    return [raw[start:end].decode("utf-8") for start, end in zip(starts, ends, strict=True)]
