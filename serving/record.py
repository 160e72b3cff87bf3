"""The prediction record: one line of JSON on standard output for each request.

SageMaker's data-capture JSON with a `seatrial` block. It is written before the response leaves: a
sandbox is frozen between requests and may be killed, so nothing may wait in a buffer or a thread.
A record that is longer than a line may
be is written in parts, see record_parts.py.
"""

from __future__ import annotations

import base64
import os
import select
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from seatrial.serving.errors import RequestError, StartError
from seatrial.serving.record_parts import DEFAULT_MAX_LINE_BYTES, split_record
from seatrial.serving.settings import Identity


@dataclass(frozen=True)
class Caller:
    """What the caller's headers say of a request."""

    inference_id: str | None
    synthetic: bool
    time: datetime | None


@dataclass(frozen=True)
class Captured:
    """A body and its type, as they went in or out."""

    content_type: str
    encoding: str
    body: bytes


@dataclass(frozen=True)
class Served:
    """How a request went."""

    event_id: str
    at: datetime
    latency_ms: float
    cold: bool
    rows: int
    status: int


def read_caller(headers: Mapping[str, str], *, accept_time: bool) -> Caller:
    """The caller's marks; RequestError for a time that is none.

    Custom attributes are a comma-separated list; those that are not ours are somebody else's.
    """
    attributes = {
        name.strip(): value.strip()
        for name, _, value in (
            part.partition("=")
            for part in headers.get("x-amzn-sagemaker-custom-attributes", "").split(",")
        )
    }
    time = attributes.get("seatrial-time") if accept_time else None
    return Caller(
        inference_id=headers.get("x-amzn-sagemaker-inference-id") or None,
        synthetic=attributes.get("seatrial-synthetic") == "true",
        time=None if time is None else _parse_time(time),
    )


def prediction_record(
    caller: Caller,
    asked: Captured | None,
    answered: Captured | None,
    served: Served,
    identity: Identity,
) -> dict[str, Any]:
    """The record of one request; a body that is None is left out."""
    event: dict[str, str] = {"eventId": served.event_id}
    if caller.inference_id is not None:
        event["inferenceId"] = caller.inference_id
    event["inferenceTime"] = served.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    captured = {}
    if asked is not None:
        captured["endpointInput"] = _captured(asked, "INPUT")
    if answered is not None:
        captured["endpointOutput"] = _captured(answered, "OUTPUT")
    return {
        "captureData": captured,
        "eventMetadata": event,
        "eventVersion": "0",
        "seatrial": {
            "endpoint": identity.endpoint,
            "variant": identity.variant,
            "model_version": identity.model_version,
            "latency_ms": round(served.latency_ms, 3),
            "cold": served.cold,
            "rows": served.rows,
            "synthetic": caller.synthetic,
            "status": served.status,
        },
    }


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

    def write(self, record: Mapping[str, Any]) -> None:
        """Write the whole record, as one line or in parts; OSError if that is not possible."""
        line = orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
        if len(line) > self._max_line_bytes:
            line = b"".join(split_record(line, record["eventMetadata"], self._max_line_bytes))
        # The rest of a line that could not be completed must not spoil this one.
        self._write(b"\n" + line if self._torn else line)

    def _write(self, text: bytes) -> None:
        left = memoryview(text)
        self._torn = True
        while left:
            try:
                left = left[os.write(self._descriptor, left) :]
            except BlockingIOError:  # a full pipe, which somebody else has made non-blocking
                if not select.select([], [self._descriptor], [], self._full_pipe_wait_s)[1]:
                    raise
        self._torn = False


def _captured(part: Captured, mode: str) -> dict[str, str]:
    """The body as text, or in base64 if it is not text, as data capture does."""
    encoding = part.encoding
    try:
        data = part.body.decode("utf-8") if encoding != "BASE64" else ""
    except UnicodeDecodeError:
        encoding = "BASE64"
    if encoding == "BASE64":
        data = base64.b64encode(part.body).decode("ascii")
    return {
        "observedContentType": part.content_type,
        "mode": mode,
        "data": data,
        "encoding": encoding,
    }


def _parse_time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is None:
            raise ValueError("no time zone")
    except ValueError as error:
        raise RequestError(
            "seatrial-time is not a time",
            got=text,
            allowed="ISO 8601 with a time zone, such as 2013-02-18T05:00:00Z",
            do="Correct the custom attribute, or leave it out",
        ) from error
    return time
