"""Records that were too long for one line, joined out of their parts.

seatrial.serving.record_parts writes them. Parts come in any order, in several objects, and more
than once; the parts of a record are held until the last of them has come.
"""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.monitoring.records import BrokenRecordError, Part, Record, read_line


class _Gathered:
    """The parts of one record that have come, and how often each did."""

    def __init__(self, parts: int) -> None:
        self.counts = [0] * parts
        self.found: dict[int, Part] = {}
        self.joined = False


class Parts:
    """Give `join` every part; then ask for what is left over."""

    def __init__(self) -> None:
        self._events: dict[str, _Gathered] = {}

    def join(self, part: Part) -> Record | None:
        """The record, once, when this part completes it; BrokenRecordError if it is none."""
        event = self._events.setdefault(part.event_id, _Gathered(part.parts))
        if len(event.counts) != part.parts:
            raise BrokenRecordError(f"part of {part.parts}, others are of {len(event.counts)}")
        event.counts[part.number - 1] += 1
        if event.joined:
            return None
        event.found.setdefault(part.number, part)
        if len(event.found) < part.parts:
            return None
        line = b"".join(event.found[number].data for number in range(1, part.parts + 1))
        event.joined = True
        event.found.clear()
        record = read_line(line)
        if isinstance(record, Part) or record.event_id != part.event_id:
            raise BrokenRecordError("the parts join to another record than their event's")
        return record

    @property
    def duplicates(self) -> int:
        """How many times a whole record came again."""
        return sum(min(event.counts) - 1 for event in self._events.values() if event.joined)

    def incomplete(self) -> Iterator[tuple[bytes, str]]:
        """The lines of each record of which a part never came, and which one."""
        for event in self._events.values():
            if not event.joined:
                missing = [number for number, count in enumerate(event.counts, 1) if not count]
                lines = b"\n".join(part.line for _, part in sorted(event.found.items()))
                yield lines, f"part {missing[0]} of {len(event.counts)} is missing"
