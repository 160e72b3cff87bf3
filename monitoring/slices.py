"""Decay by slice: the metrics of each category of a column, or of each third of its numbers.

A model can fail one group while the whole hardly shows it, and its scores can cease to mean what
they meant in that group alone. A calibration is learnt of all rows, so each slice is off by a
little from the start: what it was off by on validation data is taken off again.

Each look at a slice is one more chance of a false alarm, so the intervals are those of Bonferroni:
one window in twenty may have a false one, over all slices and metrics together and however they
hang together. They are normal ones, as a thousand draws do not reach so far out, and hold the error
of the baseline's own rows, which are few in a slice.

    O. J. Dunn, Multiple Comparisons Among Means, JASA 56 (1961).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import hypot
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.contracts import SlicedColumn, SliceQuality, SliceScore
from seatrial.errors import ConfigError
from seatrial.monitoring.bootstrap import Labelled, resample
from seatrial.monitoring.estimates import compare
from seatrial.monitoring.labels import Joined, labelled_rows
from seatrial.monitoring.promises import Promising
from seatrial.monitoring.scores import Spread, measure, metric_score, spread
from seatrial.monitoring.slice_cuts import slice_parts, thirds

if TYPE_CHECKING:
    import pandas as pd

    Array = np.ndarray[Any, np.dtype[Any]]

# Of so many windows one may have a false decay in some slice, apart from what max_decay allows.
FALSE_ALARM_EVERY_WINDOWS = 20
# A column of more values is an identifier or a text, and its slices are noise.
MAX_SLICES = 50
# Enough for a standard error within 5 %, and a fifth of the work that percentiles take.
DRAWS = 200


def sliced_column(
    column: str,
    reference: pd.Series,
    validated: pd.DataFrame,
    promising: Promising,
    *,
    seed: int,
) -> SlicedColumn:
    """The column's slices, numbers by thirds of the reference, with the metrics of each."""
    kinds = {item.name: item.type for item in promising.signature.inputs}
    upper = None if kinds[column] in ("string", "boolean") else thirds(reference)
    slices = [
        _slice_quality(name, rows, promising, seed)
        for name, rows in slice_parts(column, upper, validated)
    ]
    if len(slices) > MAX_SLICES:
        raise ConfigError(
            "a column of monitoring.slices has too many values",
            got=f"{column} with {len(slices)}",
            allowed=f"at most {MAX_SLICES} in the validation data",
            do="Slice by a column of fewer categories, or of numbers",
        )
    return SlicedColumn(column=column, upper=upper, slices=tuple(slices))


def _slice_quality(name: str, rows: pd.DataFrame, promising: Promising, seed: int) -> SliceQuality:
    labelled = labelled_rows(Joined(rows, 0), promising.signature)
    if len(labelled) < promising.min_rows:
        return SliceQuality(name=name, rows=len(labelled), quality={}, errors={})
    quality = measure(labelled)
    return SliceQuality(
        name=name,
        rows=len(labelled),
        quality=quality,
        errors={metric: item.error for metric, item in _spreads(labelled, quality, seed)},
        promised=promising.of(rows).metrics,
    )


def score_slices(
    rows: pd.DataFrame,
    columns: tuple[SlicedColumn, ...],
    promising: Promising,
    *,
    max_decay: float,
    seed: int,
) -> tuple[tuple[SliceScore, ...], float | None]:
    """Each slice's verdict, and the level of their intervals: None if there is none to judge."""
    slices = [
        _judged(known, part, promising)
        for column in columns
        for known, part in _known_parts(column, rows)
    ]
    judged = sum(item.looks for item in slices)
    if not judged:
        return tuple(item.unscored() for item in slices), None
    level = 1 - 1 / (FALSE_ALARM_EVERY_WINDOWS * judged)
    deviations = NormalDist().inv_cdf((1 + level) / 2)
    found = [
        item.scored(deviations, max_decay=max_decay, seed=seed) if item.values else item.unscored()
        for item in slices
    ]
    return tuple(found), level


def _judged(known: SliceQuality, rows: pd.DataFrame, promising: Promising) -> _Slice:
    labelled = labelled_rows(Joined(rows, 0), promising.signature)
    if not known.quality or len(labelled) < promising.min_rows:
        return _Slice(known, labelled, {}, {})
    promised = promising.of(rows).metrics
    expected = {
        metric: promised[metric] + known.quality[metric] - before
        for metric, before in known.promised.items()
        if metric in promised and metric in known.quality
    }
    return _Slice(known, labelled, measure(labelled), expected)


@dataclass(frozen=True)
class _Slice:
    """A slice of the baseline, the window's rows of it, and their metrics if they are enough.

    `expected` are those that the rows' scores promise, less what they were off by before.
    """

    known: SliceQuality
    labelled: Labelled
    values: Mapping[str, float]
    expected: Mapping[str, float]

    @property
    def looks(self) -> int:
        """How many verdicts there are, each with its chance of a false alarm."""
        known = self.values.keys() & self.known.quality.keys()
        return len(known) + len(known & self.expected.keys())

    def unscored(self) -> SliceScore:
        return SliceScore(name=self.known.name, rows=len(self.labelled), status="not enough")

    def scored(self, deviations: float, *, max_decay: float, seed: int) -> SliceScore:
        metrics = []
        for metric, own in _spreads(self.labelled, self.values, seed):
            baseline, value = self.known.quality.get(metric), self.values[metric]
            if baseline is not None:
                both = Spread(hypot(own.error, self.known.errors[metric]), own.chance)
                interval = both.interval(value, deviations)
                metrics.append(metric_score(metric, value, interval, baseline, max_decay=max_decay))
        rows, name = len(self.labelled), self.known.name
        parted = compare(self.expected, self.expected, metrics, max_decay=max_decay)
        return SliceScore(
            name=name,
            rows=rows,
            status="scored",
            metrics=tuple(metrics),
            estimates=tuple(parted),
        )


def _known_parts(
    column: SlicedColumn, rows: pd.DataFrame
) -> Iterator[tuple[SliceQuality, pd.DataFrame]]:
    """The window's rows of each slice of the baseline; what is new is drift's to notice."""
    parts = dict(slice_parts(column.column, column.upper, rows))
    for known in column.slices:
        yield known, parts.get(known.name, rows[:0])


def _spreads(
    rows: Labelled, metrics: Mapping[str, float], seed: int
) -> Iterator[tuple[str, Spread]]:
    for metric, drawn in resample(metrics, rows, seed=seed, draws=DRAWS).items():
        yield metric, spread(metric, drawn)
