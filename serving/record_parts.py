"""A record that is too long for one line of the log, as several lines.

    {"captureData": {"record": "<base64>"}, "eventMetadata": {"eventId": …, "inferenceTime": …},
     "eventVersion": "0", "seatrial": {"part": 1, "parts": 3}}

The pieces in order are the record's own line in base64: its size does not depend on what is in it,
and it can be cut anywhere. Every part names its event, and passes a filter on "captureData".
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Iterator, Mapping

import orjson

# CloudWatch Logs took 256 KB an event until 2025 and takes 1 MB since; Docker cuts lines at 16 KiB.
DEFAULT_MAX_LINE_BYTES = 200_000
LEAST_MAX_LINE_BYTES = 1024
LARGEST_MAX_LINE_BYTES = 1_000_000
_PARTS_DIGITS = 999_999


def split_record(line: bytes, event: Mapping[str, str], max_line_bytes: int) -> Iterator[bytes]:
    """The lines, newline included, of the parts of a record's `line`."""
    kept = {name: event[name] for name in ("eventId", "inferenceTime")}
    room = max_line_bytes - len(_part(b"", kept, _PARTS_DIGITS, _PARTS_DIGITS))
    piece_bytes = room // 4 * 3  # four characters of base64 are three bytes
    line = line.rstrip(b"\n")
    parts = -(-len(line) // piece_bytes)
    for number in range(1, parts + 1):
        piece = line[(number - 1) * piece_bytes : number * piece_bytes]
        yield _part(piece, kept, number, parts)


def _part(piece: bytes, event: Mapping[str, str], number: int, parts: int) -> bytes:
    return orjson.dumps(
        {
            "captureData": {"record": b2a_base64(piece, newline=False).decode("ascii")},
            "eventMetadata": event,
            "eventVersion": "0",
            "seatrial": {"part": number, "parts": parts},
        },
        option=orjson.OPT_APPEND_NEWLINE,
    )
