"""`baseline/`: what the reference period looked like, and how far ordinary windows stray from it.

The folder holds baseline.json (Baseline), summary.json (Summary), suite.json (a Great Expectations
suite), reference_sample.parquet (for Evidently's report and the domain classifier),
held_out.parquet (for self-tests), reference_rows.parquet (its numbers, unless there are too many
rows), signature.json (ModelSignature) and, where a column is text, vocabulary.json (Vocabulary).
statistics.json and constraints.json are for SageMaker Model Monitor.
"""

from __future__ import annotations

from typing import Literal

from pydantic import (
    AwareDatetime,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)

from seatrial.contracts.base import Contract, Part
from seatrial.contracts.model import Task


class NumericSummary(Part):
    """Counts and sums of a numeric column over cells that the reference fixed.

    Cell i holds upper[i-1] < x ≤ upper[i]; the first has no lower end and a last one, without an
    entry in `upper`, holds what is above. An atom (a value that many rows share) has a cell of its
    own, whose lower end is the next smaller float. `std` is the reference's, the score's unit.
    """

    kind: Literal["numeric"] = "numeric"
    upper: tuple[float, ...]
    counts: tuple[NonNegativeInt, ...]
    sums: tuple[float, ...]
    missing: NonNegativeInt
    std: NonNegativeFloat


class CategoricalSummary(Part):
    """Counts per category of a text, boolean or label column."""

    kind: Literal["categorical"] = "categorical"
    counts: dict[str, NonNegativeInt]
    missing: NonNegativeInt


class Summary(Contract):
    """A mergeable summary of rows; one function makes it for reference and window alike."""

    rows: NonNegativeInt
    columns: dict[str, NumericSummary | CategoricalSummary]


class Vocabulary(Contract):
    """The words that the reference has in each column of free text; a window's others are new."""

    words: dict[str, tuple[str, ...]]


class DriftBound(Part):
    """How far windows of `window_h` hours stray by themselves; a drift needs more than `bound`.

    `blocks` reference blocks of `block_rows` rows had scores up to `largest_block_score`; of the
    bound, `chance` is what independent rows would do. `floor` is the effect size below which a
    change does not matter.
    """

    column: str
    metric: Literal["wasserstein_std", "jensen_shannon", "missing_ratio"]
    window_h: PositiveFloat
    bound: NonNegativeFloat
    floor: NonNegativeFloat
    blocks: NonNegativeInt
    largest_block_score: NonNegativeFloat | None
    block_rows: NonNegativeInt = 0
    chance: NonNegativeFloat = 0.0


class ClassifierBound(Part):
    """How well windows of `window_h` hours are told from the reference by themselves, as AUC.

    By `columns`, `rows` rows of either side are told apart; `blocks` reference blocks reached up to
    `largest_block_auc`. Below `floor` a change does not matter. A bound of 1 or more cannot be
    passed: ordinary windows differ too much.
    """

    window_h: PositiveFloat
    columns: tuple[str, ...] = Field(min_length=1)
    rows: PositiveInt
    bound: NonNegativeFloat
    floor: float = Field(ge=0.5)
    blocks: NonNegativeInt
    largest_block_auc: NonNegativeFloat | None


class AlertRule(Part):
    """Which drifted columns make an alert: any critical one, or so many of the others."""

    critical_columns: tuple[str, ...] = ()
    min_drifted_columns: PositiveInt = 1


class Calibration(Part):
    """How the bounds of windows of `window_h` hours meet the budget of false alerts.

    Learnt from `windows` ordinary ones (blocks, or draws), each with the one level that an alert
    about it needs, a normal score. `tail` is how their threshold was found: from their own order,
    or by Gumbel's law because they are too few for that. The rate of false alerts is the budget on
    average over such baselines; that of this one lies between `rate_low` and `rate_high` with 90 %.
    """

    window_h: PositiveFloat
    windows: PositiveInt
    tail: Literal["order", "gumbel"]
    threshold: float
    rate_low: float = Field(ge=0, le=1)
    rate_high: float = Field(ge=0, le=1)


class ScoreCalibration(Part):
    """How often a classifier's scores came true on validation data, by isotonic regression.

    Of several classes: how often the answer was right, by the highest of their scores. Between two
    scores the rate is in between, too.
    """

    scores: tuple[float, ...] = Field(min_length=1)
    rates: tuple[float, ...] = Field(min_length=1)


class SliceQuality(Part):
    """The model's metrics on the validation rows of one slice, with their standard errors.

    `promised` are those that its scores lead one to expect there: a calibration is of all rows, and
    off by a little in each slice. None of them if there are fewer rows than `monitoring.min_rows`.
    """

    name: str
    rows: NonNegativeInt
    quality: dict[str, float]
    errors: dict[str, NonNegativeFloat]
    promised: dict[str, float] = Field(default_factory=dict)


class SlicedColumn(Part):
    """The slices of one input column: its categories, or numbers up to each of `upper` and over.

    `upper` is None for categories. Missing values are a slice, too.
    """

    column: str
    upper: tuple[float, ...] | None
    slices: tuple[SliceQuality, ...]


class Baseline(Contract):
    """Written by build_baseline; read by judge_readiness and by every monitoring step.

    `candidate` is whose predictions the output columns are; judge_readiness says how far those of
    the one it chooses can be from them. `quality` are its metrics on validation data, `slices` on
    parts of it; of `false_alert_every_windows` ordinary windows one may alert, over all columns
    together.
    """

    model_package_arn: str | None
    task: Task
    target: str
    rows: PositiveInt
    started_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    input_columns: tuple[str, ...]
    output_columns: tuple[str, ...]
    bounds: tuple[DriftBound, ...]
    bound_method: Literal["contiguous blocks", "independent resampling"]
    false_alert_every_windows: float = Field(ge=2)
    alert_rule: AlertRule = AlertRule()
    calibrations: tuple[Calibration, ...] = ()
    classifier: tuple[ClassifierBound, ...] = ()
    score_calibration: ScoreCalibration | None = None
    held_out_rows: NonNegativeInt
    seed: NonNegativeInt
    quality: dict[str, float]
    candidate: str = "fp32"
    slices: tuple[SlicedColumn, ...] = ()
