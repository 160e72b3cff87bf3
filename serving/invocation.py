"""One invocation: a request in, an answer out, whatever the request is."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from seatrial.serving.codec import (
    CONTENT_TYPES,
    ENCODINGS,
    JSON,
    answer_type,
    decode,
    encode,
    media_type,
)
from seatrial.serving.errors import PredictionError, RequestError, ServingError, error_body
from seatrial.serving.model import Model

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

MAX_BODY_BYTES = 4 * 2**20  # the service's own limit, each way


@dataclass(frozen=True)
class Request:
    """A request's body and how it is written; `body` None if it was over the limit."""

    content_type: str
    accept: str
    body: bytes | None


@dataclass(frozen=True)
class Answer:
    """A response, how many rows were predicted for it, and of which columns, if any were."""

    status: int
    content_type: str
    encoding: str
    body: bytes
    rows: int
    asked: Mapping[str, Array] | None = None


# Gives the predictions for a request whose body is there; raises ServingErrors.
Responder = Callable[[Request], Answer]


def answer(respond: Responder, request: Request) -> Answer:
    """The predictions, or what is wrong; never raises. A fault of ours is a 500, with a trace."""
    try:
        _require_size(request)
        return respond(request)
    except RequestError as error:
        return refusal(error, error.status)
    except PredictionError as error:
        sys.stderr.write(f"seatrial: {error}\n")
        return refusal(error, 500)
    except Exception as error:  # whatever it is, the caller gets an answer and the log a trace
        traceback.print_exc(file=sys.stderr)
        fault = PredictionError(
            "the server failed",
            got=f"{type(error).__name__}: {error}",
            allowed="an answer to every request",
            do="Report this with the trace in the endpoint's log",
        )
        return refusal(fault, 500)


def refusal(error: ServingError, status: int) -> Answer:
    """The answer that says what is wrong."""
    return Answer(status, JSON, ENCODINGS[JSON], orjson.dumps(error_body(error)), rows=0)


def graph_responder(model: Model) -> Responder:
    """Answers with an ONNX model alone: columns in, columns out."""

    def respond(request: Request) -> Answer:
        kind = media_type(request.content_type)
        wanted = answer_type(kind.name, request.accept)
        columns = decode(request.body or b"", request.content_type, model.signature)
        predicted = model.predict(columns)
        rows = len(next(iter(columns.values())))
        body = encode(predicted, wanted)
        return Answer(200, CONTENT_TYPES[wanted], ENCODINGS[wanted], body, rows, columns)

    return respond


def _require_size(request: Request) -> None:
    if request.body is None:
        raise RequestError(
            "the body is too large",
            got=f"more than {MAX_BODY_BYTES} bytes",
            allowed=f"{MAX_BODY_BYTES} bytes (4 MB)",
            do="Send fewer rows a request",
            status=413,
        )
