"""What a window holds, and how much of what was asked of the endpoint that is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.monitoring.events import Events, Kind
from seatrial.monitoring.span import Span

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def microseconds(time: datetime) -> int:
    """Since 1970."""
    return (time - EPOCH) // MICROSECOND


@dataclass(frozen=True)
class Counts:
    """The counts of contracts.Window, under the same names."""

    records: int
    rows: int
    late_records: int
    synthetic_records: int
    duplicate_records: int
    failed_requests: int
    foreign_records: int
    sample_ratio: float
    judged_from: datetime | None
    judged_to: datetime | None


def count_events(events: Events, span: Span, *, more_duplicates: int) -> Counts:
    """The counts of all events that were gathered; `more_duplicates` came in parts."""
    kinds, times_us = events.column("kind"), events.column("time_us")
    ours = kinds == Kind.PREDICTION
    start, end = _served(times_us[ours], times_us[kinds == Kind.FOREIGN])
    return Counts(
        records=int(ours.sum()),
        rows=events.rows,
        late_records=int((ours & (times_us < microseconds(span.start))).sum()),
        synthetic_records=events.count(Kind.SYNTHETIC),
        duplicate_records=events.count(Kind.DUPLICATE) + more_duplicates,
        failed_requests=events.count(Kind.FAILED),
        foreign_records=events.count(Kind.FOREIGN),
        sample_ratio=events.share,
        judged_from=start,
        judged_to=end,
    )


def completeness(events: Events, span: Span, invocations: int | None) -> float | None:
    """The share of invocations that are in the log, our own traffic left out of both."""
    synthetic = events.count(Kind.SYNTHETIC)
    if invocations is None or invocations <= synthetic:
        return None
    logged = np.isin(
        events.column("kind"), (Kind.PREDICTION, Kind.UNFIT, Kind.FAILED, Kind.FOREIGN)
    ) & (events.column("time_us") >= microseconds(span.start))
    calls = float(events.column("weight")[logged].sum()) / events.share
    return calls / (invocations - synthetic)


def _served(ours_us: Array, foreign_us: Array) -> tuple[datetime | None, datetime | None]:
    """From when to when the version that is judged served, where another did before or after."""
    if not len(ours_us) or not len(foreign_us):
        return None, None
    first, last = int(ours_us.min()), int(ours_us.max())
    return (
        EPOCH + first * MICROSECOND if foreign_us.min() < first else None,
        EPOCH + last * MICROSECOND if foreign_us.max() > last else None,
    )
