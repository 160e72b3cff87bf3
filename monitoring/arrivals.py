"""Prediction records as they lie in S3: objects by hour of arrival, plain or gzip.

Firehose names objects by the hour in which they arrive. A record cannot arrive before it is made,
so listing starts at the window's first hour; late or replayed records arrive at any time after it,
so listing ends at the present. One listing does it, because keys sort like time.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

from seatrial.aws import explained, split_s3_uri

READERS = 8
# Clocks of a sandbox and of Firehose may differ by a little.
CLOCK_SLACK = timedelta(hours=1)
_GZIP_MAGIC = b"\x1f\x8b"


def arrived_keys(s3: Any, records_uri: str, since: datetime) -> list[str]:
    """Keys of all objects below `records_uri` that can hold records made at `since` or later."""
    bucket, prefix = split_s3_uri(records_uri.rstrip("/") + "/")
    first = f"{prefix}{since - CLOCK_SLACK:%Y/%m/%d/%H}"
    with explained(f"listing {records_uri}", do="Allow s3:ListBucket to the job's role"):
        pages = s3.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=prefix, StartAfter=first
        )
        return [item["Key"] for page in pages for item in page.get("Contents", [])]


def read_lines(s3: Any, bucket: str, keys: list[str]) -> Iterator[bytes]:
    """The lines of these objects, empty ones left out; an unreadable gzip is one broken line."""

    def read(key: str) -> bytes:
        with explained(f"reading s3://{bucket}/{key}", do="Allow s3:GetObject to the job's role"):
            body: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return body

    with ThreadPoolExecutor(READERS) as pool:
        for start in range(0, len(keys), READERS):  # a few at a time bounds the memory
            for body in pool.map(read, keys[start : start + READERS]):
                yield from (line for line in _unzipped(body).split(b"\n") if line.strip())


def _unzipped(body: bytes) -> bytes:
    if not body.startswith(_GZIP_MAGIC):
        return body
    try:
        return gzip.decompress(body)
    except (OSError, EOFError, zlib.error):
        return body.replace(b"\n", b" ")
