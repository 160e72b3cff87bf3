"""What goes back to a client: a reply as bytes, in one piece, and what the HTTP itself refuses."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import NamedTuple

import orjson

from seatrial.serving.errors import PredictionError, RequestError, ServingError, error_body

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Reply(NamedTuple):
    """What to answer; `headers` are further lines, each with its end."""

    status: int
    content_type: str
    body: bytes
    headers: bytes = b""


def written(reply: Reply, *, last: bool, bodiless: bool = False) -> bytes:
    """The reply as it is sent; ValueError if its content type is no header."""
    status, content_type, body, headers = reply
    return b"%b%d\r\n%b%b%b\r\n%b" % (
        _status_and_type(status, content_type),
        len(body),
        _date(int(time.time())),
        headers,
        b"connection: close\r\n" if last else b"",
        b"" if bodiless else body,
    )


@lru_cache(maxsize=64)
def _status_and_type(status: int, content_type: str) -> bytes:
    if not content_type.isprintable():
        raise ValueError(f"the content type {content_type!r} is no header")
    start = (
        f"HTTP/1.1 {status} {_phrase(status)}\r\ncontent-type: {content_type}\r\ncontent-length: "
    )
    return start.encode("latin-1")


@lru_cache(maxsize=1)
def _date(epoch_s: int) -> bytes:
    at = time.gmtime(epoch_s)
    day, month = _DAYS[at.tm_wday], _MONTHS[at.tm_mon - 1]  # in English wherever this runs
    date = time.strftime(f"{day}, %d {month} %Y %H:%M:%S GMT", at)
    return f"date: {date}\r\n".encode("ascii")


def _phrase(status: int) -> str:
    if status == 200:
        return "OK"
    from http import HTTPStatus

    return next((known.phrase for known in HTTPStatus if known == status), "")


def json_reply(error: ServingError, status: int) -> Reply:
    """The error as the caller gets it."""
    return Reply(status, "application/json", orjson.dumps(error_body(error)))


def not_http(error: Exception) -> RequestError:
    """A 400."""
    return RequestError(
        "this is not a request of HTTP/1.1",
        got=str(error),
        allowed="GET /ping, POST /invocations",
        do="Send it with an HTTP library",
    )


def head_too_large(limit_bytes: int) -> RequestError:
    """A 431."""
    return RequestError(
        "the request's head is too large",
        got=f"more than {limit_bytes} bytes",
        allowed=f"{limit_bytes} bytes of URL and headers",
        do="Send what the model is to know in the body",
        status=431,
    )


def fault(error: BaseException) -> PredictionError:
    """A 500 for what nobody expected."""
    return PredictionError(
        "the server failed",
        got=f"{type(error).__name__}: {error}",
        allowed="an answer to every request",
        do="Report this with the trace in the endpoint's log",
    )
