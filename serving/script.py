"""A model that brings its own code: SageMaker's convention of `code/inference.py`.

    model_fn(model_dir) -> model                           default: the ONNX model of signature.json
    input_fn(body, content_type) -> data                   default: columns, a numpy array each
    predict_fn(data, model) -> prediction                  default: model.predict(data)
    output_fn(prediction, accept) -> body, or (body, type) default: the signature's columns

Each may be left out. As in AWS's toolkit, `body` is text for JSON and CSV and bytes for any other
type, and `code/` is on the module path. A ValueError of `input_fn`, or whatever has a `status_code`
from 400 to 499, is the caller's mistake; any other exception is the model's. requirements.txt is
not installed: at start that would need the network, and every cold start would pay for it.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.serving.arrays import ANSWER_TYPES, as_lists, decode, encode
from seatrial.serving.codec import CONTENT_TYPES, CSV, ENCODINGS, JSON, answer_type
from seatrial.serving.errors import PredictionError, RequestError, ServingError
from seatrial.serving.invocation import Answer, Request
from seatrial.serving.model import Model
from seatrial.serving.signature import Output, Signature
from seatrial.serving.threads import thread_count
from seatrial.serving.user_code import Functions, import_functions, start_errors

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]


class Script:
    """Answers requests with an archive's own functions; make one with `load`."""

    def __init__(self, functions: Functions, model: Any, signature: Signature) -> None:
        self._model, self._signature = model, signature
        self._reads_columns = "input_fn" not in functions
        self._input: Callable[..., Any] = functions.get("input_fn", self._columns)
        self._predict: Callable[..., Any] = functions.get("predict_fn", _predict)
        self._output: Callable[..., Any] = functions.get("output_fn", self._body)

    @classmethod
    def load(cls, folder: Path, signature: Signature, *, threads: int | None = None) -> Script:
        """Import the script and load its model; StartError if one of the two fails."""
        functions = import_functions(folder, threads=threads or thread_count())
        if "model_fn" not in functions:
            return cls(functions, Model.load(folder, threads=threads), signature)
        with start_errors("model_fn failed"):
            return cls(functions, functions["model_fn"](str(folder)), signature)

    def __call__(self, request: Request) -> Answer:
        """The answer; RequestError for what the caller did wrong, PredictionError for the rest."""
        accept = _accepted(request)
        with _errors("input_fn", of_caller=(ValueError,)):
            data = self._input(_text_or_bytes(request), request.content_type)
        with _errors("predict_fn"):
            prediction = self._predict(data, self._model)
        with _errors("output_fn"):
            body, content_type = _pair(self._output(prediction, accept), accept)
        asked = as_lists(data) if self._reads_columns else None
        return Answer(
            200,
            content_type,
            ENCODINGS.get(_name(content_type), "BASE64"),
            body,
            _row_count(asked or prediction),
            asked,
        )

    def _columns(self, body: str | bytes, content_type: str) -> dict[str, Array]:
        raw = body.encode("utf-8") if isinstance(body, str) else body
        return decode(raw, content_type, self._signature)

    def _body(self, prediction: Any, accept: str) -> tuple[bytes, str]:
        name = answer_type(JSON, accept)
        columns = answer_columns(prediction, self._signature.outputs)
        return encode(columns, name), CONTENT_TYPES[name]


def answer_columns(prediction: Any, outputs: Sequence[Output]) -> dict[str, Array]:
    """A prediction as the signature's output columns.

    It is a mapping of their names to values, an array (rows,) if there is one, or (rows, columns);
    ValueError if it is something else.
    """
    names = [output.name for output in outputs]
    if isinstance(prediction, Mapping):
        values = [np.asarray(prediction[name]) for name in names if name in prediction]
    else:
        array = np.asarray(prediction)
        values = list(array.reshape(len(array), -1).T) if array.ndim else []
    if len(values) != len(names) or any(array.ndim != 1 for array in values):
        raise ValueError(f"the prediction is not of the signature's columns: {', '.join(names)}")
    return {
        output.name: array.astype(ANSWER_TYPES[output.type])
        for output, array in zip(outputs, values, strict=True)
    }


def _predict(data: Any, model: Any) -> Any:
    return model.predict(data)


@contextmanager
def _errors(function: str, *, of_caller: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    try:
        yield
    except ServingError:
        raise
    except Exception as error:  # the user's code may raise anything
        status = getattr(error, "status_code", 400 if isinstance(error, of_caller) else None)
        if isinstance(status, int) and 400 <= status < 500:
            raise RequestError(
                "the model's code cannot use the request",
                got=str(error),
                allowed="what its input_fn reads",
                do="Correct the request",
                status=status,
            ) from error
        traceback.print_exc(file=sys.stderr)
        raise PredictionError(
            f"{function} failed",
            got=f"{type(error).__name__}: {error}",
            allowed="an answer to every request",
            do="Read the trace in the endpoint's log",
        ) from error


def _accepted(request: Request) -> str:
    """What to answer in: as asked, else like the request if predictions can be written so."""
    if request.accept.strip() not in ("", "*/*"):
        return request.accept
    name = _name(request.content_type)
    return name if name in ENCODINGS else JSON


def _text_or_bytes(request: Request) -> str | bytes:
    body = request.body or b""
    return body.decode("utf-8") if _name(request.content_type) in (JSON, CSV) else body


def _pair(output: Any, accept: str) -> tuple[bytes, str]:
    body, content_type = output if isinstance(output, tuple) and len(output) == 2 else (output, "")
    if isinstance(body, str):
        body = body.encode("utf-8")
    if not isinstance(body, bytes | bytearray):
        raise TypeError(f"it gave {type(body).__name__}, not text, bytes, or (body, content type)")
    return bytes(body), str(content_type or _name(accept.split(",")[0]))


def _row_count(rows: Any) -> int:
    if isinstance(rows, Mapping):
        rows = next(iter(rows.values()), ())
    return len(rows) if isinstance(rows, list | tuple | np.ndarray) and np.ndim(rows) else 1


def _name(content_type: str) -> str:
    return content_type.split(";")[0].strip().lower()
