"""What the requests of each window were like, a small file for each in S3."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from seatrial.aws import S3
from seatrial.contracts.calls import Calls
from seatrial.monitoring.ledger import collected_uri
from seatrial.monitoring.span import Span

_STAMP = "%Y%m%dT%H%M%S"


def write_calls(s3: Any, records_uri: str, calls: Calls) -> str:
    """Keep them, in place of an earlier count of the same window; returns the URI."""
    name = f"{calls.started_at:{_STAMP}}-{calls.ended_at:{_STAMP}}.json"
    return S3(s3).put_text(calls.model_dump_json(), f"{calls_uri(records_uri)}/{name}")


def calls_uri(records_uri: str) -> str:
    """The folder; no name in it is one of a ledger's."""
    return f"{collected_uri(records_uri)}/calls"


def read_calls(s3: Any, records_uri: str, since: Span) -> list[Calls]:
    """Of windows that end in that span and do not overlap, in order of time."""
    files = S3(s3)
    found = {_span(uri): uri for uri in files.uris(f"{calls_uri(records_uri)}/")}
    inside = [span for span in found if since.start < span.end <= since.end]
    return [
        Calls.model_validate_json(files.get_bytes(found[span])) for span in side_by_side(inside)
    ]


def side_by_side(spans: Iterable[Span]) -> list[Span]:
    """Of spans that overlap the one that ends last, and of those the longest."""
    kept: list[Span] = []
    for span in sorted(spans, key=lambda item: (item.end, item.end - item.start), reverse=True):
        if not kept or span.end <= kept[-1].start:
            kept.append(span)
    return kept[::-1]


def _span(uri: str) -> Span:
    start, end = uri.rpartition("/")[2].removesuffix(".json").split("-")
    return Span(*(datetime.strptime(text, _STAMP).replace(tzinfo=UTC) for text in (start, end)))
