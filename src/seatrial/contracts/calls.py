"""`calls.json`: what a window's requests were like, and nothing of what was in them."""

from __future__ import annotations

from pydantic import AwareDatetime, Field, NonNegativeFloat

from seatrial.contracts.base import Contract, Part


class Spread(Part):
    """How a quantity is spread over requests.

    `cells` counts by k for values from 2^(k/8) on and below 2^((k+1)/8), so a percentile is told to
    within 9 %; `zeros` are the values of 0. Counts are of requests: a record of a sample stands for
    several.
    """

    cells: dict[int, NonNegativeFloat] = Field(default_factory=dict)
    zeros: NonNegativeFloat = 0.0
    total: NonNegativeFloat = 0.0
    largest: NonNegativeFloat = 0.0

    @property
    def count(self) -> float:
        """Of how many requests it is known."""
        return self.zeros + sum(self.cells.values())

    @property
    def mean(self) -> float | None:
        """None if it is known of none."""
        return self.total / self.count if self.count else None

    def percentile(self, percent: float) -> float | None:
        """At most 9 % over the exact one, never over the largest; None if it is known of none."""
        left = self.count * percent / 100 - self.zeros
        if not self.count or left <= 0:
            return 0.0 if self.count else None
        for cell in sorted(self.cells):
            left -= self.cells[cell]
            if left <= self.count * 1e-12:  # what sums of floats may be off by
                return min(float(2 ** ((cell + 1) / 8)), self.largest)
        return self.largest

    def share_over(self, value: float) -> float:
        """The share that is larger for certain: in cells that begin there or later."""
        over = sum(n for cell, n in self.cells.items() if 2 ** (cell / 8) >= value)
        return over / self.count if self.count else 0.0


class CallGroup(Part):
    """Some of a window's requests. Spreads are of those that were answered.

    `server_ms` is what the server itself took. `cold` were the first of their sandbox, of the
    `marked`, whose records say whether they were. A request that had columns left out of its record
    has no size.
    """

    requests: NonNegativeFloat = 0.0
    failed: NonNegativeFloat = 0.0
    cold: NonNegativeFloat = 0.0
    marked: NonNegativeFloat = 0.0
    request_bytes: Spread = Spread()
    response_bytes: Spread = Spread()
    server_ms: Spread = Spread()
    rows: Spread = Spread()


class Calls(Contract):
    """Written by collect_window, to S3 as well, where a review finds those of many windows.

    `synthetic` is our own traffic: checks and pings. `versions` counts the callers' requests by
    model version; `hours` by the hour, numbered since 1970.
    """

    endpoint_name: str
    started_at: AwareDatetime
    ended_at: AwareDatetime
    completeness_ratio: NonNegativeFloat | None
    callers: CallGroup
    synthetic: CallGroup
    versions: dict[str, NonNegativeFloat]
    hours: dict[int, NonNegativeFloat]

    @property
    def requests(self) -> float:
        """The callers' and our own."""
        return self.callers.requests + self.synthetic.requests
