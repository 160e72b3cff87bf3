"""ONNX Runtime's C API through ctypes: its functions by name, and its errors.

The package's own Python module imports numpy and more; the two take more CPU time than everything
else that a server does until its first prediction. So the package is found, and not imported: the
library lies in it, and its C API is the same from one version to the next.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_uint32, c_void_p
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from seatrial.serving.errors import StartError

# The least version whose API has all that is in the table.
_API_VERSION = 24
# Where a function stands in the struct OrtApi of onnxruntime_c_api.h, to which new ones are only
# ever appended; and what it takes.
_AT = POINTER(c_void_p)
_FUNCTIONS: dict[str, tuple[int, tuple[Any, ...]]] = {
    "CreateEnv": (3, (c_int, c_char_p, _AT)),
    "DisableTelemetryEvents": (6, (c_void_p,)),
    "CreateSession": (7, (c_void_p, c_char_p, c_void_p, _AT)),
    "Run": (9, (c_void_p, c_void_p, _AT, _AT, c_size_t, _AT, c_size_t, _AT)),
    "CreateSessionOptions": (10, (_AT,)),
    "DisableCpuMemArena": (19, (c_void_p,)),
    "SetSessionLogSeverityLevel": (22, (c_void_p, c_int)),
    "SetIntraOpNumThreads": (24, (c_void_p, c_int)),
    "SetInterOpNumThreads": (25, (c_void_p, c_int)),
    "SessionGetInputCount": (30, (c_void_p, POINTER(c_size_t))),
    "SessionGetOutputCount": (31, (c_void_p, POINTER(c_size_t))),
    "SessionGetInputTypeInfo": (33, (c_void_p, c_size_t, _AT)),
    "SessionGetOutputTypeInfo": (34, (c_void_p, c_size_t, _AT)),
    "SessionGetInputName": (36, (c_void_p, c_size_t, c_void_p, _AT)),
    "SessionGetOutputName": (37, (c_void_p, c_size_t, c_void_p, _AT)),
    "CreateTensorAsOrtValue": (48, (c_void_p, c_void_p, c_size_t, c_int, _AT)),
    "CreateTensorWithDataAsOrtValue": (
        49,
        (c_void_p, c_void_p, c_size_t, c_void_p, c_size_t, c_int, _AT),
    ),
    "GetTensorMutableData": (51, (c_void_p, _AT)),
    "FillStringTensor": (52, (c_void_p, POINTER(c_char_p), c_size_t)),
    "GetStringTensorDataLength": (53, (c_void_p, POINTER(c_size_t))),
    "GetStringTensorContent": (54, (c_void_p, c_void_p, c_size_t, c_void_p, c_size_t)),
    "CastTypeInfoToTensorInfo": (55, (c_void_p, _AT)),
    "GetOnnxTypeFromTypeInfo": (56, (c_void_p, POINTER(c_int))),
    "GetTensorElementType": (60, (c_void_p, POINTER(c_int))),
    "GetDimensionsCount": (61, (c_void_p, POINTER(c_size_t))),
    "GetDimensions": (62, (c_void_p, c_void_p, c_size_t)),
    "GetSymbolicDimensions": (63, (c_void_p, POINTER(c_char_p), c_size_t)),
    "GetTensorTypeAndShape": (65, (c_void_p, _AT)),
    "CreateCpuMemoryInfo": (69, (c_int, c_int, _AT)),
    "AllocatorFree": (76, (c_void_p, c_void_p)),
    "GetAllocatorWithDefaultOptions": (78, (_AT,)),
    "AddSessionConfigEntry": (130, (c_void_p, c_char_p, c_char_p)),
    "RunWithBinding": (133, (c_void_p, c_void_p, c_void_p)),
    "CreateIoBinding": (134, (c_void_p, _AT)),
    "BindInput": (136, (c_void_p, c_char_p, c_void_p)),
    "BindOutput": (137, (c_void_p, c_char_p, c_void_p)),
    "GetResizedStringTensorElementBuffer": (252, (c_void_p, c_size_t, c_size_t, _AT)),
}
_RELEASES = {
    "ReleaseEnv": 92,
    "ReleaseStatus": 93,
    "ReleaseMemoryInfo": 94,
    "ReleaseSession": 95,
    "ReleaseValue": 96,
    "ReleaseTypeInfo": 98,
    "ReleaseTensorTypeAndShapeInfo": 99,
    "ReleaseSessionOptions": 100,
    "ReleaseIoBinding": 135,
}
ERRORS_ONLY = 3  # a severity of ONNX Runtime's log
_DEVICE_ALLOCATOR, _DEFAULT_MEMORY = 0, 0
_GET_ERROR_CODE, _GET_ERROR_MESSAGE = 1, 2
_CODES = {
    1: "FAIL",
    2: "INVALID_ARGUMENT",
    3: "NO_SUCHFILE",
    4: "NO_MODEL",
    5: "ENGINE_ERROR",
    6: "RUNTIME_EXCEPTION",
    7: "INVALID_PROTOBUF",
    8: "MODEL_LOADED",
    9: "NOT_IMPLEMENTED",
    10: "INVALID_GRAPH",
    11: "EP_FAIL",
}


class OrtError(Exception):
    """What ONNX Runtime says is wrong, as its Python module would say it."""


class Library:
    """The library; `call` raises OrtError for whatever fails."""

    def __init__(self, path: Path) -> None:
        library = ctypes.CDLL(str(path))
        library.OrtGetApiBase.restype = _AT
        get_api = ctypes.CFUNCTYPE(_AT, c_uint32)(library.OrtGetApiBase()[0] or 0)
        self._table = get_api(_API_VERSION)
        self._code = ctypes.CFUNCTYPE(c_int, c_void_p)(self._at(_GET_ERROR_CODE))
        self._message = ctypes.CFUNCTYPE(c_char_p, c_void_p)(self._at(_GET_ERROR_MESSAGE))
        self._functions: dict[str, Any] = {}

    def _at(self, place: int) -> int:
        return self._table[place] or 0

    def function(self, name: str) -> Callable[..., int | None]:
        """The function itself: it gives a status, which is None if all is well, for `check`."""
        if name not in self._functions:
            place, takes = _FUNCTIONS[name]
            self._functions[name] = ctypes.CFUNCTYPE(c_void_p, *takes)(self._at(place))
        function: Callable[..., int | None] = self._functions[name]
        return function

    def release(self, name: str, thing: c_void_p) -> None:
        """Give back what a function has made."""
        if name not in self._functions:
            self._functions[name] = ctypes.CFUNCTYPE(None, c_void_p)(self._at(_RELEASES[name]))
        self._functions[name](thing)

    def check(self, status: int | None) -> None:
        """OrtError if the status is one."""
        if status is not None:
            code = self._code(status)
            message = self._message(status).decode("utf-8", "replace")
            self.release("ReleaseStatus", c_void_p(status))
            name = _CODES.get(code, "FAIL")
            raise OrtError(f"[ONNXRuntimeError] : {code} : {name} : {message}")

    def call(self, name: str, *given: Any) -> None:
        """Call a function that gives nothing but its status."""
        self.check(self.function(name)(*given))

    def made(self, name: str, *given: Any) -> c_void_p:
        """What a function makes, and hands over at its last argument."""
        thing = c_void_p()
        self.check(self.function(name)(*given, byref(thing)))
        return thing


def find_library() -> Path:
    """The library of the installed package; StartError if there is none."""
    for folder in sys.path:
        found = sorted(Path(folder, "onnxruntime", "capi").glob("libonnxruntime.so.*"))
        if found:
            return found[-1]
    raise StartError(
        "ONNX Runtime's library cannot be found",
        got="no onnxruntime/capi/libonnxruntime.so.* on the module path",
        allowed="the package onnxruntime, 1.24 or later, as it is built for Linux",
        do="Install it into the environment that the server runs in",
    )


class Runtime(NamedTuple):
    """What all sessions of a process share, for as long as it lives."""

    library: Library
    environment: c_void_p
    memory: c_void_p
    allocator: c_void_p


@lru_cache(maxsize=1)
def runtime() -> Runtime:
    """ONNX Runtime, started at the first call; StartError if it is not installed."""
    library = Library(find_library())
    environment = library.made("CreateEnv", ERRORS_ONLY, b"seatrial")
    library.call("DisableTelemetryEvents", environment)
    memory = library.made("CreateCpuMemoryInfo", _DEVICE_ALLOCATOR, _DEFAULT_MEMORY)
    return Runtime(library, environment, memory, library.made("GetAllocatorWithDefaultOptions"))
