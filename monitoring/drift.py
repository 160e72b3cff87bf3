"""The verdict on a window: what moved further than ordinary windows do, and enough to matter."""

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
from seatrial.monitoring.summary import mean, missing_ratio, present_rows

MAX_NEW_CATEGORIES = 20
# A category of which so many were to come and none did is gone: chance does that once in 22 000.
LEAST_EXPECTED = 10
# An ordinary day strays further than weeks do: by their bounds it would alarm.
SHORTEST_SHARE = 0.75


@dataclass(frozen=True)
class Limit:
    """What a score has to pass: above `bound` it changed, from `floor` on it matters."""

    bound: float
    floor: float

    @property
    def least(self) -> float:
        """The score at which a drift begins."""
        return max(self.bound, self.floor)


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
    baseline: Baseline, reference: Summary, window: Summary, *, window_h: float, min_rows: int
) -> DriftReport:
    """Compare the window with the reference, each column by the signal that says most.

    Fewer than `min_rows` rows are not judged, nor is a window so short that no bound fits it.
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
    judged: dict[str, Judged] = {}
    for signal in signals(reference, window):
        item = Judged(signal, known[signal.column, signal.metric])
        other = judged.get(signal.column)
        if other is None or (item.drifted, item.excess) > (other.drifted, other.excess):
            judged[signal.column] = item
    worst_first = sorted(judged.values(), key=lambda item: item.excess, reverse=True)
    columns = tuple(_column_drift(item, reference, window) for item in worst_first)
    drifted = sum(item.drifted for item in columns)
    return DriftReport(
        rows=window.rows,
        window_h=window_h,
        status="drift" if drifted else "no drift",
        columns=columns,
        detail=f"{drifted} of {len(columns)} columns moved; bounds from {baseline.bound_method} of "
        f"{bound_length(baseline.bounds, window_h):g} h",
    )


def limits(
    baseline: Baseline, reference: Summary, *, rows: int, window_h: float
) -> dict[tuple[str, Metric], Limit]:
    """What the scores of a window of `rows` rows and `window_h` hours have to pass.

    To each bound is added what chance does to that many rows: the scores are distances, so the
    sum covers a window that is both ordinary and small.
    """
    length = bound_length(baseline.bounds, window_h)
    bounds = {
        (item.column, item.metric): item for item in baseline.bounds if item.window_h == length
    }
    share = baseline.false_alarm_budget / len(bounds)
    return {
        (column, metric): Limit(
            bounds[column, metric].bound + upper_bound(scores, share), bounds[column, metric].floor
        )
        for column, metric, scores in chance_scores(reference, rows, seed=baseline.seed)
    }


def bound_length(bounds: Sequence[DriftBound], window_h: float) -> float:
    """Which bounds fit the window: those of the longest blocks that are not longer than it.

    Shorter blocks stray further, so they err to silence. A window that is a little shorter than
    all blocks gets the bounds of the shortest.
    """
    lengths = sorted({item.window_h for item in bounds})
    if not lengths:
        raise InputError(
            "the baseline has no drift bounds",
            got="none",
            allowed="bounds for at least one window length",
            do="Build the baseline again",
        )
    return max((length for length in lengths if length <= window_h), default=lengths[0])


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
