"""Request bodies to columns, and columns to answers.

See columns.py for what a column is; a request's columns come in the signature's order whatever
order they were sent in. npy alone takes numpy, which is imported with the first such body.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from seatrial.serving.columns import Typed, Values
from seatrial.serving.csv_rows import read_csv, write_csv
from seatrial.serving.errors import RequestError
from seatrial.serving.json_lines import read_json_lines, write_json_lines
from seatrial.serving.json_rows import read_json, read_json_answer, write_json
from seatrial.serving.signature import Signature

CSV, JSON = "text/csv", "application/json"
JSON_LINES, NPY = "application/jsonlines", "application/x-npy"
# What the answer's content type is called, and the captured data's encoding: data capture knows
# CSV, JSON and BASE64 only.
CONTENT_TYPES = {CSV: "text/csv; charset=utf-8", JSON: JSON, JSON_LINES: JSON_LINES, NPY: NPY}
ENCODINGS = {CSV: "CSV", JSON: "JSON", JSON_LINES: "JSON", NPY: "BASE64"}
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_HEADERS = {None: None, "present": True, "absent": False}  # RFC 4180


class MediaType(NamedTuple):
    """A content type: its name, and those of its parameters that matter here."""

    name: str
    header: bool | None


def media_type(content_type: str) -> MediaType:
    """The content type; RequestError (415) if it is not one that can be read here."""
    name, *parameters = (part.strip() for part in content_type.lower().split(";"))
    given = dict(part.partition("=")[::2] for part in parameters if part)
    charset = given.get("charset", "utf-8").strip('"')
    header = given.get("header")
    if name not in ENCODINGS or charset not in ("utf-8", "us-ascii") or header not in _HEADERS:
        raise RequestError(
            "this content type cannot be read",
            got=content_type or "none",
            allowed=f"{CSV} (header=present or header=absent if it matters), {JSON} or "
            f"{JSON_LINES}, in UTF-8, or {NPY}",
            do="Set Content-Type to that of the body",
            status=415,
        )
    return MediaType(name, _HEADERS[header])


def decode(body: bytes, kind: MediaType, columns: Sequence[Typed]) -> dict[str, Values]:
    """The request's columns; RequestError says what cannot be used, and where."""
    if kind.name == NPY:
        return _read_npy(body, columns)
    body = body.removeprefix(_BYTE_ORDER_MARK)
    if not body.strip():
        raise RequestError(
            "the body is empty", got="0 rows", allowed="at least one row", do="Send rows"
        )
    if kind.name != CSV:
        return (read_json if kind.name == JSON else read_json_lines)(body, columns)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RequestError(
            "the body is not UTF-8",
            got=f"byte 0x{body[error.start]:02x} at {error.start}",
            allowed="text in UTF-8",
            do="Encode the text as UTF-8",
        ) from error
    return read_csv(text, columns, header=kind.header)


def decode_answer(body: bytes, content_type: str, signature: Signature) -> dict[str, Values]:
    """The columns of an answer that `encode` wrote."""
    kind = media_type(content_type)
    if kind.name == CSV:
        return read_csv(body.decode("utf-8"), signature.outputs, header=False)
    return _ANSWER_READERS[kind.name](body, signature.outputs)


def encode(answer: Mapping[str, Values], name: str) -> bytes:
    """The answer as a body of the content type `name`, a key of CONTENT_TYPES."""
    return _WRITERS[name](answer)


def answer_type(request_type: str, accept: str) -> str:
    """The answer's content type: what `accept` asks for, by default the request's.

    Quality values are not weighed: the first type of the list that can be written is taken.
    """
    wanted = [part.split(";")[0].strip().lower() for part in accept.split(",") if part.strip()]
    for name in wanted:
        if name in ("*/*", request_type, request_type.split("/")[0] + "/*"):
            return request_type
        if name in ENCODINGS:
            return name
    if wanted:
        raise RequestError(
            "no content type that is accepted can be written",
            got=accept,
            allowed=", ".join(ENCODINGS),
            do="Leave out Accept to get the request's own type",
            status=406,
        )
    return request_type


def _read_npy(body: bytes, columns: Sequence[Typed]) -> dict[str, Values]:
    from seatrial.serving.npy_rows import read_npy

    return read_npy(body, columns)


def _write_npy(answer: Mapping[str, Values]) -> bytes:
    from seatrial.serving.npy_rows import write_npy

    return write_npy(answer)


_ANSWER_READERS: dict[str, Callable[[bytes, Sequence[Typed]], dict[str, Values]]] = {
    JSON: read_json_answer,
    JSON_LINES: read_json_lines,
    NPY: _read_npy,
}
_WRITERS: dict[str, Callable[[Mapping[str, Values]], bytes]] = {
    CSV: lambda answer: write_csv(answer).encode("utf-8"),
    JSON: write_json,
    JSON_LINES: write_json_lines,
    NPY: _write_npy,
}
