"""`code/inference.py` of an archive: found, imported, and its functions checked."""

from __future__ import annotations

import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from seatrial.serving.errors import StartError
from seatrial.serving.signature import SCRIPT_FILE

_MODULE = "inference"
_PARAMETERS = {"model_fn": 1, "input_fn": 2, "predict_fn": 2, "output_fn": 2}
# What numerical libraries size their thread pools by, when they are imported.
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

Functions = dict[str, Callable[..., Any]]


def import_functions(folder: Path, *, threads: int) -> Functions:
    """Those of model_fn, input_fn, predict_fn and output_fn that the script defines.

    StartError if it cannot be imported, defines none, or one that cannot be called as it will be.
    """
    for name in _THREAD_VARIABLES:
        os.environ.setdefault(name, str(threads))
    module = _imported(folder)
    found = {name: getattr(module, name) for name in _PARAMETERS if hasattr(module, name)}
    if not found:
        raise StartError(
            f"{SCRIPT_FILE} has none of the functions that it is for",
            got="no such function",
            allowed=", ".join(_PARAMETERS),
            do="Define at least one of them, or leave the script out",
        )
    for name, function in found.items():
        _require_parameters(name, function)
    return found


@contextmanager
def start_errors(what: str) -> Iterator[None]:
    """Turn whatever the user's code raises into a StartError, and its trace into a log entry."""
    try:
        yield
    except StartError:
        raise
    except Exception as error:  # the user's code may raise anything
        traceback.print_exc(file=sys.stderr)
        raise StartError(
            what,
            got=f"{type(error).__name__}: {error}",
            allowed="code that runs in this image; requirements.txt is not installed at start",
            do="Read the trace above; put what is missing into the image, or into code/",
        ) from error


def _imported(folder: Path) -> ModuleType:
    path = folder.joinpath(SCRIPT_FILE)
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(_MODULE, path)
    if spec is None or spec.loader is None:
        raise AssertionError(path)  # a file that ends in .py has both
    module = sys.modules[_MODULE] = importlib.util.module_from_spec(spec)
    with start_errors(f"{SCRIPT_FILE} cannot be imported"):
        spec.loader.exec_module(module)
    return module


def _require_parameters(name: str, function: Any) -> None:
    try:
        inspect.signature(function).bind(*range(_PARAMETERS[name]))
    except (TypeError, ValueError) as error:
        raise StartError(
            f"{name} of {SCRIPT_FILE} cannot be called",
            got=str(error),
            allowed=f"a function of {_PARAMETERS[name]} arguments",
            do="Give it the parameters that SageMaker's documentation of inference scripts has",
        ) from error
