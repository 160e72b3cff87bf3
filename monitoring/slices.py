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
    pairs = [
        (known, labelled_rows(Joined(part, 0), signature))
        for column in columns
        for known, part in _known_parts(column, rows)
    ]
    measured = [
        (known, labelled, measure(labelled) if _enough(known, labelled, monitoring) else {})
        for known, labelled in pairs
    ]
    judged = sum(len(values.keys() & known.quality.keys()) for known, _, values in measured)
    if not judged:
        return tuple(_unscored(known, len(labelled)) for known, labelled in pairs), None
    level = 1 - 1 / (FALSE_ALARM_EVERY_WINDOWS * judged)
    deviations = NormalDist().inv_cdf((1 + level) / 2)
    found = []
    for known, labelled, values in measured:
        if not values:
            found.append(_unscored(known, len(labelled)))
            continue
        metrics = tuple(
            metric_score(
                metric,
                values[metric],
                _with_baselines(own, known.errors[metric]).interval(values[metric], deviations),
                known.quality[metric],
                max_decay=monitoring.max_decay,
            )
            for metric, own in _spreads(labelled, values, seed)
            if metric in known.quality
        )
        found.append(
            SliceScore(name=known.name, rows=len(labelled), status="scored", metrics=metrics)
        )
    return tuple(found), level


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


def _with_baselines(own: Spread, error: float) -> Spread:
    return Spread(hypot(own.error, error), own.chance)


def _enough(known: SliceQuality, labelled: Labelled, monitoring: MonitoringConfig) -> bool:
    return bool(known.quality) and len(labelled) >= monitoring.min_rows


def _unscored(known: SliceQuality, rows: int) -> SliceScore:
    return SliceScore(name=known.name, rows=rows, status="not enough")
