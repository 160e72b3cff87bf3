"""The rows that an endpoint predicted in a window of time, out of the lines of its log.

A record counts by its inference time, whenever it arrived, and nothing is dropped in silence.
Memory is bounded by a block of lines, whatever the window's length.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.monitoring.arrivals import Block
from seatrial.monitoring.batches import Batch, RecordBatch
from seatrial.monitoring.calls import CallCounts
from seatrial.monitoring.counts import microseconds
from seatrial.monitoring.decoding import Refused, decode_alike
from seatrial.monitoring.envelopes import read_envelopes
from seatrial.monitoring.events import Events, Kind, hashes_of
from seatrial.monitoring.ledger import NOTHING_ELSEWHERE, Elsewhere
from seatrial.monitoring.lines import LineReader, latest_time
from seatrial.monitoring.span import Span

if TYPE_CHECKING:
    from seatrial.monitoring.window_file import WindowFile
    from seatrial.serving.signature import Signature

    Array = np.ndarray[Any, np.dtype[Any]]


@dataclass
class Gathering:
    """Sorts blocks of lines into the window's predictions and what is left out of them.

    `max_rows`: of a window with more, an even sample of events is kept.
    """

    span: Span
    model_version: str
    signature: Signature
    file: WindowFile
    max_rows: int
    elsewhere: Elsewhere = NOTHING_ELSEWHERE
    events: Events = field(default_factory=Events)
    calls: CallCounts = field(default_factory=CallCounts)
    broken: int = 0
    foreign: set[str] = field(default_factory=set)
    unobserved: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self._reader = LineReader((self.span, self.elsewhere.span), self._put_aside)

    def take(self, block: Block) -> None:
        """Count the block's records, and write the rows of its predictions."""
        latest = latest_time(block.hour)
        for envelopes, lines in read_envelopes(
            block, None if latest is None else microseconds(latest)
        ):
            if envelopes is not None:
                self._count(envelopes)
            if records := list(self._reader.read(lines, block.hour)):
                self._count(RecordBatch(records))
        while max(self.events.rows, len(self.events)) > self.max_rows and len(self.events) > 1:
            self.events.thin()

    def finish(self) -> None:
        """Put aside the records of which a part never came, and write the files."""
        self._reader.finish()
        self.file.close(self.events.threshold)

    @property
    def more_duplicates(self) -> int:
        """How many times a record that came in parts came again."""
        return self._reader.duplicates

    def _count(self, batch: Batch) -> None:
        """Add the batch's events, each once, and the rows of what was predicted."""
        numbers, hashes = self._kept(batch)
        times_us = batch.times_us[numbers]
        kinds = batch.kinds(self.model_version)[numbers]
        kinds[~self.events.are_new(hashes)] = Kind.DUPLICATE
        rows = np.zeros(len(numbers), dtype=np.int64)
        place = np.empty(len(batch.event_ids), dtype=np.int64)
        place[numbers] = np.arange(len(numbers))
        for alike in batch.alike(numbers[kinds == Kind.PREDICTION]):
            for part in decode_alike(alike, self.signature):
                if isinstance(part, Refused):
                    kinds[place[part.number]] = Kind.UNFIT
                    self._put_aside(batch.line(part.number), part.reason)
                    continue
                here = place[part.numbers]
                rows[here] = part.counts
                self.unobserved |= part.unobserved
                self.file.add(part, batch, hashes[here], times_us[here])
        self.foreign.update(batch.versions(numbers[kinds == Kind.FOREIGN]))
        once = kinds != Kind.DUPLICATE
        weights = batch.weights[numbers[once]] / self.events.share
        self.calls.add(batch.measures(numbers[once]), times_us[once], weights)
        self.events.add(
            hash=hashes, kind=kinds, rows=rows, weight=batch.weights[numbers], time_us=times_us
        )

    def _kept(self, batch: Batch) -> tuple[Array, Array]:
        """The numbers and hashes of the records that may count here and are in the sample."""
        times_us, hashes = batch.times_us, hashes_of(batch.event_ids)
        before, here = (
            (times_us >= microseconds(span.start)) & (times_us < microseconds(span.end))
            for span in (self.elsewhere.span, self.span)
        )
        kept = (before | here) & (hashes <= self.events.threshold)
        numbers = np.flatnonzero(kept & ~self.elsewhere.counted(hashes, before))
        return numbers, hashes[numbers]

    def _put_aside(self, line: bytes, reason: str) -> None:
        self.broken += 1
        self.file.put_aside(line, reason)
