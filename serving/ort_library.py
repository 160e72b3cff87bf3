"""ONNX Runtime's C API through ctypes: its functions by name, and its errors.

The package's own Python module imports numpy and more; the two take more CPU time than everything
else that a server does until its first prediction. So the package is found, and not imported: the
library lies in it, and its C API is the same from one version to the next.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from ctypes import byref, c_char_p, c_int, c_size_t, c_uint32, c_void_p
from functools import lru_cache
from typing import Any, NamedTuple

from seatrial.serving.errors import StartError

# The least version whose API has all that is in the table.
_API_VERSION = 24
# Where a function stands in the struct OrtApi of onnxruntime_c_api.h, to which new ones are only
# ever appended; and what it takes: pointers, ints and sizes.
_TYPES = {"p": c_void_p, "i": c_int, "n": c_size_t}
_FUNCTIONS = {
    "CreateEnv": (3, "ipp"),
    "DisableTelemetryEvents": (6, "p"),
    "CreateSession": (7, "pppp"),
    "Run": (9, "ppppnpnp"),
    "CreateSessionOptions": (10, "p"),
    "DisableCpuMemArena": (19, "p"),
    "SetSessionLogSeverityLevel": (22, "pi"),
    "SetIntraOpNumThreads": (24, "pi"),
    "SetInterOpNumThreads": (25, "pi"),
    "SessionGetInputCount": (30, "pp"),
    "SessionGetOutputCount": (31, "pp"),
    "SessionGetInputTypeInfo": (33, "pnp"),
    "SessionGetOutputTypeInfo": (34, "pnp"),
    "SessionGetInputName": (36, "pnpp"),
    "SessionGetOutputName": (37, "pnpp"),
    "CreateTensorAsOrtValue": (48, "ppnip"),
    "CreateTensorWithDataAsOrtValue": (49, "ppnpnip"),
    "GetTensorMutableData": (51, "pp"),
    "FillStringTensor": (52, "ppn"),
    "GetStringTensorDataLength": (53, "pp"),
    "GetStringTensorContent": (54, "ppnpn"),
    "CastTypeInfoToTensorInfo": (55, "pp"),
    "GetOnnxTypeFromTypeInfo": (56, "pp"),
    "GetTensorElementType": (60, "pp"),
    "GetDimensionsCount": (61, "pp"),
    "GetDimensions": (62, "ppn"),
    "GetSymbolicDimensions": (63, "ppn"),
    "GetTensorTypeAndShape": (65, "pp"),
    "CreateCpuMemoryInfo": (69, "iip"),
    "AllocatorFree": (76, "pp"),
    "GetAllocatorWithDefaultOptions": (78, "p"),
    "AddSessionConfigEntry": (130, "ppp"),
    "RunWithBinding": (133, "ppp"),
    "CreateIoBinding": (134, "pp"),
    "BindInput": (136, "ppp"),
    "BindOutput": (137, "ppp"),
    "GetResizedStringTensorElementBuffer": (252, "pnnp"),
}
_RELEASES = {
    "ReleaseStatus": 93,
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
    """The library; `call` raises OrtError for whatever fails. StartError if it is too old."""

    def __init__(self, path: str) -> None:
        library = ctypes.CDLL(path)
        library.OrtGetApiBase.restype = pointer = ctypes.POINTER(c_void_p)
        get_api = ctypes.CFUNCTYPE(pointer, c_uint32)(library.OrtGetApiBase()[0] or 0)
        self._table = get_api(_API_VERSION)
        if not self._table:
            raise StartError(
                "ONNX Runtime is too old",
                got=path,
                allowed=f"one with version {_API_VERSION} of the C API, as of onnxruntime 1.24",
                do="Install onnxruntime 1.24 or later",
            )
        self._code = ctypes.CFUNCTYPE(c_int, c_void_p)(self._at(_GET_ERROR_CODE))
        self._message = ctypes.CFUNCTYPE(c_char_p, c_void_p)(self._at(_GET_ERROR_MESSAGE))
        self._functions: dict[str, Any] = {}

    def _at(self, place: int) -> int:
        return self._table[place] or 0

    def function(self, name: str) -> Callable[..., int | None]:
        """The function itself: it gives a status, which is None if all is well, for `check`."""
        if name not in self._functions:
            place, kinds = _FUNCTIONS[name]
            takes = [_TYPES[kind] for kind in kinds]
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


def find_library() -> str:
    """The library of the installed package; StartError if there is none."""
    for folder in sys.path:
        place = os.path.join(folder, "onnxruntime", "capi")
        names = os.listdir(place) if os.path.isdir(place) else []
        for name in names:
            if name.startswith("libonnxruntime.so."):
                return os.path.join(place, name)
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
    # Wheels of 1.29 and later write a device id to the home folder and send events to Microsoft,
    # from their environment's creation on; they look at this once, before that.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    library = Library(find_library())
    environment = library.made("CreateEnv", ERRORS_ONLY, b"seatrial")
    library.call("DisableTelemetryEvents", environment)
    memory = library.made("CreateCpuMemoryInfo", _DEVICE_ALLOCATOR, _DEFAULT_MEMORY)
    return Runtime(library, environment, memory, library.made("GetAllocatorWithDefaultOptions"))
