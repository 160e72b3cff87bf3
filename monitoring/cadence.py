"""The windows of a schedule: from a moment on, each as long as the one before.

Written as ISO 8601 has repeating intervals: `R/2026-11-28T12:00:00Z/PT10080M`. A schedule hands
that on instead of two times, so a start that comes late still judges the right window.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from seatrial.errors import InputError
from seatrial.monitoring.span import Span

LATEST = "latest"
_PATTERN = re.compile(r"R/([^/]+)/PT([1-9]\d*)M")


@dataclass(frozen=True)
class Cadence:
    """Windows of that length, the first of which begins at `start`."""

    start: datetime
    length: timedelta

    def __str__(self) -> str:
        minutes = self.length // timedelta(minutes=1)
        return f"R/{self.start:%Y-%m-%dT%H:%M:%SZ}/PT{minutes}M"

    def ended_by(self, now: datetime) -> int:
        """How many windows are over."""
        return max(0, (now - self.start) // self.length)

    def window(self, number: int) -> Span:
        """The window of that number; 0 is the first."""
        start = self.start + number * self.length
        return Span(start, start + self.length)

    def latest(self, now: datetime) -> Span:
        """The last window that is over; InputError if none is yet."""
        over = self.ended_by(now)
        if over == 0:
            raise InputError(
                "no window is over yet",
                got=f"{now:%Y-%m-%dT%H:%M:%SZ}",
                allowed=f"from {self.window(0).end:%Y-%m-%dT%H:%M:%SZ} on",
                do="Wait, or give WindowStart and WindowEnd as times",
            )
        return self.window(over - 1)

    def before(self, moment: datetime) -> Iterator[Span]:
        """The windows that are over by that moment, the last first."""
        for number in reversed(range(self.ended_by(moment))):
            yield self.window(number)


def parse_cadence(text: str) -> Cadence | None:
    """The cadence; None if the text is none, but a plain time.

    >>> str(parse_cadence("R/2026-11-28T12:00:00Z/PT60M"))
    'R/2026-11-28T12:00:00Z/PT60M'
    """
    if not text.startswith("R/"):
        return None
    found = _PATTERN.fullmatch(text)
    try:
        if found is None:
            raise ValueError(text)
        start = datetime.fromisoformat(found[1])
    except ValueError as error:
        raise InputError(
            "the windows of a schedule cannot be read",
            got=text,
            allowed="R/<ISO 8601 time>/PT<minutes>M",
            do="Correct WindowStart",
        ) from error
    zoned = start.astimezone(UTC) if start.tzinfo else start.replace(tzinfo=UTC)
    return Cadence(zoned, timedelta(minutes=int(found[2])))
