"""The verdict on a window: what moved further than ordinary windows do, and enough to matter."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from seatrial.contracts import (
    Baseline,
    Calibration,
    CategoricalSummary,
    ColumnDrift,
    DriftReport,
    Summary,
)
from seatrial.monitoring.budget import is_alert
from seatrial.monitoring.distances import Metric, Signal, signals
from seatrial.monitoring.drift_limits import Limit, bound_length, limits, reliability
from seatrial.monitoring.exact import Settle, settled
from seatrial.monitoring.summary import mean, missing_ratio, present_rows

MAX_NEW_CATEGORIES = 20
# A category of which so many were to come and none did is gone: chance does that once in 22 000.
LEAST_EXPECTED = 10
# An ordinary day strays further than weeks do: by their bounds it would alarm.
SHORTEST_SHARE = 0.75


@dataclass(frozen=True)
class Judged:
    """A signal with what it is compared with."""

    signal: Signal
    limit: Limit

    @property
    def drifted(self) -> bool:
        """True if it both changed and matters."""
        score = self.signal.score
        return score > self.limit.bound and score >= self.limit.floor

    @property
    def excess(self) -> float:
        """The score in units of what it takes to drift."""
        least = self.limit.least
        if not least:
            return math.inf if self.signal.score else 0.0
        return self.signal.score / least


def decide(
    baseline: Baseline,
    reference: Summary,
    window: Summary,
    *,
    window_h: float,
    min_rows: int,
    settle: Settle | None = None,
) -> DriftReport:
    """Compare the window with the reference, each column by the signal that says most.

    Fewer than `min_rows` rows are not judged, nor is a window so short that no bound fits it.
    `settle` gives a column's exact score, and is asked where the summary leaves the verdict open.
    """
    obstacle = (
        _obstacle(baseline, window.rows, window_h, min_rows)
        if reference.columns
        else "no column was recorded as it is"
    )
    if obstacle is not None:
        return DriftReport(
            rows=window.rows,
            window_h=window_h,
            status="not enough data",
            columns=(),
            detail=obstacle,
        )
    known = limits(baseline, reference, rows=window.rows, window_h=window_h)
    worst_first = judge(reference, window, known.by_signal, settle)
    columns = tuple(_column_drift(item, reference, window) for item in worst_first)
    drifted = [item.column for item in columns if item.drifted]
    return DriftReport(
        rows=window.rows,
        window_h=window_h,
        status="drift" if is_alert(drifted, baseline.alert_rule) else "no drift",
        columns=columns,
        detail=_detail(baseline, len(drifted), len(columns), known.calibration),
        false_alert_every_windows=baseline.false_alert_every_windows,
        calibration=known.calibration,
    )


def judge(
    reference: Summary,
    window: Summary,
    known: Mapping[tuple[str, Metric], Limit],
    settle: Settle | None = None,
) -> list[Judged]:
    """Each column of the reference by the signal that says most, the worst column first."""
    judged: dict[str, Judged] = {}
    found = signals(reference, window)
    if settle is not None:
        least = {key: limit.least for key, limit in known.items()}
        found = settled(found, least, (reference, window), settle)
    for signal in found:
        item = Judged(signal, known[signal.column, signal.metric])
        other = judged.get(signal.column)
        if other is None or (item.drifted, item.excess) > (other.drifted, other.excess):
            judged[signal.column] = item
    return sorted(judged.values(), key=lambda item: item.excess, reverse=True)


def _detail(baseline: Baseline, drifted: int, columns: int, calibration: Calibration | None) -> str:
    """The verdict and its reliability in words."""
    rule = baseline.alert_rule
    needed = f"{rule.min_drifted_columns} make an alert"
    if rule.critical_columns:
        needed += f", or one of {', '.join(rule.critical_columns)}"
    told = f"{drifted} of {columns} columns moved ({needed})"
    if calibration is None:
        return f"{told}; bounds from {baseline.bound_method}"
    return f"{told}; {reliability(baseline.false_alert_every_windows, calibration)}"


def _obstacle(baseline: Baseline, rows: int, window_h: float, min_rows: int) -> str | None:
    """Why the window cannot be judged, if so."""
    if rows < min_rows:
        return f"{rows} rows; a verdict needs at least {min_rows}"
    length = bound_length(baseline.bounds, window_h)
    blocks = baseline.bound_method == "contiguous blocks"
    if blocks and window_h < SHORTEST_SHARE * length:
        return (
            f"a window of {window_h:g} h; the shortest that bounds were made for is {length:g} h, "
            f"add {window_h:g} to monitoring.window_h"
        )
    return None


def _column_drift(item: Judged, reference: Summary, window: Summary) -> ColumnDrift:
    name = item.signal.column
    before, now = reference.columns[name], window.columns[name]
    return ColumnDrift(
        column=name,
        metric=item.signal.metric,
        score=item.signal.score,
        bound=item.limit.bound,
        floor=item.limit.floor,
        drifted=item.drifted,
        reference_mean=mean(before),
        window_mean=mean(now),
        reference_missing_ratio=missing_ratio(before),
        window_missing_ratio=missing_ratio(now),
        new_categories=tuple(_new_categories(before, now)),
        vanished_categories=tuple(vanished_categories(before, now)),
    )


def _new_categories(before: object, now: object) -> Iterator[str]:
    """Categories that the reference does not have, the most frequent first."""
    if isinstance(before, CategoricalSummary) and isinstance(now, CategoricalSummary):
        new = {name: count for name, count in now.counts.items() if name not in before.counts}
        yield from sorted(new, key=lambda name: (-new[name], name))[:MAX_NEW_CATEGORIES]


def vanished_categories(before: object, now: object) -> Iterator[str]:
    """Categories that the window should have and has not, the most frequent first."""
    if isinstance(before, CategoricalSummary) and isinstance(now, CategoricalSummary):
        growth = (present_rows(now) + now.missing) / (present_rows(before) + before.missing or 1)
        gone = {
            name: count
            for name, count in before.counts.items()
            if name not in now.counts and count * growth >= LEAST_EXPECTED
        }
        yield from sorted(gone, key=lambda name: (-gone[name], name))[:MAX_NEW_CATEGORIES]
