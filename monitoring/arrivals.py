"""Prediction records as they lie in S3: objects by hour of arrival, plain or gzip.

Firehose names objects by the hour in which they arrive. A record cannot arrive before it is made,
so listing starts at the window's first hour; late or replayed records arrive at any time after it,
so listing ends at the present. One listing does it, because keys sort like time.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple

from seatrial.aws import explained, split_s3_uri

READERS = 8
# Clocks of a sandbox and of Firehose may differ by a little, and an object's hour is its first
# record's, which waits up to 15 minutes for the others.
CLOCK_SLACK = timedelta(hours=1)
# What is held of objects at once, and how many bytes of lines are handed on together.
READ_AHEAD_BYTES = 32 * 2**20
BLOCK_BYTES = 4 * 2**20
# Makes the line that it ends a broken one.
CUT_OFF = b" [the gzip is damaged from here on]"
_GZIP_MAGIC = b"\x1f\x8b"
_HOUR = re.compile(r"(\d{4}/\d\d/\d\d/\d\d)/[^/]*$")


class Arrived(NamedTuple):
    """An object, its size, and the hour in which its records came; None if its key tells none."""

    key: str
    size_bytes: int
    hour: datetime | None


@dataclass(frozen=True)
class Block:
    """Some lines of one object."""

    text: bytes
    hour: datetime | None

    @cached_property
    def lines(self) -> list[bytes]:
        """The lines, empty ones left out."""
        return [line for line in self.text.split(b"\n") if line.strip()]


def arrived_objects(s3: Any, records_uri: str, since: datetime) -> list[Arrived]:
    """All objects below `records_uri` that can hold records made at `since` or later."""
    bucket, prefix = split_s3_uri(records_uri.rstrip("/") + "/")
    first = f"{prefix}{since - CLOCK_SLACK:%Y/%m/%d/%H}"
    with explained(f"listing {records_uri}", do="Allow s3:ListBucket to the job's role"):
        pages = s3.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=prefix, StartAfter=first
        )
        return [
            Arrived(item["Key"], item["Size"], _hour(item["Key"]))
            for page in pages
            for item in page.get("Contents", [])
        ]


def read_blocks(s3: Any, bucket: str, objects: Iterable[Arrived]) -> Iterator[Block]:
    """The lines of these objects in order. Of a gzip that is cut off, those before the cut."""

    def read(key: str) -> bytes:
        with explained(f"reading s3://{bucket}/{key}", do="Allow s3:GetObject to the job's role"):
            body: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return body

    with ThreadPoolExecutor(READERS) as pool:
        for group in side_by_side(objects):
            for item, body in zip(group, pool.map(read, [x.key for x in group]), strict=True):
                for text in whole_lines(_unzipped(body)):
                    yield Block(text, item.hour)


def side_by_side(objects: Iterable[Arrived]) -> Iterator[list[Arrived]]:
    """Objects to read side by side: a few, and not too large together."""
    group: list[Arrived] = []
    for item in objects:
        size_bytes = sum(other.size_bytes for other in group) + item.size_bytes
        if group and (len(group) == READERS or size_bytes > READ_AHEAD_BYTES):
            yield group
            group = []
        group.append(item)
    if group:
        yield group


def whole_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same text, cut at ends of lines."""
    rest = b""
    for chunk in chunks:
        text = rest + chunk
        end = text.rfind(b"\n") + 1
        rest = text[end:]
        if end:
            yield text[:end]
    if rest:
        yield rest


def _unzipped(body: bytes) -> Iterator[bytes]:
    """The content in pieces; where it cannot be unzipped any more, a mark instead."""
    if not body.startswith(_GZIP_MAGIC):
        yield from (body[i : i + BLOCK_BYTES] for i in range(0, len(body), BLOCK_BYTES))
        return
    while body:
        unzip, left, more = zlib.decompressobj(zlib.MAX_WBITS | 16), body, b"-"
        try:
            while more and not unzip.eof:
                yield (more := unzip.decompress(left, BLOCK_BYTES))
                left = unzip.unconsumed_tail
        except zlib.error:
            pass  # not at its end, as where the object is cut off
        if not unzip.eof:
            yield CUT_OFF
            return
        body = unzip.unused_data


def _hour(key: str) -> datetime | None:
    found = _HOUR.search(key)
    try:
        return datetime.strptime(found[1], "%Y/%m/%d/%H").replace(tzinfo=UTC) if found else None
    except ValueError:
        return None
