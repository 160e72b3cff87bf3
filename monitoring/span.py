"""Spans of time."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple


class Span(NamedTuple):
    """A half-open span of time, [start, end), in UTC."""

    start: datetime
    end: datetime

    def holds(self, time: datetime) -> bool:
        """True if the time is in the span."""
        return self.start <= time < self.end

    @property
    def before(self) -> Span:
        """The span of the same length that ends where this one starts."""
        return Span(self.start - (self.end - self.start), self.start)
