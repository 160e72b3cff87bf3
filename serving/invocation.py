"""One invocation: a request in, an answer out, whatever the request is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

import orjson

from seatrial.serving.codec import (
    CONTENT_TYPES,
    ENCODINGS,
    JSON,
    MediaType,
    answer_type,
    decode,
    encode,
    media_type,
)
from seatrial.serving.columns import Values
from seatrial.serving.errors import PredictionError, RequestError, ServingError, error_body
from seatrial.serving.http1 import MAX_BODY_BYTES
from seatrial.serving.model import Model
from seatrial.serving.plain import plain_rows
from seatrial.serving.reply import fault


class Request(NamedTuple):
    """A request's body and how it is written; `body` None if it was over the limit."""

    content_type: str
    accept: str
    body: bytes | None


class Answer(NamedTuple):
    """A response, how many rows were predicted for it, and of which columns, if any were."""

    status: int
    content_type: str
    encoding: str
    body: bytes
    rows: int
    asked: Mapping[str, Values] | None = None


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
        import traceback

        traceback.print_exc(file=sys.stderr)
        return refusal(fault(error), 500)


def refusal(error: ServingError, status: int) -> Answer:
    """The answer that says what is wrong."""
    return Answer(status, JSON, ENCODINGS[JSON], orjson.dumps(error_body(error)), rows=0)


def graph_responder(model: Model, *, keep_columns: bool = True) -> Responder:
    """Answers with an ONNX model alone: columns in, columns out.

    Without `keep_columns` an answer need not say which columns were asked for: a request of plain
    numbers then goes straight into the graph, see plain.py.
    """
    plain = None if keep_columns else plain_rows(model)

    def respond(request: Request) -> Answer:
        body = request.body or b""
        kind, wanted = _negotiated(request.content_type, request.accept)
        tensor = None if plain is None else plain.read(body, kind)
        if tensor is not None:
            predicted, rows, columns = model.run([tensor]), tensor.shape[0], None
        else:
            columns = decode(body, kind, model.signature.inputs)
            predicted, rows = model.answer(columns), len(next(iter(columns.values())))
        written = encode(predicted, wanted)
        return Answer(200, CONTENT_TYPES[wanted], ENCODINGS[wanted], written, rows, columns)

    return respond


@lru_cache(maxsize=64)
def _negotiated(content_type: str, accept: str) -> tuple[MediaType, str]:
    """What the request is written in, and what to answer in; clients repeat themselves."""
    kind = media_type(content_type)
    return kind, answer_type(kind.name, accept)


def _require_size(request: Request) -> None:
    if request.body is None:
        raise RequestError(
            "the body is too large",
            got=f"more than {MAX_BODY_BYTES} bytes",
            allowed=f"{MAX_BODY_BYTES} bytes (4 MB)",
            do="Send fewer rows a request",
            status=413,
        )
