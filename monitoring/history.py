"""The verdicts on the windows before, one small file for each in S3.

A window that is judged again replaces its own; it never looks back on itself.
"""

from __future__ import annotations

from datetime import datetime

from seatrial.aws import S3
from seatrial.contracts.verdicts import WindowVerdict

NAME = "verdict.json"


def folder_uri(bucket: str, endpoint_name: str, started_at: datetime, ended_at: datetime) -> str:
    """Where everything about that window is kept; names sort by the window's end."""
    span = f"{ended_at:%Y%m%dT%H%M%SZ}-{started_at:%Y%m%dT%H%M%SZ}"
    return f"s3://{bucket}/monitoring/{endpoint_name}/{span}"


def read_history(
    s3: S3, bucket: str, endpoint_name: str, *, before: datetime, limit: int
) -> tuple[WindowVerdict, ...]:
    """The last `limit` verdicts on windows that begin before that moment, in time order."""
    uris = [
        uri
        for uri in s3.uris(f"s3://{bucket}/monitoring/{endpoint_name}/")
        if uri.endswith(f"/{NAME}")
    ]
    found: list[WindowVerdict] = []
    for uri in reversed(uris):
        if len(found) == limit:
            break
        verdict = WindowVerdict.model_validate_json(s3.get_bytes(uri))
        if verdict.started_at < before:
            found.append(verdict)
    return tuple(reversed(found))


def read_earlier(
    s3: S3, bucket: str, endpoint_name: str, *, started_at: datetime, ended_at: datetime
) -> WindowVerdict | None:
    """What was decided when this very window was judged before; None if it was not."""
    uri = f"{folder_uri(bucket, endpoint_name, started_at, ended_at)}/{NAME}"
    return WindowVerdict.model_validate_json(s3.get_bytes(uri)) if s3.exists(uri) else None


def write_verdict(s3: S3, bucket: str, verdict: WindowVerdict) -> str:
    """Keep the verdict, and return its URI."""
    folder = folder_uri(bucket, verdict.endpoint_name, verdict.started_at, verdict.ended_at)
    return s3.put_text(verdict.model_dump_json(indent=2) + "\n", f"{folder}/{NAME}")
