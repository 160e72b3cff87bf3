"""`optimization.json`: every candidate, its deviation from the original, and its quality."""

from __future__ import annotations

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from seatrial.contracts.base import Contract, Part
from seatrial.contracts.model import Task


class Agreement(Part):
    """How far a candidate's predictions are from the original model's, on validation rows.

    Deviations are absolute differences of the score (a probability, or the predicted value).
    """

    rows: PositiveInt
    max_deviation: NonNegativeFloat
    mean_deviation: NonNegativeFloat
    label_agreement_ratio: NonNegativeFloat | None


class Candidate(Part):
    """One optimised variant; `rejection` is None for a survivor."""

    name: str
    backend: str
    precision: str
    graph_optimization: str
    archive: str
    archive_sha256: str
    archive_size_mb: PositiveFloat
    model_size_mb: PositiveFloat
    agreement: Agreement
    quality: dict[str, float]
    rejection: str | None


class Optimization(Contract):
    """Written by optimize_model; read by profile_model, judge_readiness and the report.

    `archive` paths are relative to the folder that holds this file. `quality` maps a metric
    (`auc`, `accuracy`, `brier`, `rmse`, `mae`) to its value on the validation rows.
    """

    model_package_arn: str | None
    flavor: str
    task: Task
    original_size_mb: PositiveFloat
    original_quality: dict[str, float]
    candidates: tuple[Candidate, ...]
    optimizer: str
    cpu: str

    @property
    def survivors(self) -> tuple[Candidate, ...]:
        """The candidates that go on to be profiled."""
        return tuple(item for item in self.candidates if item.rejection is None)
