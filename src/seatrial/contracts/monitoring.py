"""What the monitoring pipeline's steps hand on, up to `monitoring.json`."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat

from seatrial.contracts.base import Contract, Part
from seatrial.contracts.baseline import Calibration, ClassifierBound
from seatrial.contracts.distribution import Distribution


class Window(Contract):
    """Written by collect_window beside window.parquet (one row per predicted row).

    window.parquet, a folder with a partition for each `inference_date`, has event_id, inference_id
    (null if the caller gave none), row (0-based within the request), inference_time (UTC), the
    model's input columns and its output columns. `unobserved_columns` are those that the server was
    told not to record, or to record as hashes only: null in window.parquet, the hashes as text in
    `hash:<column>`. Nothing judges them.

    Of a window with more than monitoring.max_rows rows an even sample of events is kept:
    `sample_ratio` is its share. `records`, `rows` and `late_records` are what is kept; all other
    counts are of the whole window, estimated from the sample. `late_records` were made in the
    window before, and came too late to be counted there.

    `invocations` is CloudWatch's count, None if it has none. Completeness is
    (records + foreign + failed) / (invocations - synthetic): every call left a record. Where the
    server records a sample, each record counts as many calls as it stands for. Below
    `min_completeness_ratio` monitoring is `blind`.

    If the endpoint was updated in the window, only records of the version that serves now are
    judged: those from `judged_from` to `judged_to`. The others are `foreign_records`, of
    `foreign_versions`.
    """

    endpoint_name: str
    variant_name: str
    endpoint_config_name: str
    baseline_uri: str
    started_at: AwareDatetime
    ended_at: AwareDatetime
    records: NonNegativeInt
    rows: NonNegativeInt
    synthetic_records: NonNegativeInt
    duplicate_records: NonNegativeInt
    broken_lines: NonNegativeInt
    failed_requests: NonNegativeInt
    foreign_records: NonNegativeInt
    invocations: NonNegativeInt | None
    completeness_ratio: NonNegativeFloat | None
    unobserved_columns: tuple[str, ...] = ()
    late_records: NonNegativeInt = 0
    sample_ratio: PositiveFloat = 1.0
    foreign_versions: tuple[str, ...] = ()
    judged_from: AwareDatetime | None = None
    judged_to: AwareDatetime | None = None
    min_completeness_ratio: float = Field(default=0.0, ge=0, le=1)

    @property
    def blind(self) -> bool:
        """True if too many calls left no record."""
        ratio = self.completeness_ratio
        return ratio is not None and ratio < self.min_completeness_ratio

    @property
    def judged_h(self) -> float:
        """How many hours of the window the version that is judged has served."""
        start, end = self.judged_from or self.started_at, self.judged_to or self.ended_at
        return (end - start).total_seconds() / 3600


class FailedExpectation(Part):
    """One expectation of the suite that the window broke."""

    expectation: str
    column: str | None
    unexpected_count: int | None
    unexpected_ratio: float | None
    detail: str


class QualityReport(Contract):
    """Written by check_quality."""

    rows: NonNegativeInt
    evaluated: NonNegativeInt
    failed: tuple[FailedExpectation, ...]
    success: bool


class ColumnDrift(Part):
    """One column's score against its bound; `drifted` needs both the bound and the floor passed.

    Vanished are categories that the window should have: ten of them, going by the reference.
    """

    column: str
    metric: str
    score: NonNegativeFloat
    bound: NonNegativeFloat
    floor: NonNegativeFloat
    drifted: bool
    reference_mean: float | None
    window_mean: float | None
    reference_missing_ratio: NonNegativeFloat
    window_missing_ratio: NonNegativeFloat
    new_categories: tuple[str, ...]
    vanished_categories: tuple[str, ...] = ()


class ColumnGain(Part):
    """A column's share of what tells the window from the reference."""

    column: str
    share: float = Field(ge=0, le=1)


class ClassifierVerdict(Part):
    """How well the window is told from the reference by all input columns together.

    `auc` is of rows that were not learnt from, None without enough of them. `columns` are those
    that tell most; below the bound they tell of chance and of ordinary differences.
    """

    status: Literal["drift", "no drift", "not enough data"]
    bound: ClassifierBound
    auc: float | None = Field(default=None, ge=0, le=1)
    columns: tuple[ColumnGain, ...] = ()
    detail: str


