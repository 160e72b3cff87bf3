"""What each window counted, kept in S3, so that late records are counted once and by somebody.

A record is late if it was made in a window but was not among its records when that was collected.
The run of the next window counts it: a record made in the window before (of the same length) whose
event that window's ledger does not name. A window that is collected again counts all that is there
by then, save what the next window's ledger names as late. So every event counts in one window,
however often, in whatever order and after whatever interruption windows are collected.

A ledger is an npz file: the hashes (events.py) of the events that were counted, those of the late
ones among them, and the sample's threshold.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.aws import S3, explained, split_s3_uri
from seatrial.errors import InputError
from seatrial.monitoring.events import EVERYTHING, Events, holds
from seatrial.monitoring.span import Span

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

_NEVER = Span(*[datetime(1970, 1, 1, tzinfo=UTC)] * 2)


def _none() -> Array:
    return np.empty(0, dtype=np.uint64)


@dataclass(frozen=True)
class Elsewhere:
    """What the windows before and after have counted, as sorted hashes.

    `span` is the window before, if it was collected. `before` are its events, of which `threshold`
    bounds the sample; `claimed` are events of this window that the next one counted as late.
    """

    span: Span = _NEVER
    before: Array = field(default_factory=_none)
    threshold: int = EVERYTHING
    claimed: Array = field(default_factory=_none)

    def counted(self, hashes: Array, are_before: Array) -> Array:
        """True for the events that count elsewhere; `are_before`: made in the window before."""
        theirs = holds(self.before, hashes) | (hashes > self.threshold)
        found: Array = np.where(are_before, theirs, holds(self.claimed, hashes))
        return found


NOTHING_ELSEWHERE = Elsewhere()


def read_elsewhere(s3: Any, records_uri: str, span: Span) -> Elsewhere:
    """What the ledgers of the neighbouring windows say."""
    files, before = S3(s3), span.before
    own = _uri(records_uri, before)
    after = files.uris(f"{collected_uri(records_uri)}/{span.end:%Y%m%dT%H%M%S}-")
    claimed = [_read(files, uri)["late"] for uri in after]
    late = np.unique(np.concatenate([_none(), *claimed]))
    if not files.exists(own):
        return Elsewhere(claimed=late)
    found = _read(files, own)
    return Elsewhere(before, found["counted"], int(found["threshold"]), late)


def write_ledger(s3: Any, records_uri: str, span: Span, events: Events) -> str:
    """Write down what the window counted; returns the ledger's URI."""
    hashes = events.column("hash")
    late = events.column("time_us") < span.start.timestamp() * 1e6
    content = io.BytesIO()
    np.savez(
        content,
        counted=np.unique(hashes[~late]),
        late=np.unique(hashes[late]),
        threshold=np.uint64(events.threshold),
    )
    uri = _uri(records_uri, span)
    bucket, key = split_s3_uri(uri)
    with explained(f"the upload to {uri}", do="Allow s3:PutObject to the job's role"):
        s3.put_object(Bucket=bucket, Key=key, Body=content.getvalue())
    return uri


def collected_uri(records_uri: str) -> str:
    """Below it is kept what windows of these records counted."""
    bucket, prefix = split_s3_uri(records_uri.rstrip("/"))
    return f"s3://{bucket}/collected/{prefix}"


def _uri(records_uri: str, span: Span) -> str:
    return f"{collected_uri(records_uri)}/{span.start:%Y%m%dT%H%M%S}-{span.end:%Y%m%dT%H%M%S}.npz"


def _read(files: S3, uri: str) -> dict[str, Array]:
    try:
        with np.load(io.BytesIO(files.get_bytes(uri)), allow_pickle=False) as content:
            return {name: content[name] for name in ("counted", "late", "threshold")}
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            "cannot read what another window counted",
            got=f"{uri}: {type(error).__name__} {str(error)[:200]}",
            allowed="a ledger that collect_window wrote",
            do="Delete it, and collect the window that it is of again",
        ) from error
