"""Decay by slice: the metrics of each category of a column, or of each third of its numbers.

A model can fail one group while the whole hardly shows it. Each look at a slice is one more chance
of a false alarm, so the intervals are those of Bonferroni: one window in twenty may have a false
one, over all slices and metrics together and however they hang together. They are normal ones, as
a thousand draws do not reach so far out, and hold the error of the baseline's own rows, which are
few in a slice.

    O. J. Dunn, Multiple Comparisons Among Means, JASA 56 (1961).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import hypot
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.config import MonitoringConfig
from seatrial.contracts import ModelSignature, SlicedColumn, SliceQuality, SliceScore
from seatrial.errors import ConfigError
from seatrial.monitoring.bootstrap import Labelled, resample
from seatrial.monitoring.labels import Joined, labelled_rows
from seatrial.monitoring.scores import Spread, measure, metric_score, spread
from seatrial.monitoring.summary import category

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
    signature: ModelSignature,
    *,
    min_rows: int,
    seed: int,
) -> SlicedColumn:
    """The column's slices, numbers by thirds of the reference, with the metrics of each."""
    kinds = {item.name: item.type for item in signature.inputs}
    upper = None if kinds[column] in ("string", "boolean") else _thirds(reference)
    slices = []
    for name, rows in _parts(column, upper, validated):
        labelled = labelled_rows(Joined(rows, 0), signature)
        quality: dict[str, float] = {}
        errors: dict[str, float] = {}
        if len(labelled) >= min_rows:
            quality = measure(labelled)
            errors = {metric: item.error for metric, item in _spreads(labelled, quality, seed)}
        slices.append(SliceQuality(name=name, rows=len(labelled), quality=quality, errors=errors))
    if len(slices) > MAX_SLICES:
        raise ConfigError(
            "a column of monitoring.slices has too many values",
            got=f"{column} with {len(slices)}",
            allowed=f"at most {MAX_SLICES} in the validation data",
            do="Slice by a column of fewer categories, or of numbers",
        )
    return SlicedColumn(column=column, upper=upper, slices=tuple(slices))


def score_slices(
    rows: pd.DataFrame,
    signature: ModelSignature,
    columns: tuple[SlicedColumn, ...],
    monitoring: MonitoringConfig,
    *,
    seed: int,
) -> tuple[tuple[SliceScore, ...], float | None]:
    """Each slice's verdict, and the level of their intervals: None if there is none to judge."""
    slices = []
    for column in columns:
        for known, part in _known_parts(column, rows):
            labelled = labelled_rows(Joined(part, 0), signature)
            enough = bool(known.quality) and len(labelled) >= monitoring.min_rows
            slices.append(_Slice(known, labelled, measure(labelled) if enough else {}))
    judged = sum(len(item.values.keys() & item.known.quality.keys()) for item in slices)
    if not judged:
        return tuple(item.unscored() for item in slices), None
    level = 1 - 1 / (FALSE_ALARM_EVERY_WINDOWS * judged)
    deviations, max_decay = NormalDist().inv_cdf((1 + level) / 2), monitoring.max_decay
    found = [
        item.scored(deviations, max_decay=max_decay, seed=seed) if item.values else item.unscored()
        for item in slices
    ]
    return tuple(found), level


@dataclass(frozen=True)
class _Slice:
    """A slice of the baseline, the window's rows of it, and their metrics if they are enough."""

    known: SliceQuality
    labelled: Labelled
    values: Mapping[str, float]

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
        return SliceScore(name=name, rows=rows, status="scored", metrics=tuple(metrics))


def _known_parts(
    column: SlicedColumn, rows: pd.DataFrame
) -> Iterator[tuple[SliceQuality, pd.DataFrame]]:
    """The window's rows of each slice of the baseline; what is new is drift's to notice."""
    parts = dict(_parts(column.column, column.upper, rows))
    for known in column.slices:
        yield known, parts.get(known.name, rows[:0])


def _parts(
    column: str, upper: tuple[float, ...] | None, rows: pd.DataFrame
) -> Iterator[tuple[str, pd.DataFrame]]:
    """The rows of each slice that has any, by its name."""
    import pandas as pd

    values, missing = rows[column], f"{column} missing"
    if upper is None:
        named = values.dropna().map(lambda value: f"{column}={category(value)}")
    else:
        ends = [f"{end:.6g}" for end in upper]
        between = [f"{low}<{column}<={high}" for low, high in pairwise(ends)]
        labels = [f"{column}<={ends[0]}", *between, f"{column}>{ends[-1]}"] if ends else [column]
        cut = pd.cut(values.astype(float), [-np.inf, *upper, np.inf], labels=labels)
        named = cut.dropna().astype(str)
    names = named.reindex(rows.index).fillna(missing)
    for name, part in rows.groupby(names, sort=True):
        yield str(name), part


def _thirds(reference: pd.Series) -> tuple[float, ...]:
    """Where the reference's thirds end; fewer ends if many rows share a value."""
    present = reference.astype(float).dropna()
    if present.empty:
        return ()
    ends = np.unique(np.quantile(present, (1 / 3, 2 / 3), method="inverted_cdf"))
    return tuple(ends[ends < present.max()].tolist())


def _spreads(
    rows: Labelled, metrics: Mapping[str, float], seed: int
) -> Iterator[tuple[str, Spread]]:
    for metric, drawn in resample(metrics, rows, seed=seed, draws=DRAWS).items():
        yield metric, spread(metric, drawn)
