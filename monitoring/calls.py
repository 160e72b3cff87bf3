"""Counts what requests were like, window by window; and puts windows together."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from seatrial.contracts.calls import CallGroup, Calls, Spread
from seatrial.monitoring.span import Span

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

CELLS_PER_OCTAVE = 8
_HOUR_US = 3_600_000_000
_SPREADS = ("request_bytes", "response_bytes", "server_ms", "rows")
_COUNTS = ("requests", "failed", "cold", "marked")
Key = TypeVar("Key")


class Measures(NamedTuple):
    """Of each request: NaN where its record does not say; `cold` is 0 or 1.

    `version` are numbers of `versions`.
    """

    synthetic: Array
    failed: Array
    request_bytes: Array
    response_bytes: Array
    server_ms: Array
    rows: Array
    cold: Array
    version: Array
    versions: Sequence[str]


class CallCounts:
    """Counts batches of requests; each event should come once."""

    def __init__(self) -> None:
        self._groups = {False: _Group(), True: _Group()}
        self._versions: Counter[str] = Counter()
        self._hours: Counter[int] = Counter()

    def add(self, found: Measures, times_us: Array, weights: Array) -> None:
        """Add requests; `weights` is for how many each stands."""
        synthetic = found.synthetic.astype(bool)
        for own, group in self._groups.items():
            chosen = synthetic == own
            if chosen.any():
                group.add(found, chosen, weights)
        theirs = ~synthetic
        if theirs.any():
            number = found.version[theirs]
            by_version = np.bincount(number, weights[theirs], minlength=len(found.versions))
            for name, count in zip(found.versions, by_version.tolist(), strict=True):
                if count:
                    self._versions[name] += count
            _tally(self._hours, times_us[theirs] // _HOUR_US, weights[theirs])

    def calls(self, endpoint_name: str, span: Span, completeness_ratio: float | None) -> Calls:
        """All that was counted."""
        return Calls(
            endpoint_name=endpoint_name,
            started_at=span.start,
            ended_at=span.end,
            completeness_ratio=completeness_ratio,
            callers=self._groups[False].counted,
            synthetic=self._groups[True].counted,
            versions=dict(self._versions),
            hours=dict(sorted(self._hours.items())),
        )


class _Group:
    def __init__(self) -> None:
        self._counts = defaultdict[str, float](float)
        self._spreads = {name: _Spread() for name in _SPREADS}

    def add(self, found: Measures, chosen: Array, weights: Array) -> None:
        weights, failed = weights[chosen], found.failed[chosen].astype(bool)
        cold = found.cold[chosen]
        marked = ~np.isnan(cold)
        self._counts["requests"] += float(weights.sum())
        self._counts["failed"] += float(weights[failed].sum())
        self._counts["marked"] += float(weights[marked].sum())
        self._counts["cold"] += float(weights[marked & (cold == 1)].sum())
        for name, spread in self._spreads.items():
            values = getattr(found, name)[chosen]
            known = ~failed & np.isfinite(values) & (values >= 0)
            spread.add(values[known], weights[known])

    @property
    def counted(self) -> CallGroup:
        spreads = {name: spread.counted for name, spread in self._spreads.items()}
        return CallGroup.model_validate({**{n: self._counts[n] for n in _COUNTS}, **spreads})


class _Spread:
    def __init__(self) -> None:
        self._cells: Counter[int] = Counter()
        self._zeros = self._total = self._largest = 0.0

    def add(self, values: Array, weights: Array) -> None:
        if not len(values):
            return
        some = values > 0
        self._zeros += float(weights[~some].sum())
        self._total += float((values * weights).sum())
        self._largest = max(self._largest, float(values.max()))
        cells = np.floor(np.log2(values[some]) * CELLS_PER_OCTAVE).astype(np.int64)
        _tally(self._cells, cells, weights[some])

    @property
    def counted(self) -> Spread:
        return Spread(
            cells=dict(sorted(self._cells.items())),
            zeros=self._zeros,
            total=self._total,
            largest=self._largest,
        )


def _tally(counts: Counter[int], keys: Array, weights: Array) -> None:
    found, place = np.unique(keys, return_inverse=True)
    sums = np.bincount(place, weights, minlength=len(found))
    for key, count in zip(found.tolist(), sums.tolist(), strict=True):
        counts[key] += count


def merged(windows: Sequence[Calls]) -> Calls:
    """Several windows of an endpoint as one; its completeness is that of the worst of them."""
    known = [x.completeness_ratio for x in windows if x.completeness_ratio is not None]
    return Calls(
        endpoint_name=windows[0].endpoint_name,
        started_at=min(item.started_at for item in windows),
        ended_at=max(item.ended_at for item in windows),
        completeness_ratio=min(known, default=None),
        callers=_merged_groups([item.callers for item in windows]),
        synthetic=_merged_groups([item.synthetic for item in windows]),
        versions=_summed(item.versions for item in windows),
        hours=_summed(item.hours for item in windows),
    )


def _merged_groups(groups: Sequence[CallGroup]) -> CallGroup:
    spreads = {name: _merged_spreads([getattr(x, name) for x in groups]) for name in _SPREADS}
    counts = {name: sum(getattr(item, name) for item in groups) for name in _COUNTS}
    return CallGroup.model_validate({**counts, **spreads})


def _merged_spreads(spreads: Sequence[Spread]) -> Spread:
    return Spread(
        cells=_summed(item.cells for item in spreads),
        zeros=sum(item.zeros for item in spreads),
        total=sum(item.total for item in spreads),
        largest=max(item.largest for item in spreads),
    )


def _summed(tables: Iterable[dict[Key, float]]) -> dict[Key, float]:
    found: dict[Key, float] = defaultdict(float)
    for table in tables:
        for key, count in table.items():
            found[key] += count
    return dict(found)
