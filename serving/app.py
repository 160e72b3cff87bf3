"""The ASGI application: GET /ping and POST /invocations.

A sandbox gets one request at a time, so a prediction runs on the event loop itself: no thread to
hand it to, and no second request whose memory would add up. /ping waits for a prediction under way.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from seatrial.serving.errors import RequestError
from seatrial.serving.invocation import (
    MAX_BODY_BYTES,
    Answer,
    Request,
    Responder,
    answer,
    refusal,
)
from seatrial.serving.record import Caller, Served, read_caller
from seatrial.serving.recorder import Recorder

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_METHODS = {"/ping": "GET", "/invocations": "POST"}


class Disconnected(Exception):  # noqa: N818 - an event
    """The caller went away before its request was complete."""


class Application:
    """Answers with `respond`, once `recorder` has the invocation."""

    def __init__(
        self, respond: Responder, recorder: Recorder, *, accept_time: bool = False
    ) -> None:
        self._respond, self._recorder, self._accept_time = respond, recorder, accept_time
        self._cold = True

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """One request, as ASGI has it."""
        path, method = scope["path"], scope["method"]
        if path not in _METHODS:
            await _respond(send, refusal(_unknown_path(path), 404))
        elif method != _METHODS[path]:
            wrong = refusal(_wrong_method(path, method), 405)
            await _respond(send, wrong, {"allow": _METHODS[path]})
        elif path == "/ping":
            # The server listens only once a prediction has worked: see __main__.py.
            await _respond(send, Answer(200, "application/json", "JSON", b"{}", rows=0))
        else:
            await self._invoke(scope, receive, send)

    async def _invoke(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        try:
            body, whole = await _read_body(receive)
        except Disconnected:
            return
        request = Request(
            headers.get("content-type", ""), headers.get("accept", ""), body if whole else None
        )
        event_id = str(uuid.uuid4())
        given = self._answer_and_record(request, headers, event_id)
        attributes = {"x-amzn-sagemaker-custom-attributes": f"seatrial-event-id={event_id}"}
        await _respond(send, given, attributes)

    def _answer_and_record(
        self, request: Request, headers: dict[str, str], event_id: str
    ) -> Answer:
        """The answer that may leave, once its record is written."""
        at, started = datetime.now(UTC), time.perf_counter()
        caller = Caller(None, synthetic=False, time=None)
        try:
            caller = read_caller(headers, accept_time=self._accept_time)
            given = answer(self._respond, request)
        except RequestError as error:
            given = refusal(error, error.status)
        latency_ms = (time.perf_counter() - started) * 1000
        served = Served(
            event_id, caller.time or at, latency_ms, self._cold, given.rows, given.status
        )
        self._cold = False
        return self._recorder.record(caller, request, given, served)


async def _read_body(receive: Receive) -> tuple[bytes, bool]:
    """The body and True; if it is over the limit nothing of it and False, once it is all read."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        chunk = message.get("body", b"")
        size += len(chunk)
        if size <= MAX_BODY_BYTES:
            chunks.append(chunk)
        else:
            chunks.clear()
        if not message.get("more_body", False):
            return b"".join(chunks), size <= MAX_BODY_BYTES


async def _respond(send: Send, given: Answer, headers: dict[str, str] | None = None) -> None:
    named = {
        "content-type": given.content_type,
        "content-length": str(len(given.body)),
        **(headers or {}),
    }
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in named.items()]
    await send({"type": "http.response.start", "status": given.status, "headers": pairs})
    await send({"type": "http.response.body", "body": given.body})


def _unknown_path(path: str) -> RequestError:
    return RequestError(
        "there is nothing at this path",
        got=path,
        allowed="GET /ping, POST /invocations",
        do="Send predictions to /invocations",
    )


def _wrong_method(path: str, method: str) -> RequestError:
    return RequestError(
        f"{path} does not take this method",
        got=method,
        allowed=_METHODS[path],
        do=f"Send {_METHODS[path]}",
    )
