"""A request's columns as they may be recorded: some left out, some as keyed hashes.

The body is written anew from the columns that were read, in the request's own content type. Of a
request without a prediction nothing is recorded but its headers: its columns are not known, and the
answer may quote one of its values.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping

from seatrial.serving.codec import CSV, ENCODINGS, JSON, JSON_LINES, NPY, encode
from seatrial.serving.columns import Values
from seatrial.serving.csv_rows import write_csv
from seatrial.serving.json_lines import write_json_lines
from seatrial.serving.json_rows import write_split
from seatrial.serving.record import Captured
from seatrial.serving.recording import Recording

_DIGEST_CHARACTERS = 32  # 128 bits


def redacted_request(
    columns: Mapping[str, Values], content_type: str, recording: Recording
) -> Captured:
    """The columns as a body of the content type, without what may not be recorded."""
    name = content_type.split(";")[0].strip().lower()
    kept = {
        column: _hashes(column, values, recording.hash_key)
        if column in recording.hashed
        else values
        for column, values in columns.items()
        if column not in recording.dropped
    }
    written_type = f"{CSV}; header=present" if name == CSV else name
    return Captured(written_type, ENCODINGS[name], _WRITERS[name](kept) if kept else b"")


def withheld(captured: Captured) -> Captured:
    """The type of a body, without the body."""
    return Captured(captured.content_type, captured.encoding, b"")


def hash_value(column: str, value: object, key: bytes) -> str:
    """32 hexadecimal digits that only the key's owner can find again; 5 and 5.0 have the same."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = f"{column}\0{value}"
    return hmac.digest(key, text.encode(), hashlib.sha256).hex()[:_DIGEST_CHARACTERS]


def _hashes(column: str, values: Values, key: bytes) -> Values:
    return [
        None if value is None or value != value else hash_value(column, value, key)
        for value in values
    ]


_WRITERS: dict[str, Callable[[Mapping[str, Values]], bytes]] = {
    CSV: lambda columns: write_csv(columns, header=True).encode("utf-8"),
    JSON: write_split,
    JSON_LINES: write_json_lines,
    NPY: lambda columns: encode(columns, NPY),
}
