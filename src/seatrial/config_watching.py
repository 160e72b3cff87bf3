"""The configuration's sections on what is watched, what follows, and what is kept warm."""

from __future__ import annotations

from typing import Literal

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from seatrial.contracts import Part
from seatrial.contracts.verdicts import Act, Ailment


class MonitoringConfig(Part):
    """What is compared, how often it may be wrong, and who is told."""

    alert_topic_arn: str
    window_h: tuple[PositiveFloat, ...] = Field(min_length=1)
    reference_share: float | None = Field(gt=0, le=1)
    false_alert_every_windows: float = Field(ge=2)
    critical_columns: tuple[str, ...]
    min_drifted_columns: PositiveInt
    drift_floor: NonNegativeFloat
    domain_classifier: bool
    min_rows: PositiveInt
    max_rows: PositiveInt
    max_reference_rows: NonNegativeInt
    min_completeness_ratio: float = Field(ge=0, le=1)
    max_decay: NonNegativeFloat
    firehose_buffer_s: NonNegativeFloat
    arm_deadline_s: PositiveFloat
    slices: tuple[str, ...]


def _is_silent(acts: tuple[Act, ...]) -> bool:
    return "rollback" in acts and "notify" not in acts


class ReactionsConfig(Part):
    """What is done about each ailment of a window; metrics are put always."""

    decay: tuple[Act, ...]
    drift: tuple[Act, ...]
    quality: tuple[Act, ...]
    blind: tuple[Act, ...]
    after_windows: PositiveInt
    cooldown_h: NonNegativeFloat
    retraining_pipeline: str | None
    dry_run: bool

    @property
    def acts(self) -> dict[Ailment, tuple[Act, ...]]:
        """What to do, by ailment."""
        return {
            "decay": self.decay,
            "drift": self.drift,
            "quality": self.quality,
            "blind": self.blind,
        }

    def wants(self, act: Act) -> bool:
        """True if it is what some ailment asks for."""
        return any(act in acts for acts in self.acts.values())

    @model_validator(mode="after")
    def _retraining_is_possible(self) -> ReactionsConfig:
        if self.wants("retrain") and self.retraining_pipeline is None:
            raise ValueError("retrain needs retraining_pipeline, the name of a pipeline")
        return self

    @model_validator(mode="after")
    def _rollback_makes_sense(self) -> ReactionsConfig:
        # Calls without a record say nothing of the model, and the one before would be as unseen.
        if "rollback" in self.blind:
            raise ValueError(
                "blind must not have rollback: nobody knows then whether the model is at fault; "
                "rollback is for decay, drift and quality"
            )
        silent = [name for name, acts in self.acts.items() if _is_silent(acts)]
        if silent:
            raise ValueError(
                f"{', '.join(silent)} must have notify beside rollback: nobody should find the "
                "endpoint changed without a word"
            )
        return self


class WarmHours(Part):
    """From that moment on, until another says otherwise: so much provisioned concurrency."""

    at: str = Field(pattern=r"^(cron|rate|at)\(.+\)$")
    min_concurrency: PositiveInt
    max_concurrency: PositiveInt

    @model_validator(mode="after")
    def _in_order(self) -> WarmHours:
        if self.min_concurrency > self.max_concurrency:
            raise ValueError("min_concurrency must not be over max_concurrency")
        return self


class WarmConfig(Part):
    """What keeps sandboxes warm. `utilization` is what use of provisioned concurrency aims at."""

    mode: Literal["none", "pings", "provisioned"]
    idle_s: float | None = Field(ge=75)
    min_concurrency: PositiveInt
    max_concurrency: PositiveInt
    utilization: float | None = Field(gt=0, le=1)
    timezone: str
    schedule: tuple[WarmHours, ...]

    @model_validator(mode="after")
    def _in_order(self) -> WarmConfig:
        if self.min_concurrency > self.max_concurrency:
            raise ValueError("min_concurrency must not be over max_concurrency")
        return self
