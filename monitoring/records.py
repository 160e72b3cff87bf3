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
class Part:
    """A piece of a record that was too long for one line; `number` counts from 1."""

    event_id: str
    time: datetime
    number: int
    parts: int
    data: bytes
    line: bytes


@dataclass(frozen=True)
class Record:
    """One request: who asked, what went in and out, and the line that says so.

    A body is None if it was not to be recorded; `dropped` and `hashed` name columns of the request
    that are left out or replaced. The record stands for 1 / `sample_rate` requests.
    """

    event_id: str
    inference_id: str | None
    time: datetime
    model_version: str
    synthetic: bool
    status: int
    request: Body | None
    answer: Body | None
    dropped: tuple[str, ...]
    hashed: tuple[str, ...]
    sample_rate: float
    line: bytes

    @property
    def hidden(self) -> frozenset[str]:
        """The request's columns whose values are not in the record."""
        return frozenset((*self.dropped, *self.hashed))


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


def read_line(line: bytes) -> Record | Part:
    """The record of a line, or a part of one; BrokenRecordError says why it is neither."""
    try:
        document = orjson.loads(line)
        return _part(document, line) if "part" in document["seatrial"] else _record(document, line)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BrokenRecordError(f"{type(error).__name__}: {str(error)[:200]}") from error


def _record(document: Mapping[str, Any], line: bytes) -> Record:
    captured, event, ours = (
        document[name] for name in ("captureData", "eventMetadata", "seatrial")
    )
    bodies = [_body(captured.get(name)) for name in ("endpointInput", "endpointOutput")]
    if bodies == [None, None]:
        raise KeyError("endpointInput and endpointOutput")
    return Record(
        event_id=_text(event["eventId"]),
        inference_id=event.get("inferenceId"),
        time=_time(event),
        model_version=_text(ours["model_version"]),
        synthetic=ours["synthetic"] is True,
        status=int(ours["status"]),
        request=bodies[0],
        answer=bodies[1],
        dropped=tuple(map(_text, ours.get("dropped", ()))),
        hashed=tuple(map(_text, ours.get("hashed", ()))),
        sample_rate=_share(ours.get("sample_rate", 1)),
        line=line,
    )


def _part(document: Mapping[str, Any], line: bytes) -> Part:
    event, number, parts = (
        document["eventMetadata"],
        document["seatrial"]["part"],
        document["seatrial"]["parts"],
    )
    if not (type(number) is type(parts) is int and 1 <= number <= parts):
        raise ValueError(f"part {number!r} of {parts!r}")
    return Part(
        event_id=_text(event["eventId"]),
        time=_time(event),
        number=number,
        parts=parts,
        data=base64.b64decode(_text(document["captureData"]["record"]), validate=True),
        line=line,
    )


def _time(event: Mapping[str, Any]) -> datetime:
    time = datetime.fromisoformat(event["inferenceTime"])
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def _share(value: object) -> float:
    if not (isinstance(value, int | float) and 0 < value <= 1):
        raise ValueError(f"a sample rate of {value!r}")
    return float(value)


def _body(part: Mapping[str, Any] | None) -> Body | None:
    if part is None:
        return None
    data = _text(part["data"]).encode()
    if part["encoding"] == "BASE64":
        data = base64.b64decode(data, validate=True)
    return Body(_text(part["observedContentType"]), data)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value
