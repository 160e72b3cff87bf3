"""What is learnt of a baseline's rows: how far ordinary windows stray from all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from seatrial.config import MonitoringConfig
from seatrial.contracts import (
    AlertRule,
    Calibration,
    ClassifierBound,
    DriftBound,
    Summary,
)
from seatrial.errors import ConfigError
from seatrial.monitoring.baseline import Rows, sample_rows
from seatrial.monitoring.bounds import (
    Budget,
    Strays,
    block_bounds,
    block_strays,
    chance_bounds,
    levels,
    require_blocks,
)
from seatrial.monitoring.chance import Chance, learn_chance
from seatrial.monitoring.classifier_bounds import (
    RowCount,
    Told,
    classifier_bound,
    half_budget,
    tell_blocks,
    tell_draws,
)

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

BoundMethod = Literal["contiguous blocks", "independent resampling"]


@dataclass(frozen=True)
class Learnt:
    """The bounds, how they were made, and how they meet the budget, by window length."""

    bounds: tuple[DriftBound, ...]
    method: BoundMethod
    calibrations: tuple[Calibration, ...]
    classifier: tuple[ClassifierBound, ...] = ()


def learn_bounds(
    parts: Sequence[Rows], reference: Summary, monitoring: MonitoringConfig, *, seed: int = 0
) -> Learnt:
    """Bounds for each window length, from blocks if the rows have times."""
    budget = Budget(
        monitoring.false_alert_every_windows,
        alert_rule(monitoring, reference),
        monitoring.drift_floor,
    )
    timed = [(part, part.times) for part in parts if part.times is not None]
    if len(timed) < len(parts):
        return _learn_chance(parts, reference, monitoring, seed=seed)
    bounds, calibrations = list[DriftBound](), list[Calibration]()
    classifier = list[ClassifierBound]()
    for window_h in monitoring.window_h:
        strays = [_strays(part, times, reference, window_h) for part, times in timed]
        told = _tell_blocks(parts, reference, monitoring, window_h)
        further = None if told is None else levels(told.aucs, budget.floor / 2)
        made, calibration = block_bounds(strays, budget, window_h=window_h, further=further)
        bounds += with_chance(made, reference, budget, seed=seed)
        calibrations.append(calibration)
        if told is not None:
            classifier.append(
                classifier_bound(
                    told,
                    threshold=calibration.threshold,
                    window_h=window_h,
                    drift_floor=budget.floor,
                    timed=True,
                )
            )
    return Learnt(tuple(bounds), "contiguous blocks", tuple(calibrations), tuple(classifier))


def _learn_chance(
    parts: Sequence[Rows], reference: Summary, monitoring: MonitoringConfig, *, seed: int
) -> Learnt:
    """Without times: nothing but chance is known to move a window."""
    floor, classifier = monitoring.drift_floor, list[ClassifierBound]()
    bounds = [
        bound
        for window_h in monitoring.window_h
        for bound in chance_bounds(reference, window_h=window_h, floor=floor)
    ]
    if monitoring.domain_classifier:
        like = _summary_of(parts[0], reference)
        count = RowCount(sample_rows(parts), monitoring.min_rows)
        told = tell_draws(parts[0].columns, like, count, seed=seed)
        threshold = half_budget(monitoring.false_alert_every_windows)
        classifier = [
            classifier_bound(
                told, threshold=threshold, window_h=window_h, drift_floor=floor, timed=False
            )
            for window_h in monitoring.window_h
        ]
    return Learnt(tuple(bounds), "independent resampling", (), tuple(classifier))


def _tell_blocks(
    parts: Sequence[Rows], reference: Summary, monitoring: MonitoringConfig, window_h: float
) -> Told | None:
    """Of the inputs, whose columns are of the same rows; None if the classifier is off."""
    inputs = parts[0]
    if not monitoring.domain_classifier or inputs.times is None:
        return None
    like = _summary_of(inputs, reference)
    count = RowCount(sample_rows(parts), monitoring.min_rows)
    return tell_blocks(inputs.columns, inputs.times, like, count, window_h=window_h)


def alert_rule(monitoring: MonitoringConfig, reference: Summary) -> AlertRule:
    """The configuration's rule; ConfigError if it names other columns or more than there are."""
    critical, fewest = monitoring.critical_columns, monitoring.min_drifted_columns
    unknown = sorted(set(critical) - reference.columns.keys())
    if unknown:
        raise ConfigError(
            "monitoring.critical_columns are not columns of the model",
            got=", ".join(unknown),
            allowed=", ".join(reference.columns),
            do="Correct the names; a column that is not recorded as it is cannot be critical",
        )
    others = len(reference.columns) - len(set(critical))
    if fewest > others and not critical:
        raise ConfigError(
            "no window could ever alert",
            got=f"monitoring.min_drifted_columns {fewest}",
            allowed=f"at most {others}, the model's columns",
            do="Lower it, or name critical columns",
        )
    return AlertRule(critical_columns=critical, min_drifted_columns=fewest)


def with_chance(
    bounds: Sequence[DriftBound], reference: Summary, budget: Budget, *, seed: int
) -> Iterator[DriftBound]:
    """The bounds with what chance does in a block, so that a smaller window can be given more."""
    known: dict[int, Chance] = {}
    for item in bounds:
        if item.block_rows not in known:
            known[item.block_rows] = learn_chance(
                reference,
                item.block_rows,
                every_windows=budget.every_windows,
                window_h=item.window_h,
                seed=seed,
            )
        chance = known[item.block_rows].bounds[item.column, item.metric]
        yield item.model_copy(update={"chance": chance})


def _strays(part: Rows, times: Array, reference: Summary, window_h: float) -> Strays:
    require_blocks(times, window_h)
    return block_strays(part.columns, times, _summary_of(part, reference), window_h)


def _summary_of(part: Rows, reference: Summary) -> Summary:
    """The summary of this part's columns alone."""
    return Summary(rows=len(part), columns={name: reference.columns[name] for name in part.columns})
