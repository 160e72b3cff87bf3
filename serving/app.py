"""The application: GET /ping and POST /invocations.

A sandbox gets one request at a time, so a prediction runs where the request was read: no thread to
hand it to, and no second request whose memory would add up. /ping waits for a prediction under way.
"""

from __future__ import annotations

import os
import time

from seatrial.serving.caller import Caller, read_caller, utc_second
from seatrial.serving.errors import RequestError
from seatrial.serving.http1 import Call
from seatrial.serving.invocation import Answer, Request, Responder, answer, refusal
from seatrial.serving.record import Served
from seatrial.serving.recorder import Recorder
from seatrial.serving.reply import Reply

_METHODS = {"/ping": "GET", "/invocations": "POST"}
# The server listens only once a prediction has worked: see __main__.py.
_PONG = Reply(200, "application/json", b"{}")


class Application:
    """Answers with `respond`, once `recorder` has the invocation."""

    def __init__(
        self, respond: Responder, recorder: Recorder, *, accept_time: bool = False
    ) -> None:
        self._respond, self._recorder, self._accept_time = respond, recorder, accept_time
        self._cold = True

    def __call__(self, call: Call) -> Reply:
        """The reply to one request."""
        path, method = call.path, call.method
        if path not in _METHODS:
            return _reply(refusal(_unknown_path(path), 404))
        if method != _METHODS[path]:
            wrong = refusal(_wrong_method(path, method), 405)
            return _reply(wrong, b"allow: %b\r\n" % _METHODS[path].encode())
        return _PONG if path == "/ping" else self._invoke(call)

    def _invoke(self, call: Call) -> Reply:
        headers, event_id = call.headers, _event_id()
        request = Request(
            headers.get(b"content-type", b"").decode("latin-1"),
            headers.get(b"accept", b"").decode("latin-1"),
            call.body,
        )
        given = self._answer_and_record(request, headers, event_id)
        return _reply(
            given,
            b"x-amzn-sagemaker-custom-attributes: seatrial-event-id=%b\r\n" % event_id.encode(),
        )

    def _answer_and_record(
        self, request: Request, headers: dict[bytes, bytes], event_id: str
    ) -> Answer:
        """The answer that may leave, once its record is written."""
        at, started = utc_second(int(time.time())), time.perf_counter()
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


def _event_id() -> str:
    """A random UUID, in half the time that uuid.uuid4 takes."""
    digits = os.urandom(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def _reply(given: Answer, headers: bytes = b"") -> Reply:
    return Reply(given.status, given.content_type, given.body, headers)


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
