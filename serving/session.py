"""A graph, loaded by ONNX Runtime: what it takes, what it gives, and running it."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping, Sequence
from ctypes import byref, c_char_p, c_int, c_size_t, c_void_p
from typing import TYPE_CHECKING, Any, NamedTuple

from seatrial.serving.ort_library import ERRORS_ONLY, Library, runtime
from seatrial.serving.tensors import ELEMENTS, Tensor, make_value, read_info, read_value

if TYPE_CHECKING:
    from pathlib import Path

_TENSOR = 1
_KINDS = {0: "unknown", 2: "sequence", 3: "map", 4: "opaque", 5: "sparse tensor", 6: "optional"}
MAPPED_SUFFIX = ".ort"


class Node(NamedTuple):
    """An input or an output; an open dimension is its name, or None."""

    name: str
    type: str
    shape: list[int | str | None]


class Session:
    """A graph of a file, with `threads` of computation; OrtError if it cannot be loaded."""

    def __init__(self, path: Path | str, threads: int) -> None:
        self.runtime = runtime()
        library = self.runtime.library
        options = _options(library, threads, mapped=os.fspath(path).endswith(MAPPED_SUFFIX))
        try:
            self.handle = library.made(
                "CreateSession", self.runtime.environment, os.fsencode(path), options
            )
        finally:
            library.release("ReleaseSessionOptions", options)
        self.inputs, self.outputs = self._nodes("Input"), self._nodes("Output")

    def __del__(self) -> None:
        if hasattr(self, "handle"):
            self.runtime.library.release("ReleaseSession", self.handle)

    def run(self, names: Sequence[str], feeds: Mapping[str, Tensor]) -> list[Tensor]:
        """The outputs of these names; OrtError if the graph fails."""
        library = self.runtime.library
        values: list[c_void_p] = []
        found = (c_void_p * len(names))()
        try:
            values.extend(make_value(self.runtime, tensor) for tensor in feeds.values())
            library.call(
                "Run",
                self.handle,
                None,
                _names(list(feeds)),
                (c_void_p * len(values))(*[value.value for value in values]),
                len(values),
                _names(names),
                len(names),
                found,
            )
            return [read_value(library, c_void_p(value)) for value in found]
        finally:
            for value in (*values, *(c_void_p(value) for value in found if value)):
                library.release("ReleaseValue", value)

    def _nodes(self, side: str) -> tuple[Node, ...]:
        count = c_size_t()
        self.runtime.library.call(f"SessionGet{side}Count", self.handle, byref(count))
        return tuple(self._node(side, place) for place in range(count.value))

    def _node(self, side: str, place: int) -> Node:
        library, _, _, allocator = self.runtime
        text = library.made(f"SessionGet{side}Name", self.handle, place, allocator)
        name = ctypes.string_at(text).decode("utf-8")
        library.call("AllocatorFree", allocator, text)
        info = library.made(f"SessionGet{side}TypeInfo", self.handle, place)
        try:
            return Node(name, *_described(library, info))
        finally:
            library.release("ReleaseTypeInfo", info)


def _described(library: Library, info: c_void_p) -> tuple[str, list[int | str | None]]:
    """The type as tensor(float), and the shape."""
    kind = c_int()
    library.call("GetOnnxTypeFromTypeInfo", info, byref(kind))
    if kind.value != _TENSOR:
        return _KINDS.get(kind.value, "unknown"), []
    tensor = library.made("CastTypeInfoToTensorInfo", info)
    element, sizes = read_info(library, tensor)
    names = (c_char_p * len(sizes))()
    library.call("GetSymbolicDimensions", tensor, names, len(sizes))
    shape = [
        size if size >= 0 else (name or b"").decode("utf-8") or None
        for size, name in zip(sizes, names, strict=True)
    ]
    return f"tensor({ELEMENTS.get(element, ('of a type not read here',))[0]})", shape


def _names(names: Sequence[str]) -> Any:
    return (c_char_p * len(names))(*[name.encode("utf-8") for name in names])


def _options(library: Library, threads: int, *, mapped: bool) -> c_void_p:
    """Few surprises for a sandbox that has a share of a CPU and is frozen between requests.

    Threads that spin for work burn that share. The arena keeps the largest request's memory for
    good and rounds it up; without it, 8000 rows against 57 000 neighbours peak at 1826 MB
    and fall back to 81, with it 1882 and stay. It costs time only where single tensors are large.
    """
    options = library.made("CreateSessionOptions")
    library.call("SetIntraOpNumThreads", options, threads)
    library.call("SetInterOpNumThreads", options, 1)
    library.call("DisableCpuMemArena", options)
    library.call("SetSessionLogSeverityLevel", options, ERRORS_ONLY)
    entries = {"session.intra_op.allow_spinning": "0"}
    if mapped:  # the weights are used where the file is mapped, instead of being read and copied
        entries["session.use_memory_mapped_ort_model"] = "1"
        entries["session.use_ort_model_bytes_for_initializers"] = "1"
    for name, value in entries.items():
        library.call("AddSessionConfigEntry", options, name.encode(), value.encode())
    return options
