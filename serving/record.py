"""The prediction record: one line of JSON on standard output for each request.

SageMaker's data-capture JSON with a `seatrial` block. It is written before the response leaves: a
sandbox is frozen between requests and may be killed, so nothing may wait in a buffer or a thread.
A record that is longer than a line may be is written in parts, see record_parts.py.
"""

from __future__ import annotations

import os
import select
from binascii import b2a_base64
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from seatrial.serving.caller import Caller
from seatrial.serving.errors import StartError
from seatrial.serving.record_parts import DEFAULT_MAX_LINE_BYTES, split_record
from seatrial.serving.settings import Identity


class Captured(NamedTuple):
    """A body and its type, as they went in or out."""

    content_type: str
    encoding: str
    body: bytes


class Served(NamedTuple):
    """How a request went; `at` in ISO 8601 and UTC, to the second."""

    event_id: str
    at: str
    latency_ms: float
    cold: bool
    rows: int
    status: int


# How a captured body ends, by its encoding.
_ENDS = {name: b',"encoding":"%b"}' % name.encode() for name in ("CSV", "JSON", "BASE64")}


class RecordWriter:
    """Writes records of one endpoint as JSON; what is the same in all of them is written once."""

    def __init__(self, identity: Identity, marks: Mapping[str, Any]) -> None:
        ours = {
            "endpoint": identity.endpoint,
            "variant": identity.variant,
            "model_version": identity.model_version,
        }
        self._ours = orjson.dumps(ours)[:-1]  # what follows belongs to the same object
        self._marks = b"," + orjson.dumps(marks)[1:-1] if marks else b""

    def line(
        self,
        caller: Caller,
        asked: Captured | None,
        answered: Captured | None,
        served: Served,
        unwritten: int = 0,
    ) -> bytes:
        """The line of one request; a body that is None is left out.

        `unwritten`: how many records before it were lost.
        """
        event_id, at, latency_ms, cold, rows, status = served
        bodies = []
        if asked is not None:
            bodies.append(b'"endpointInput":' + _captured(asked, "INPUT"))
        if answered is not None:
            bodies.append(b'"endpointOutput":' + _captured(answered, "OUTPUT"))
        named = b"" if caller.inference_id is None else _named(caller.inference_id)
        return (
            b'{"captureData":{%b},"eventMetadata":{"eventId":"%b",%b"inferenceTime":"%b"},'
            b'"eventVersion":"0","seatrial":%b,"latency_ms":%b,"cold":%b,"rows":%d,'
            b'"synthetic":%b,"status":%d%b%b}}\n'
        ) % (
            b",".join(bodies),
            event_id.encode(),
            named,
            at.encode(),
            self._ours,
            orjson.dumps(round(latency_ms, 3)),
            b"true" if cold else b"false",
            rows,
            b"true" if caller.synthetic else b"false",
            status,
            self._marks,
            b',"unwritten":%d' % unwritten if unwritten else b"",
        )


class Records:
    """Writes records to a file descriptor of its own, in lines of at most `max_line_bytes`."""

    def __init__(
        self,
        descriptor: int,
        *,
        max_line_bytes: int = DEFAULT_MAX_LINE_BYTES,
        full_pipe_wait_s: float = 30.0,
    ) -> None:
        self._descriptor, self._max_line_bytes = descriptor, max_line_bytes
        self._full_pipe_wait_s = full_pipe_wait_s
        self._torn = False

    @classmethod
    def take_over_stdout(cls, *, max_line_bytes: int = DEFAULT_MAX_LINE_BYTES) -> Records:
        """Keep standard output for records; what else is printed from now on goes to stderr."""
        try:
            descriptor = os.dup(1)
            os.dup2(2, 1)
        except OSError as error:
            raise StartError(
                "standard output cannot be used for prediction records",
                got=str(error),
                allowed="open file descriptors 1 and 2",
                do="Start the server with both",
            ) from error
        return cls(descriptor, max_line_bytes=max_line_bytes)

    def write(self, line: bytes, event_id: str, at: str) -> None:
        """Write a record's whole line, or its parts; OSError if that is not possible."""
        if len(line) > self._max_line_bytes:
            event = {"eventId": event_id, "inferenceTime": at}
            line = b"".join(split_record(line, event, self._max_line_bytes))
        # The rest of a line that could not be completed must not spoil this one.
        self._write(b"\n" + line if self._torn else line)

    def _write(self, text: bytes) -> None:
        self._torn = True
        left = memoryview(text)
        while left:
            try:
                left = left[os.write(self._descriptor, left) :]
            except BlockingIOError:  # a full pipe, which somebody else has made non-blocking
                if not select.select([], [self._descriptor], [], self._full_pipe_wait_s)[1]:
                    raise
        self._torn = False


def _captured(part: Captured, mode: str) -> bytes:
    """The body as text, or in base64 if it is not text, as data capture does."""
    content_type, encoding, body = part
    if encoding != "BASE64":
        try:
            return _start(content_type, mode) + orjson.dumps(body.decode()) + _ENDS[encoding]
        except UnicodeDecodeError:
            pass
    return b'%b"%b"%b' % (
        _start(content_type, mode),
        b2a_base64(body, newline=False),
        _ENDS["BASE64"],
    )


@lru_cache(maxsize=64)
def _start(content_type: str, mode: str) -> bytes:
    start = orjson.dumps({"observedContentType": content_type, "mode": mode})
    return start[:-1] + b',"data":'


def _named(inference_id: str) -> bytes:
    return b'"inferenceId":%b,' % orjson.dumps(inference_id)