class DriftReport(Contract):
    """Written by detect_drift; columns are ordered by score / bound, largest first.

    The status is `drift` if the drifted columns are enough for the baseline's alert rule, or if
    the domain classifier, where it is on, says so.
    `calibration` says how reliably one false alert in `false_alert_every_windows` is kept to;
    `distributions` are those of the worst few columns.
    """

    rows: NonNegativeInt
    window_h: NonNegativeFloat
    status: Literal["drift", "no drift", "not enough data"]
    columns: tuple[ColumnDrift, ...]
    detail: str
    false_alert_every_windows: float | None = None
    calibration: Calibration | None = None
    distributions: tuple[Distribution, ...] = ()
    classifier: ClassifierVerdict | None = None

    @property
    def drifted_columns(self) -> tuple[str, ...]:
        """The columns that moved, worst first."""
        return tuple(item.column for item in self.columns if item.drifted)


class MetricScore(Part):
    """One quality metric on the window's labelled rows; `low` and `high` bound its 95 % interval.

    `change` is value - baseline; its interval takes the window's sampling error into account.
    """

    metric: str
    value: float
    low: float
    high: float
    baseline: float | None
    change: float | None
    decayed: bool


class MetricEstimate(Part):
    """A metric as the window's probabilities lead one to expect it, before or beside its labels.

    If labels are there, `of_labelled_rows` is the estimate for those rows alone; where `realised`
    with its interval is away from that, they have `parted`: scores no longer mean what they meant.
    """

    metric: str
    value: float
    of_labelled_rows: float | None
    realised: float | None
    parted: bool


class SliceScore(Part):
    """The metrics on the labelled rows of one slice, if window and validation data have enough.

    Intervals hold the errors of both, each judged at `LabelScores.slice_level`. `estimates` are
    what the slice's scores promise of these rows, less what they were off by on validation data.
    """

    name: str
    rows: NonNegativeInt
    status: Literal["scored", "not enough"]
    metrics: tuple[MetricScore, ...] = ()
    estimates: tuple[MetricEstimate, ...] = ()

    @property
    def concept_drift(self) -> tuple[MetricEstimate, ...]:
        """The estimates that the labels contradict."""
        return tuple(item for item in self.estimates if item.parted)

    @property
    def decayed(self) -> tuple[MetricScore, ...]:
        """The metrics that are worse than the configuration allows."""
        return tuple(item for item in self.metrics if item.decayed)


class LabelScores(Contract):
    """Written by score_labels; `status` says why there is nothing to score, if so.

    `estimates` need no labels: of a classifier whose scores were calibrated, of several classes its
    accuracy; `not_estimated` says why there are none. `slice_level`
    is that of the slices' intervals: the more are judged, the closer it is to 1 (Bonferroni).
    """

    status: Literal["scored", "no labels", "not enough labels"]
    labelled_rows: NonNegativeInt
    unmatched_labels: NonNegativeInt
    metrics: tuple[MetricScore, ...]
    estimates: tuple[MetricEstimate, ...] = ()
    not_estimated: str | None = None
    slices: tuple[SliceScore, ...] = ()
    slice_level: float | None = Field(default=None, ge=0, le=1)

    @property
    def decayed_slices(self) -> tuple[SliceScore, ...]:
        """The slices on which a metric is worse than the configuration allows."""
        return tuple(item for item in self.slices if item.decayed)

    @property
    def concept_drift(self) -> tuple[MetricEstimate, ...]:
        """The estimates that the labels contradict."""
        return tuple(item for item in self.estimates if item.parted)

    @property
    def parted_slices(self) -> tuple[SliceScore, ...]:
        """The slices whose labels contradict their scores."""
        return tuple(item for item in self.slices if item.concept_drift)

    @property
    def worse(self) -> bool:
        """True if labels say so: of a metric, of one on a slice, or of what scores mean."""
        return bool(
            any(item.decayed for item in self.metrics)
            or self.decayed_slices
            or self.concept_drift
            or self.parted_slices
        )


class Reaction(Part):
    """Something that was done about a verdict, or why it was not (`done` is then False).

    `endpoint` says whether it is another one thereafter.
    """

    kind: Literal["cloudwatch", "sns", "mlflow", "eventbridge", "retraining", "rollback"]
    target: str
    detail: str
    done: bool = True
    endpoint: Literal["unchanged", "changed", "unknown"] = "unchanged"


class MissedWindow(Part):
    """A window that the schedule should have judged; there is no verdict on it."""

    started_at: AwareDatetime
    ended_at: AwareDatetime


class Monitoring(Contract):
    """`monitoring.json`, written by react.

    `missed_windows` are those between the last verdict and this window, if a schedule started it.
    """

    window: Window
    quality: QualityReport
    drift: DriftReport
    labels: LabelScores
    alert: bool
    reasons: tuple[str, ...]
    reactions: tuple[Reaction, ...]
    missed_windows: tuple[MissedWindow, ...] = ()
