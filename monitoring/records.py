"""Lines of the prediction log as typed records.

seatrial.serving.record writes them: SageMaker's data-capture JSON with a `seatrial` block.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson


class BrokenRecordError(ValueError):
    """A line that is not a prediction record; it is counted and put aside."""


@dataclass(frozen=True)
class Body:
    """A request's or an answer's body, and its content type."""

    content_type: str
    data: bytes


@dataclass(frozen=True)
class Record:
    """One request: who asked, what went in and out, and the line that says so."""

    event_id: str
    inference_id: str | None
    time: datetime
    model_version: str
    synthetic: bool
    status: int
    request: Body
    answer: Body
    line: bytes


def split_documents(line: bytes) -> Iterator[bytes]:
    """The JSON documents of a line: one, unless delivery has joined records without a newline."""
    if b"}{" not in line:
        yield line
        return
    text, start = line.decode("utf-8", errors="replace").strip(), 0
    while start < len(text):
        try:
            _, end = json.JSONDecoder().raw_decode(text, start)
        except json.JSONDecodeError:
            end = len(text)
        yield text[start:end].encode()
        start = end


def read_record(line: bytes) -> Record:
    """The record of a line; BrokenRecordError says why it is none."""
    try:
        return _record(orjson.loads(line), line)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BrokenRecordError(f"{type(error).__name__}: {str(error)[:200]}") from error


def _record(document: Mapping[str, Any], line: bytes) -> Record:
    captured, event, ours = (
        document[name] for name in ("captureData", "eventMetadata", "seatrial")
    )
    time = datetime.fromisoformat(event["inferenceTime"])
    return Record(
        event_id=_text(event["eventId"]),
        inference_id=event.get("inferenceId"),
        time=time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC),
        model_version=_text(ours["model_version"]),
        synthetic=ours["synthetic"] is True,
        status=int(ours["status"]),
        request=_body(captured["endpointInput"]),
        answer=_body(captured["endpointOutput"]),
        line=line,
    )


def _body(part: Mapping[str, Any]) -> Body:
    data = _text(part["data"]).encode()
    if part["encoding"] == "BASE64":
        data = base64.b64decode(data, validate=True)
    return Body(_text(part["observedContentType"]), data)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value
