"""What a job prints: kept in a file, and sent to CloudWatch Logs while the job runs."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

LOG = logging.getLogger(__name__)
GROUP = "/aws/sagemaker/ProcessingJobs"
SEND_EVERY_S = 1.0
# PutLogEvents' limits: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
MAX_BATCH_EVENTS = 10_000
MAX_BATCH_BYTES = 1_048_576
EVENT_OVERHEAD_BYTES = 26
MAX_EVENT_BYTES = 262_144 - EVENT_OVERHEAD_BYTES
MAX_EXIT_MESSAGE_BYTES = 1024
_OWN_PREFIX = "seatrial: "


@dataclass(frozen=True)
class Line:
    """A line that a job has printed."""

    printed_at: float
    text: str


class JobLog:
    """Takes lines from several threads; `close` when the job's streams have ended."""

    def __init__(
        self, path: Path, send: Callable[[list[Line]], None], *, now: Callable[[], float]
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w", encoding="utf-8")
        self._send, self._now = send, now
        self._lock = threading.Lock()
        self._unsent: list[Line] = []
        self._own_line = self._last_line = ""
        self._closed = threading.Event()
        self._sender = threading.Thread(target=self._keep_sending, daemon=True)
        self._sender.start()

    def pump(self, stream: IO[bytes], *, is_error: bool) -> None:
        """Take every line of the stream until it ends."""
        with stream:
            for raw in stream:
                self._add(raw.decode(errors="replace").rstrip("\r\n"), is_error)

    @property
    def exit_message(self) -> str:
        """Why the job failed, by its own last line on stderr that starts with `seatrial: `,
        else by the last line there that is not empty; at most 1 KB.

        On AWS this is what the container wrote to /opt/ml/output/message, a path that no argument
        declares and that so cannot be given another place here.
        """
        text = self._own_line or self._last_line
        return text.encode()[:MAX_EXIT_MESSAGE_BYTES].decode(errors="ignore")

    def close(self) -> None:
        """Send what is left, and close the file."""
        self._closed.set()
        self._sender.join()
        self._send_rest()
        self._file.close()

    def _add(self, text: str, is_error: bool) -> None:
        line = Line(self._now(), text)
        with self._lock:
            self._file.write(f"{text}\n")
            self._file.flush()
            self._unsent.append(line)
            if is_error and text.startswith(_OWN_PREFIX):
                self._own_line = text
            if is_error and text.strip():
                self._last_line = text

    def _keep_sending(self) -> None:
        while not self._closed.wait(SEND_EVERY_S):
            self._send_rest()

    def _send_rest(self) -> None:
        with self._lock:
            lines, self._unsent = self._unsent, []
        if not lines:
            return
        try:
            self._send(lines)
        except Exception as error:  # a log that cannot be sent is no reason to fail the job
            LOG.warning("%d log lines were not sent: %r", len(lines), error)


class LogStream:
    """One stream in CloudWatch Logs, made with its group when the first line comes."""

    def __init__(self, logs: Callable[[], Any], name: str) -> None:
        self._logs, self._name = logs, name
        self._made = False

    def send(self, lines: list[Line]) -> None:
        """Append the lines."""
        client = self._logs()
        if not self._made:
            _make_stream(client, self._name)
            self._made = True
        for batch in batches(lines):
            events = [
                {"timestamp": int(line.printed_at * 1000), "message": line.text} for line in batch
            ]
            client.put_log_events(logGroupName=GROUP, logStreamName=self._name, logEvents=events)


def batches(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """The lines in batches that PutLogEvents takes; empty lines are dropped, long ones cut up."""
    batch: list[Line] = []
    size = 0
    for line in (piece for whole in lines for piece in _pieces(whole)):
        cost = len(line.text.encode()) + EVENT_OVERHEAD_BYTES
        if batch and (len(batch) == MAX_BATCH_EVENTS or size + cost > MAX_BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += cost
    if batch:
        yield batch


def _pieces(line: Line) -> Iterator[Line]:
    data = line.text.encode()
    for start in range(0, len(data), MAX_EVENT_BYTES):
        piece = data[start : start + MAX_EVENT_BYTES].decode(errors="ignore")
        yield Line(line.printed_at, piece)


def _make_stream(client: Any, name: str) -> None:
    try:
        client.create_log_stream(logGroupName=GROUP, logStreamName=name)
    except client.exceptions.ResourceNotFoundException:  # the first job of all
        with contextlib.suppress(client.exceptions.ResourceAlreadyExistsException):
            client.create_log_group(logGroupName=GROUP)  # or another job was quicker
        client.create_log_stream(logGroupName=GROUP, logStreamName=name)
