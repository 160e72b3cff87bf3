"""From log groups to S3: buffers what subscription filters let through, one buffer per stream.

A batch that was accepted is kept until it is written. Writing is tried again while it fails.
"""

from __future__ import annotations

import gzip
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from seatrial.localcloud.api import AwsError
from seatrial.localcloud.audit import Access, Audit, trusted
from seatrial.localcloud.firehose import Batch, Target

_log = logging.getLogger(__name__)

FindTarget = Callable[[str], Target | None]
WriteObject = Callable[[str, str, bytes], None]


@dataclass
class _Buffer:
    target: Target
    opened_at: float
    parts: list[bytes] = field(default_factory=list)
    size_bytes: int = 0
    complained: bool = False


class Delivery:
    """`longest_wait_s` shortens the buffering of all streams; `now` is seconds since 1970."""

    def __init__(
        self,
        find_target: FindTarget,
        write_object: WriteObject,
        *,
        longest_wait_s: float,
        now: Callable[[], float],
        audit: Audit | None = None,
    ) -> None:
        self._audit = audit or Audit()
        self._find_target, self._write_object = find_target, write_object
        self._longest_wait_s, self._now = longest_wait_s, now
        self._lock = threading.Lock()
        self._buffers: list[_Buffer] = []
        self._flushing = threading.Lock()

    def accept(self, batch: Batch) -> None:
        """Take what a filter has let through; it is in S3 after the stream's buffering time."""
        target = self._find_target(batch.stream_name)
        if target is None:
            _log.warning("stream %s is gone; %d lines lost", batch.stream_name, len(batch.events))
            return
        self._audit.did(
            batch.role_arn,
            trusted(batch.role_arn, "logs"),
            Access("firehose:PutRecordBatch", batch.stream_arn),
        )
        part = target.encode(batch)
        with self._lock:
            buffer = self._open_buffer(target)
            buffer.parts.append(part)
            buffer.size_bytes += len(part)

    def flush(self, *, everything: bool = False) -> None:
        """Write the buffers whose time or size has come, or all of them."""
        with self._flushing:
            now = self._now()
            with self._lock:
                due = [item for item in self._buffers if everything or self._is_due(item, now)]
                self._buffers = [
                    item for item in self._buffers if not any(item is other for other in due)
                ]
            for buffer in due:
                self._write(buffer)

    def _open_buffer(self, target: Target) -> _Buffer:
        for buffer in self._buffers:
            if buffer.target == target and buffer.size_bytes < target.size_bytes:
                return buffer
        self._buffers.append(_Buffer(target, self._now()))
        return self._buffers[-1]

    def _is_due(self, buffer: _Buffer, now: float) -> bool:
        target = buffer.target
        waited_s = now - buffer.opened_at
        return buffer.size_bytes >= target.size_bytes or waited_s >= min(
            target.wait_s, self._longest_wait_s
        )

    def _write(self, buffer: _Buffer) -> None:
        target, content = buffer.target, b"".join(buffer.parts)
        key = target.key(buffer.opened_at)
        self._audit.did(
            target.role_arn,
            trusted(target.role_arn, "firehose"),
            Access("s3:PutObject", f"arn:aws:s3:::{target.bucket}/{key}"),
        )
        try:
            self._write_object(
                target.bucket, key, gzip.compress(content) if target.compress else content
            )
        except AwsError as error:
            if not buffer.complained:
                _log.warning("stream %s cannot deliver yet: %s", target.stream_name, error)
            buffer.complained = True
            with self._lock:
                self._buffers.insert(0, buffer)
