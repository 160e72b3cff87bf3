"""Both sides against the truth: gain, calibration and slices, in the same resamples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seatrial.comparison.calibration import calibration_rise
from seatrial.comparison.decision import margin_of, within
from seatrial.config import ComparisonConfig
from seatrial.contracts import Estimate, Guard, Task
from seatrial.errors import InputError
from seatrial.guards import Predictions
from seatrial.optimization.drops import Judge, encode

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, np.dtype[Any]]

DEFAULT_METRIC = {
    "binary_classification": "auc",
    "multiclass_classification": "accuracy",
    "regression": "rmse",
}
# A column of more values is a number or an identifier, and its slices are noise.
MAX_SLICES = 50


@dataclass(frozen=True)
class Resampling:
    """How intervals are made."""

    resamples: int
    seed: int


@dataclass(frozen=True)
class Rows:
    """Labelled rows as both sides predicted them; `frame` has the columns of the slices."""

    task: Task
    truth: Array
    champion: Predictions
    challenger: Predictions
    frame: pd.DataFrame

    def __len__(self) -> int:
        return len(self.truth)

    def taken(self, chosen: Array) -> Rows:
        """Some of the rows."""

        def of(predicted: Predictions) -> Predictions:
            labels = None if predicted.labels is None else predicted.labels[chosen]
            return Predictions(labels, predicted.scores[chosen])

        return Rows(
            self.task,
            self.truth[chosen],
            of(self.champion),
            of(self.challenger),
            self.frame[chosen],
        )


def judge_of(rows: Rows, predicted: Predictions, sampling: Resampling) -> Judge:
    """The judge that knows the truth and one side."""
    return Judge(rows.task, rows.truth, predicted, resamples=sampling.resamples, seed=sampling.seed)


def require_metric(metric: str, quality: dict[str, float]) -> None:
    """InputError for a metric that these rows do not have."""
    if metric not in quality:
        raise InputError(
            "the metric cannot be computed on the validation data",
            got=metric,
            allowed=", ".join(quality) or "none",
            do="Choose another with --metric, or give rows of both classes",
        )


def drops_of(rows: Rows, sampling: Resampling) -> dict[str, Estimate]:
    """How much worse each of the challenger's metrics is; what is hard for both cancels out."""
    return judge_of(rows, rows.champion, sampling).drops(rows.challenger)


def gain_of(drop: Estimate) -> Estimate:
    """The same, read the other way round.

    >>> gain_of(Estimate(value=-0.02, low=-0.03, high=0.01))
    Estimate(value=0.02, low=-0.01, high=0.03)
    """
    return Estimate(value=0.0 - drop.value, low=0.0 - drop.high, high=0.0 - drop.low)


def calibration_guards(
    rows: Rows, drops: Mapping[str, Estimate], sampling: Resampling, config: ComparisonConfig
) -> Iterator[Guard]:
    """Brier score and calibration error of a binary classifier; nothing for other tasks."""
    if rows.task != "binary_classification":
        return
    truth, _, classes = encode(rows.truth, rows.champion.labels)
    positive = (truth == classes - 1).astype(float)
    champion, challenger = rows.champion.scores[:, 0], rows.challenger.scores[:, 0]
    rises = {
        "Brier score": drops["brier"],
        "calibration error": calibration_rise(
            positive, champion, challenger, resamples=sampling.resamples, seed=sampling.seed
        ),
    }
    for what, rise in rises.items():
        yield Guard(
            code="CALIBRATION",
            what=what,
            status=within(rise, config.max_calibration_rise),
            change=rise,
            limit=config.max_calibration_rise,
            unit="",
            detail=f"changes by {shown(rise)}, allowed {config.max_calibration_rise:g}",
        )


def slice_guards(
    metric: str, rows: Rows, sampling: Resampling, config: ComparisonConfig
) -> Iterator[Guard]:
    """One for each value of each configured column, the missing ones together."""
    for column in config.slices:
        for value, chosen in _slices(rows.frame, column):
            yield _slice_guard(metric, f"{column}={value}", rows.taken(chosen), sampling, config)


def _slices(frame: pd.DataFrame, column: str) -> Iterator[tuple[str, Array]]:
    if column not in frame.columns:
        raise InputError(
            "the validation data lacks a column of comparison.slices",
            got=column,
            allowed=", ".join(map(str, frame.columns)),
            do="Correct the name, or give data that has the column",
        )
    values = frame[column].astype(object).where(frame[column].notna(), "missing")
    known = sorted(values.unique(), key=str)
    if len(known) > MAX_SLICES:
        raise InputError(
            "a column of comparison.slices has too many values",
            got=f"{column} with {len(known)}",
            allowed=f"at most {MAX_SLICES}",
            do="Put a column with groups of its values into the validation data",
        )
    for value in known:
        yield str(value), (values == value).to_numpy()


def _slice_guard(
    metric: str, what: str, rows: Rows, sampling: Resampling, config: ComparisonConfig
) -> Guard:
    if len(rows) < config.min_slice_rows:
        return _unknown(what, f"{len(rows)} rows of the {config.min_slice_rows} needed", config)
    judge = judge_of(rows, rows.champion, sampling)
    if metric not in judge.quality:
        return _unknown(what, f"no {metric} on {len(rows)} rows of one class", config)
    drop = judge.drops(rows.challenger)[metric]
    limit = margin_of(metric, config.max_slice_drop, judge.quality[metric])
    return Guard(
        code="SLICE",
        what=what,
        status=within(drop, limit),
        change=drop,
        limit=limit,
        unit="",
        detail=f"{metric} drops by {shown(drop)} on {len(rows)} rows, allowed {limit:.3g}",
    )


def _unknown(what: str, detail: str, config: ComparisonConfig) -> Guard:
    return Guard(
        code="SLICE",
        what=what,
        status="unknown",
        change=None,
        limit=config.max_slice_drop,
        unit="",
        detail=detail,
    )


def shown(estimate: Estimate) -> str:
    """The value and its interval, for a person.

    >>> shown(Estimate(value=0.0123, low=0.01, high=0.0151))
    '0.0123 (95 % 0.01 to 0.0151)'
    """
    return f"{estimate.value:.3g} (95 % {estimate.low:.3g} to {estimate.high:.3g})"
