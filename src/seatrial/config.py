"""The configuration: YAML laid over the defaults, read once at the edge and passed as values."""

from __future__ import annotations

import difflib
import hashlib
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import (
    Field,
    NonNegativeFloat,
    ValidationError,
)

from seatrial.config_sections import (
    ComparisonConfig,
    DeploymentConfig,
    DeviationGuards,
    EndpointConfig,
    FoundationConfig,
    GuardsConfig,
    ImagesConfig,
    LoadTestConfig,
    MemoryTier,
    Metric,
    Name,
    ObjectivesConfig,
    OptimizationConfig,
    OptimizeFor,
    ProfileConfig,
    QuotasConfig,
    Recipe,
    ReviewConfig,
    RolesConfig,
    TrackingConfig,
    TrafficShape,
    TrialConfig,
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
    values = _read_yaml(Path(str(files("seatrial.configs") / "default.yaml")))
    if path is not None:
        _lay_over(values, _read_yaml(path), where=str(path))
    _lay_over(values, overrides, where="overrides")
    return parse_config(_fill_in(values), where=str(path or "default.yaml"))


def parse_config(values: dict[str, Any], *, where: str) -> Config:
    """`values` as a resolved Config."""
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError(
            f"the configuration in {where} cannot be used",
            got=first_problem(error),
            allowed="the keys and ranges of configs/default.yaml",
            do="Correct that value",
        ) from error


def read_resolved_config(path: Path) -> Config:
    """Read a configuration that `pipeline upsert` resolved and uploaded."""
    return parse_config(_read_yaml(path), where=str(path))


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(
            "cannot read the configuration",
            got=str(path),
            allowed="a readable YAML file",
            do=f"Check the path and the file ({type(error).__name__}: {str(error)[:200]})",
        ) from error
    if not isinstance(values, dict):
        raise ConfigError(
            f"the configuration in {path} is not a mapping",
            got=type(values).__name__,
            allowed="key: value lines",
            do="Start from configs/default.yaml",
        )
    return values


def _lay_over(base: dict[str, Any], top: dict[str, Any], *, where: str, prefix: str = "") -> None:
    for key, value in top.items():
        if key not in base:
            close = difflib.get_close_matches(str(key), list(base), n=1)
            raise ConfigError(
                f"unknown configuration key in {where}",
                got=f"{prefix}{key}",
                allowed=", ".join(f"{prefix}{name}" for name in base),
                do=f"Did you mean {prefix}{close[0]}?" if close else "Remove it",
            )
        if isinstance(base[key], dict) and base[key] and isinstance(value, dict):
            _lay_over(base[key], value, where=where, prefix=f"{prefix}{key}.")
        else:
            base[key] = value


def _fill_in(values: dict[str, Any]) -> dict[str, Any]:
    """Names that follow from the account, the region and the project."""
    account, region, project = values["account"], values["region"], values["project"]
    if values["bucket"] is None:
        values["bucket"] = f"{project}-{account}-{region}"
    if isinstance(values["roles"], dict):
        for name, arn in values["roles"].items():
            if arn is None:
                values["roles"][name] = f"arn:aws:iam::{account}:role/{project}-{name}"
    images = values["images"]
    if isinstance(images, dict):
        for name in ("toolbox", "serving"):
            if images[name] is None:
                registry = f"{account}.dkr.ecr.{region}.amazonaws.com"
                images[name] = f"{registry}/{project}-{name}:latest"
    monitoring = values["monitoring"]
    if isinstance(monitoring, dict) and monitoring["alert_topic_arn"] is None:
        monitoring["alert_topic_arn"] = f"arn:aws:sns:{region}:{account}:{project}-alerts"
    return values
