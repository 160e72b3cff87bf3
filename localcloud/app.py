"""The one ASGI application: who answers which call, and errors in AWS's JSON shape."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from seatrial.localcloud.api import AwsError, Handler, NotOurs, validation_error
from seatrial.localcloud.audited_calls import AuditedCalls
from seatrial.localcloud.iam_actions import caller_of
from seatrial.localcloud.invoke import Invoker, Request
from seatrial.localcloud.invoke_errors import ModelError
from seatrial.localcloud.moto_bridge import HttpAnswer, HttpRequest, Moto, lower_headers
from seatrial.localcloud.query import read_form, xml_answer, xml_error

_log = logging.getLogger(__name__)
STATUS_PATH = "/_seatrial/status"
ACCESSES_PATH = "/_seatrial/accesses"
_INVOCATIONS = (["invocations"], ["async-invocations"], ["invocations-response-stream"])
_OBSERVED = ("SageMaker.", "AWSEvents.")

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Check = Callable[[str, dict[str, Any]], None]
Observer = Callable[[str, dict[str, Any], dict[str, Any]], None]


class App:
    """`handlers` may name a call several times: the first that does not raise NotOurs answers it.

    What none answers is moto's: each of `checks` may refuse it before, each of `observers` is told
    of a call to SageMaker or EventBridge that succeeded, before the caller is.
    """

    def __init__(
        self,
        *,
        handlers: Iterable[Mapping[str, Handler]],
        checks: Iterable[Check],
        observers: Iterable[Observer],
        moto: Moto,
        invoker: Invoker,
        audit: AuditedCalls,
        status: Callable[[], dict[str, Any]],
    ) -> None:
        self._handlers: dict[str, list[Handler]] = {}
        for answered in handlers:
            for target, handler in answered.items():
                self._handlers.setdefault(target, []).append(handler)
        self._checks, self._observers = list(checks), list(observers)
        self._moto, self._invoker, self._status = moto, invoker, status
        self._audit = audit

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request_id = str(uuid.uuid4())
        try:
            answer = await self._answer(scope, receive, request_id)
        except AwsError as error:
            answer = error_answer(error)
        except Exception as error:
            _log.exception("%s %s", scope["method"], scope["path"])
            text = f"localcloud: {type(error).__name__}: {error}. Its log has more"
            answer = error_answer(AwsError("InternalFailure", text, status=500))
        await _send(send, answer, request_id)

    async def _answer(self, scope: dict[str, Any], receive: Receive, request_id: str) -> HttpAnswer:
        path: str = scope["raw_path"].decode("latin-1")
        if path == STATUS_PATH:
            return json_answer(self._status())
        if path == ACCESSES_PATH:
            return json_answer({"accesses": self._audit.shown()})
        parts = path.split("/")
        if scope["method"] == "POST" and parts[1] == "endpoints" and parts[3:] in _INVOCATIONS:
            if parts[3] != "invocations":  # moto would pretend
                raise validation_error(f"{parts[3]} is not supported; call InvokeEndpoint")
            return await self._invoke(scope, receive, request_id, unquote(parts[2]))
        request = HttpRequest(
            method=scope["method"],
            path=path,
            query=scope["query_string"].decode("latin-1"),
            headers=_headers(scope),
            body=await _read(receive),
        )
        return await asyncio.to_thread(self._aws, request, request_id)

    async def _invoke(
        self, scope: dict[str, Any], receive: Receive, request_id: str, endpoint_name: str
    ) -> HttpAnswer:
        body = await _read(receive, keep_bytes=self._invoker.max_body_bytes + 1)
        self._audit.saw(
            HttpRequest("POST", scope["raw_path"].decode("latin-1"), "", _headers(scope), b"")
        )
        headers = lower_headers(_headers(scope))
        answer = await self._invoker.invoke(Request(request_id, endpoint_name, headers, body))
        return HttpAnswer(answer.status, tuple(answer.headers.items()), answer.body)

    def _aws(self, request: HttpRequest, request_id: str) -> HttpAnswer:
        self._audit.saw(request)
        target = lower_headers(request.headers).get("x-amz-target")
        caller = caller_of(request)
        if caller is not None and caller.service == "cloudformation":
            return self._cloudformation(request, request_id)
        if target is None:  # not one of the JSON protocols
            if caller is not None and caller.service == "scheduler" and request.body:
                for check in self._checks:
                    check(f"scheduler.{request.method}", _read_json(request.body))
            return self._moto.answer(request)
        call = _read_json(request.body)
        for handler in self._handlers.get(target, ()):
            with contextlib.suppress(NotOurs):
                return json_answer(handler(call))
        for check in self._checks:
            check(target, call)
        answer = self._moto.answer(request)
        if target.startswith(_OBSERVED) and answer.status < 300:
            for observe in self._observers:
                observe(target, call, json.loads(answer.body or b"{}"))
        return answer

    def _cloudformation(self, request: HttpRequest, request_id: str) -> HttpAnswer:
        form = read_form(request.body)
        action = str(form.get("Action"))
        try:
            known = self._handlers.get(f"cloudformation.{action}")
            if known is None:
                raise AwsError("InvalidAction", f"localcloud: {action} is not answered here")
            return xml_answer(action, known[0](form), request_id)
        except AwsError as error:
            return xml_error(error.code, error.message, error.status, request_id)


def _read_json(body: bytes) -> dict[str, Any]:
    try:
        call = json.loads(body or b"{}")
    except ValueError as error:
        raise AwsError("SerializationException", f"localcloud: not JSON: {error}") from error
    if not isinstance(call, dict):
        raise AwsError("SerializationException", "localcloud: the body is not a JSON object")
    return call


def json_answer(value: dict[str, Any], status: int = 200) -> HttpAnswer:
    """`value` as AWS's JSON protocols want it: times are seconds since 1970."""
    body = json.dumps(value, default=_as_json).encode()
    return HttpAnswer(status, (("content-type", "application/x-amz-json-1.1"),), body)


def error_answer(error: AwsError) -> HttpAnswer:
    """The error in the shape that both the JSON and the REST-JSON protocol read."""
    fields = error.fields if isinstance(error, ModelError) else {}
    # REST-JSON's ModelError spells it Message; botocore takes either.
    value = {"__type": error.code, "message": error.message, "Message": error.message, **fields}
    answer = json_answer(value, error.status)
    return HttpAnswer(
        error.status, (*answer.headers, ("x-amzn-errortype", error.code)), answer.body
    )


def _as_json(value: object) -> float:
    if isinstance(value, datetime):
        return value.timestamp()
    raise TypeError(f"{type(value).__name__} in an answer")


def _headers(scope: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
    )


async def _read(receive: Receive, *, keep_bytes: int | None = None) -> bytes:
    """The body; of a larger one than `keep_bytes` only that much, though all of it is received."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise AwsError("RequestAborted", "localcloud: the caller went away")
        body += message.get("body", b"")
        if keep_bytes is not None:
            del body[keep_bytes:]
        if not message.get("more_body", False):
            return bytes(body)


async def _send(send: Send, answer: HttpAnswer, request_id: str) -> None:
    names = {name.lower() for name, _ in answer.headers}
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in answer.headers]
    if "content-length" not in names:
        headers.append((b"content-length", str(len(answer.body)).encode()))
    if "x-amzn-requestid" not in names:
        headers.append((b"x-amzn-requestid", request_id.encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
