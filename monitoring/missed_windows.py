"""Windows that a schedule should have judged, and nobody did.

A verdict is kept for each window; the next window sees that one is not there. Each gap is told of
once: looking back ends at the last window that has a verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import takewhile

from seatrial.contracts import MissedWindow
from seatrial.contracts.verdicts import WindowVerdict
from seatrial.monitoring.cadence import Cadence


def missed_windows(
    cadence: Cadence | None, started_at: datetime, history: Sequence[WindowVerdict]
) -> tuple[MissedWindow, ...]:
    """The windows without a verdict just before that moment, in time order.

    `history` are the verdicts on earlier windows; without a schedule none is missed.
    """
    if cadence is None:
        return ()
    judged = {(item.started_at, item.ended_at) for item in history}
    missed = takewhile(
        lambda span: (span.start, span.end) not in judged, cadence.before(started_at)
    )
    found = [MissedWindow(started_at=span.start, ended_at=span.end) for span in missed]
    return tuple(reversed(found))


def missed_reason(missed: Sequence[MissedWindow]) -> str:
    """The sentence for people."""
    first, last = missed[0], missed[-1]
    count = len(missed)
    windows = "1 scheduled window was" if count == 1 else f"{count} scheduled windows were"
    return (
        f"Missed: {windows} never judged, {first.started_at:%Y-%m-%d %H:%M} to "
        f"{last.ended_at:%Y-%m-%d %H:%M} UTC; run the monitoring pipeline on "
        f"{'it' if count == 1 else 'them'}, and look into the dead-letter queue."
    )
