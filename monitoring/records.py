"""Lines of the prediction log as typed records.

seatrial.serving.record writes them: SageMaker's data-capture JSON with a `seatrial` block. Where
Firehose does not extract messages, a line is CloudWatch Logs' envelope around several of them.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson


class BrokenRecordError(ValueError):
    """A line that is not a prediction record; it is counted and put aside."""


# Named tuples, not frozen dataclasses: there is one per request, and those take 3 µs to make.
class Body(NamedTuple):
    """A request's or an answer's body, and its content type."""

    content_type: str
    data: bytes


class Part(NamedTuple):
    """A piece of a record that was too long for one line; `number` counts from 1."""

    event_id: str
    time: datetime
    number: int
    parts: int
    data: bytes
    line: bytes


class Record(NamedTuple):
    """One request: who asked, what went in and out, and the line that says so.

    A body is None if it was not to be recorded; `dropped` and `hashed` name columns of the request
    that are left out or replaced. The record stands for 1 / `sample_rate` requests. How long the
    server took, for how many rows, and whether it was a sandbox's first are None where not said.
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
    server_ms: float | None
    rows: float | None
    cold: bool | None
    line: bytes

    @property
    def hidden(self) -> frozenset[str]:
        """The request's columns whose values are not in the record."""
        return frozenset((*self.dropped, *self.hashed))


def split_documents(line: bytes) -> list[bytes]:
    """The records of a line: one, unless delivery has joined or wrapped several.

    A control message of CloudWatch Logs has none.
    """
    documents = [line] if b"}{" not in line else list(_split_joined(line))
    if b'"logEvents"' not in line:
        return documents
    found: list[bytes] = []
    for document in documents:
        messages = _messages(document)
        found += [document] if messages is None else messages
    return found


def read_line(line: bytes) -> Record | Part:
    """The record of a line, or a part of one; BrokenRecordError says why it is neither."""
    try:
        document = orjson.loads(line)
        return _part(document, line) if "part" in document["seatrial"] else _record(document, line)
    except orjson.JSONDecodeError as error:
        raise BrokenRecordError(f"not JSON, or cut off: {str(error)[:200]}") from error
    except KeyError as error:
        raise BrokenRecordError(f"no prediction record: it has no {error}") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise BrokenRecordError(f"no prediction record: {str(error)[:200]}") from error


def _split_joined(line: bytes) -> Iterator[bytes]:
    text, start = line.decode("utf-8", errors="replace").strip(), 0
    while start < len(text):
        try:
            _, end = json.JSONDecoder().raw_decode(text, start)
        except json.JSONDecodeError:
            end = len(text)
        yield text[start:end].encode()
        start = end


def _messages(document: bytes) -> list[bytes] | None:
    """The log events of CloudWatch's envelope; None if it is none."""
    try:
        envelope = orjson.loads(document)
        if envelope.get("messageType") == "CONTROL_MESSAGE":
            return []
        return [event["message"].encode() for event in envelope["logEvents"]]
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _record(document: Mapping[str, Any], line: bytes) -> Record:
    captured, event, ours = (
        document["captureData"],
        document["eventMetadata"],
        document["seatrial"],
    )
    asked, answer = captured.get("endpointInput"), captured.get("endpointOutput")
    if asked is None and answer is None:
        raise KeyError("endpointInput and endpointOutput")
    inference_id = event.get("inferenceId")
    return Record(
        _text(event["eventId"]),
        None if inference_id is None else _text(inference_id),
        _time(event),
        _text(ours["model_version"]),
        ours["synthetic"] is True,
        int(ours["status"]),
        None if asked is None else _body(asked),
        None if answer is None else _body(answer),
        tuple(map(_text, ours["dropped"])) if "dropped" in ours else (),
        tuple(map(_text, ours["hashed"])) if "hashed" in ours else (),
        _share(ours["sample_rate"]) if "sample_rate" in ours else 1.0,
        _number(ours.get("latency_ms")),
        _number(ours.get("rows")),
        ours["cold"] if type(ours.get("cold")) is bool else None,
        line,
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
    zone = time.tzinfo
    if zone is UTC:
        return time
    return time.astimezone(UTC) if zone else time.replace(tzinfo=UTC)


def _number(value: object) -> float | None:
    """None for what is none: a prediction counts whatever is said of how it was made."""
    return float(value) if isinstance(value, int | float) else None


def _share(value: object) -> float:
    if not (isinstance(value, int | float) and 0 < value <= 1):
        raise ValueError(f"a sample rate of {value!r}")
    return float(value)


def _body(part: Mapping[str, Any]) -> Body:
    data = part["data"].encode()
    if part["encoding"] == "BASE64":
        data = base64.b64decode(data, validate=True)
    return Body(_text(part["observedContentType"]), data)


def _text(value: object) -> str:
    if type(value) is not str:
        raise TypeError(f"{value!r} is not text")
    return value
