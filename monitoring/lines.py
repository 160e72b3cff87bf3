"""Lines of the log read one by one: whatever is joined, wrapped, in parts, misdated or broken."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import chain

from seatrial.monitoring.arrivals import CLOCK_SLACK
from seatrial.monitoring.parts import Parts
from seatrial.monitoring.records import (
    BrokenRecordError,
    Part,
    Record,
    read_line,
    split_documents,
)
from seatrial.monitoring.span import Span

# How long after its first record an object's last one may be made.
_OBJECT_SPAN = timedelta(hours=1) + CLOCK_SLACK


def latest_time(hour: datetime | None) -> datetime | None:
    """The last time that a record can have of an object that came in this hour."""
    return None if hour is None else hour + _OBJECT_SPAN


class LineReader:
    """Reads the records made in `spans`; `put_aside` gets every line that is none, and why.

    A line that cannot be read, or is dated after its arrival, has no time that can be believed:
    it is put aside if it came in the first of the spans. Parts of a record may come in any order.
    """

    def __init__(self, spans: Collection[Span], put_aside: Callable[[bytes, str], None]) -> None:
        self._spans, self._put_aside = tuple(spans), put_aside
        self._parts = Parts()

    def read(self, lines: Iterable[bytes], hour: datetime | None = None) -> Iterator[Record]:
        """The records of these lines, which arrived in that hour."""
        here, latest = hour is None or self._spans[0].holds(hour), latest_time(hour)
        for document in chain.from_iterable(map(split_documents, lines)):
            try:
                item = read_line(document)
                if latest is not None and item.time > latest:
                    raise BrokenRecordError(f"dated {item.time}, but it arrived before {latest}")
                if not any(span.holds(item.time) for span in self._spans):
                    continue
                record = self._parts.join(item) if isinstance(item, Part) else item
            except BrokenRecordError as error:
                if here:
                    self._put_aside(document, str(error))
                continue
            if record is not None:
                yield record

    def finish(self) -> None:
        """Put aside the records of which a part never came, each as one line."""
        for lines, reason in self._parts.incomplete():
            self._put_aside(lines, reason)

    @property
    def duplicates(self) -> int:
        """How many times a record that came in parts came again."""
        return self._parts.duplicates
