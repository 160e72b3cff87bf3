"""`optimization.json`: every candidate, measured against the original, and what became of it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from seatrial.contracts.base import Contract, Part
from seatrial.contracts.model import Task
from seatrial.contracts.origin import Origin

Backend = Literal["onnxruntime", "neo", "user"]
Precision = Literal["fp32", "fp16", "int8", "mixed"]


class Estimate(Part):
    """A measured value and its 95 % interval."""

    value: float
    low: float
    high: float


class Agreement(Part):
    """How far a candidate's predictions are from the original model's, on validation rows.

    Deviations are absolute differences of the score (a probability, or the predicted value).
    `scale` is what a deviation is judged against: 1 for probabilities, the standard deviation of
    the original's predictions for a regression. `rank_correlation` is Spearman's, the lowest over
    the columns of the score; None where a column is constant.
    """

    rows: PositiveInt
    max_deviation: NonNegativeFloat
    mean_deviation: NonNegativeFloat
    rank_correlation: float | None = None
    label_agreement_ratio: NonNegativeFloat | None
    scale: PositiveFloat = 1.0

    @property
    def scaled_deviation(self) -> float:
        """The mean deviation that guards judge: without a unit, whatever the target's is."""
        return self.mean_deviation / self.scale


class Start(Part):
    """A fresh process up to its first prediction, medians over `repeats` such processes.

    Files are in the page cache and bytecode is compiled. `cpu_ms` holds the interpreter's own
    start as well; `speedup` is how many times less CPU time that is than fp32's.
    """

    import_ms: NonNegativeFloat
    load_ms: NonNegativeFloat
    first_prediction_ms: NonNegativeFloat
    cpu_ms: NonNegativeFloat
    repeats: PositiveInt
    speedup: Estimate | None = None


class BatchLatency(Part):
    """Predictions of `rows` rows a call, one call at a time on one thread.

    The p99 is None of fewer than 100 calls. `speedup` is fp32's p50 over this one's, paired over
    the interleaved repeats.
    """

    rows: PositiveInt
    p50_ms: NonNegativeFloat
    p99_ms: NonNegativeFloat | None
    cpu_ms: NonNegativeFloat
    calls: PositiveInt
    speedup: Estimate | None = None


class Candidate(Part):
    """One optimised variant, as far as it came.

    `archive` and what follows from it is None if the candidate was not built or does not load.
    `drops` says by how much each metric of `quality` is worse than the original's, in the metric's
    own unit. `cut_short` names the batch sizes that were not measured, and are in neither the
    latencies nor the peak of memory. `rejection` says why it may not serve, `passed_over` why one
    that may does not go on. `inference_image` is the image that it needs where that is not
    the configured one (Neo's).
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")
    backend: Backend
    precision: Precision
    graph_optimization: str
    detail: str | None = None
    archive: str | None
    archive_sha256: str | None
    archive_size_mb: PositiveFloat | None
    model_size_mb: PositiveFloat | None
    start: Start | None = None
    latencies: tuple[BatchLatency, ...] = ()
    peak_memory_mb: PositiveFloat | None = None
    cut_short: tuple[str, ...] = ()
    agreement: Agreement | None
    quality: dict[str, float]
    drops: dict[str, Estimate] = Field(default_factory=dict)
    rejection: str | None
    passed_over: str | None = None
    inference_image: str | None = None

    @property
    def exact(self) -> bool:
        """Whether nothing but rounding may differ from the original: its guards are closer."""
        return self.backend != "user" and self.precision == "fp32"

    @property
    def survivor(self) -> bool:
        """Whether it goes on to be profiled."""
        return self.rejection is None and self.passed_over is None


class Optimization(Contract):
    """Written by optimize_model; read by profile_model, judge_readiness and the report.

    `archive` paths are relative to the folder that holds this file. `quality` maps a metric
    (`auc`, `accuracy`, `f1`, `brier`, `rmse`, `mae`) to its value on the validation rows; it is
    empty if they have no labels. `inputs_sha256` names everything this answer depends on, so that
    the same question need not be measured twice. `reduced_range` says whether int8 weights keep to
    seven bits, for CPUs without VNNI. fp32 comes first among the candidates.
    """

    model_package_arn: str | None
    flavor: str
    task: Task
    original_size_mb: PositiveFloat
    original_quality: dict[str, float]
    candidates: tuple[Candidate, ...]
    optimizer: str
    cpu: str
    origin: Origin | None = None
    cpu_flags: tuple[str, ...] = ()
    reduced_range: bool = True
    measured_with: str | None = None
    seed: NonNegativeInt = 0
    inputs_sha256: str | None = None

    @property
    def survivors(self) -> tuple[Candidate, ...]:
        """The candidates that go on to be profiled."""
        return tuple(item for item in self.candidates if item.survivor)
