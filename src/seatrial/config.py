"""The configuration: YAML laid over the defaults, read once at the edge and passed as values."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, NonNegativeFloat, ValidationError

from seatrial.config_layers import fill_in, lay_over, read_yaml
from seatrial.config_measuring import (
    DeviationGuards,
    GuardsConfig,
    LoadTestConfig,
    OptimizationConfig,
    ProfileConfig,
    Recipe,
    TrialConfig,
)
from seatrial.config_sections import (
    ComparisonConfig,
    DeploymentConfig,
    EndpointConfig,
    FoundationConfig,
    ImagesConfig,
    MemoryTier,
    Metric,
    Name,
    ObjectivesConfig,
    OptimizeFor,
    QuotasConfig,
    ReviewConfig,
    RolesConfig,
    TrackingConfig,
    TrafficShape,
)
from seatrial.config_watching import MonitoringConfig, ReactionsConfig, WarmConfig
from seatrial.contracts import Contract, first_problem
from seatrial.errors import ConfigError

__all__ = [
    "ComparisonConfig",
    "Config",
    "DeploymentConfig",
    "DeviationGuards",
    "EndpointConfig",
    "FoundationConfig",
    "GuardsConfig",
    "ImagesConfig",
    "LoadTestConfig",
    "MemoryTier",
    "Metric",
    "MonitoringConfig",
    "ObjectivesConfig",
    "OptimizationConfig",
    "OptimizeFor",
    "ProfileConfig",
    "QuotasConfig",
    "ReactionsConfig",
    "Recipe",
    "ReviewConfig",
    "RolesConfig",
    "TrackingConfig",
    "TrafficShape",
    "TrialConfig",
    "WarmConfig",
    "load_config",
    "parse_config",
    "read_resolved_config",
]


class Config(Contract):
    """Everything the steps read; its YAML is addressed by content in S3."""

    project: str = Name
    region: str
    account: str = Field(pattern=r"^\d{12}$")
    bucket: str
    model_package_group: str = Name
    endpoint: EndpointConfig
    images: ImagesConfig
    instance_type: str
    roles: RolesConfig
    foundation: FoundationConfig
    guards: GuardsConfig
    optimization: OptimizationConfig
    profile: ProfileConfig
    trial: TrialConfig
    loadtest: LoadTestConfig
    objectives: ObjectivesConfig
    quotas: QuotasConfig
    prices: dict[str, NonNegativeFloat]
    unknown_blocks: tuple[str, ...]
    deployment: DeploymentConfig
    warm: WarmConfig
    monitoring: MonitoringConfig
    reactions: ReactionsConfig
    review: ReviewConfig
    comparison: ComparisonConfig
    tracking: TrackingConfig

    @property
    def readiness_pipeline(self) -> str:
        """The readiness pipeline's name."""
        return f"{self.project}-readiness"

    @property
    def rollback_pipeline(self) -> str:
        """The rollback pipeline's name."""
        return f"{self.project}-rollback"

    @property
    def rolls_back(self) -> bool:
        """True if a rejection or a verdict starts the rollback pipeline."""
        return self.deployment.on_rejection == "roll_back" or self.reactions.wants("rollback")

    @property
    def monitoring_pipeline(self) -> str:
        """The monitoring pipeline's name."""
        return f"{self.project}-monitoring"

    @property
    def review_pipeline(self) -> str:
        """The review pipeline's name."""
        return f"{self.project}-review"

    @property
    def dead_letter_queue_arn(self) -> str:
        """Where approvals go that could not start the pipeline."""
        return f"arn:aws:sqs:{self.region}:{self.account}:{self.project}-undelivered"

    def to_yaml(self) -> str:
        """The resolved configuration, the same text for the same values."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=True, allow_unicode=True)

    @property
    def sha256(self) -> str:
        """The hash that names this configuration in S3."""
        return hashlib.sha256(self.to_yaml().encode()).hexdigest()


def load_config(path: Path | None = None, **overrides: Any) -> Config:
    """The defaults with the file at `path` laid over them, and `overrides` over that.

    ConfigError for a file that cannot be read, an unknown key or a value out of range.
    """
    values = read_yaml(Path(str(files("seatrial.configs") / "default.yaml")))
    if path is not None:
        lay_over(values, read_yaml(path), where=str(path))
    lay_over(values, overrides, where="overrides")
    return parse_config(fill_in(values), where=str(path or "default.yaml"))


def parse_config(values: dict[str, Any], *, where: str) -> Config:
    """`values` as a resolved Config."""
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError(
            f"the configuration in {where} cannot be used",
            got=first_problem(error),
            allowed="the keys and ranges of configs/default.yaml",
            do="Correct that value",
        ) from error
    _check_warm(config, where)
    return config


def _check_warm(config: Config, where: str) -> None:
    if config.warm.mode == "provisioned" and config.endpoint.provisioned_concurrency is None:
        raise ConfigError(
            f"the configuration in {where} scales provisioned concurrency, and has none",
            got="warm.mode: provisioned, endpoint.provisioned_concurrency: null",
            allowed="endpoint.provisioned_concurrency: 1 or more, which is what is deployed",
            do="Set it, or set warm.mode to none or pings",
        )


def read_resolved_config(path: Path) -> Config:
    """Read a configuration that `pipeline upsert` resolved and uploaded."""
    return parse_config(read_yaml(path), where=str(path))
