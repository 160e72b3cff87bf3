"""The configuration's sections on candidates: which are made, and how all is measured."""

from __future__ import annotations

from typing import Literal

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
)

from seatrial.contracts import Part
from seatrial.optimization.neo_settings import NeoConfig

Recipe = Literal["fp32", "fp32-mapped", "int8-dynamic", "int8-static", "int8-mixed", "fp16"]


class DeviationGuards(Part):
    """How far predictions may be from the original's, whatever the labels say."""

    max_mean_deviation: NonNegativeFloat
    min_label_agreement_ratio: float = Field(ge=0, le=1)


class GuardsConfig(DeviationGuards):
    """How far an optimised candidate may be from the original.

    Quality is judged by the 95 % interval of its drop: that must end within the guard.
    """

    reduced_precision: DeviationGuards
    max_quality_drop: NonNegativeFloat
    max_relative_error_rise: NonNegativeFloat

    def deviation(self, *, exact: bool) -> DeviationGuards:
        """The guards for a candidate that only rounds differently, or for one that approximates."""
        return self if exact else self.reduced_precision


class OptimizationConfig(Part):
    """Which candidates are made, how they are measured, and how many go on."""

    candidates: tuple[Recipe, ...]
    cpu: Literal["vnni"] | None
    batch_rows: tuple[PositiveInt, ...] | None
    max_survivors: PositiveInt
    min_gain_ratio: NonNegativeFloat
    calibration_rows: PositiveInt
    mapped_min_weights_mb: NonNegativeFloat
    mixed_max_trials: PositiveInt
    repeats: int = Field(ge=2)
    seconds_per_batch: PositiveFloat
    bootstrap_resamples: int = Field(ge=100)
    seed: NonNegativeInt
    child_memory_mb: PositiveInt
    child_timeout_s: PositiveFloat
    trusted_sources: tuple[str, ...]
    neo: NeoConfig | None

    @field_validator("candidates")
    @classmethod
    def _with_fp32(cls, recipes: tuple[Recipe, ...]) -> tuple[Recipe, ...]:
        if "fp32" not in recipes or len(set(recipes)) != len(recipes):
            raise ValueError("fp32 must be among them, and each only once")
        return recipes


class ProfileConfig(Part):
    """How long to measure; 0 requests: that measurement is left out."""

    max_seconds_per_candidate: PositiveFloat
    cold_start_repeats: PositiveInt
    requests_per_payload: PositiveInt
    max_seconds_per_payload: PositiveInt
    concurrency: tuple[PositiveInt, ...]
    scaled_requests: NonNegativeInt
    scaled_seconds: PositiveFloat
    growth_requests: NonNegativeInt
    growth_seconds: PositiveFloat
    tier_requests: NonNegativeInt
    tier_seconds: PositiveFloat
    transfer_mb_per_s: PositiveFloat

    @field_validator("tier_requests")
    @classmethod
    def _enough_for_a_p95(cls, requests: int) -> int:
        if 0 < requests < 20:
            raise ValueError("0, or at least the 20 that a 95th percentile needs")
        return requests

    @field_validator("concurrency")
    @classmethod
    def _with_one(cls, clients: tuple[int, ...]) -> tuple[int, ...]:
        if 1 not in clients or len(set(clients)) != len(clients):
            raise ValueError("1 must be among them, and each only once")
        return clients


class TrialConfig(Part):
    """How much a temporary endpoint is asked (`seatrial profile --endpoint`)."""

    cold_requests: PositiveInt
    warm_requests: PositiveInt
    burst_s: PositiveFloat
    max_errors: NonNegativeInt
    metrics_deadline_s: NonNegativeFloat
    idle_longest_s: PositiveFloat
    idle_within_s: PositiveFloat


class LoadTestConfig(Part):
    """How long an endpoint is loaded (`seatrial loadtest`), and what ends that early."""

    seconds: PositiveFloat
    short_s: PositiveFloat
    max_errors: NonNegativeInt
    metrics_deadline_s: NonNegativeFloat
