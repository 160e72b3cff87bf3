"""The verdict on a window: has a column moved further than ordinary windows do, and does it matter?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from seatrial.contracts import (
    Baseline,
    CategoricalSummary,
    ColumnDrift,
    DriftBound,
    DriftReport,
    Summary,
)
from seatrial.errors import InputError
from seatrial.monitoring.bounds import upper_bound
from seatrial.monitoring.chance import chance_scores
from seatrial.monitoring.distances import Metric, Signal, signals
from seatrial.monitoring.summary import mean, missing_ratio

MAX_NEW_CATEGORIES = 20


@dataclass(frozen=True)
class Judged:
    """A signal with what it is compared with."""

    signal: Signal
    bound: float
    floor: float

    @property
    def drifted(self) -> bool:
        """True if it passes the bound (it changed) and reaches the floor (it matters)."""
        return self.signal.score > self.bound and self.signal.score >= self.floor

    @property
    def excess(self) -> float:
        """The score in units of what it takes to drift."""
        limit = max(self.bound, self.floor)
        if not limit:
            return math.inf if self.signal.score else 0.0
        return self.signal.score / limit


def decide(
    baseline: Baseline, reference: Summary, window: Summary, *, window_h: float, min_rows: int
) -> DriftReport:
    """Compare the window with the reference, each column by the signal that says most.

    Fewer than `min_rows` rows are not judged. To each bound is added what chance does to a window
    of this many rows: the scores are distances, so the sum bounds a window that both moved and is
    small.
    """
    if window.rows < min_rows:
        return DriftReport(
            rows=window.rows,
            window_h=window_h,
            status="not enough data",
            columns=(),
            detail=f"{window.rows} rows; a verdict needs at least {min_rows}",
        )
    bounds = bounds_for(baseline.bounds, window_h)
    chance = _chance(baseline, reference, window.rows, len(bounds))
    judged: dict[str, Judged] = {}
    for signal in signals(reference, window):
        key = (signal.column, signal.metric)
        item = Judged(signal, bounds[key].bound + chance[key], bounds[key].floor)
        known = judged.get(signal.column)
        if known is None or (item.drifted, item.excess) > (known.drifted, known.excess):
            judged[signal.column] = item
    worst_first = sorted(judged.values(), key=lambda item: item.excess, reverse=True)
    columns = tuple(_column_drift(item, reference, window) for item in worst_first)
    drifted = [item.column for item in columns if item.drifted]
    learnt_h = next(iter(bounds.values())).window_h
    return DriftReport(
        rows=window.rows,
        window_h=window_h,
        status="drift" if drifted else "no drift",
        columns=columns,
        detail=f"{len(drifted)} of {len(columns)} columns moved, by bounds for windows of "
        f"{learnt_h:g} h from {baseline.bound_method}",
    )


def bounds_for(
    bounds: Sequence[DriftBound], window_h: float
) -> dict[tuple[str, Metric], DriftBound]:
    """The bounds for a window of this length: of the longest blocks that are not longer than it.

    Shorter windows stray further, so shorter blocks err to silence. A window that is shorter than
    all blocks gets the shortest ones'.
    """
    lengths = sorted({item.window_h for item in bounds})
    if not lengths:
        raise InputError(
            "the baseline has no drift bounds",
            got="none",
            allowed="bounds for at least one window length",
            do="Build the baseline again",
        )
    length = max((h for h in lengths if h <= window_h), default=lengths[0])
    return {(item.column, item.metric): item for item in bounds if item.window_h == length}


def _chance(
    baseline: Baseline, reference: Summary, rows: int, signal_count: int
) -> dict[tuple[str, Metric], float]:
    share = baseline.false_alarm_budget / signal_count
    return {
        (column, metric): upper_bound(scores, share)
        for column, metric, scores in chance_scores(reference, rows, seed=baseline.seed)
    }


def _column_drift(item: Judged, reference: Summary, window: Summary) -> ColumnDrift:
    name = item.signal.column
    before, now = reference.columns[name], window.columns[name]
    return ColumnDrift(
        column=name,
        metric=item.signal.metric,
        score=item.signal.score,
        bound=item.bound,
        floor=item.floor,
        drifted=item.drifted,
        reference_mean=mean(before),
        window_mean=mean(now),
        reference_missing_ratio=missing_ratio(before),
        window_missing_ratio=missing_ratio(now),
        new_categories=tuple(_new_categories(before, now)),
    )


def _new_categories(before: object, now: object) -> Iterator[str]:
    """Categories that the reference does not have, the most frequent first."""
    if isinstance(before, CategoricalSummary) and isinstance(now, CategoricalSummary):
        new = {name: count for name, count in now.counts.items() if name not in before.counts}
        yield from sorted(new, key=lambda name: (-new[name], name))[:MAX_NEW_CATEGORIES]
