"""The configuration's sections on what is there, what is wanted of it, and how it is changed."""

from __future__ import annotations

from typing import Literal

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)

from seatrial.contracts import GuardCode, Part

Metric = Literal["auc", "accuracy", "f1", "brier", "rmse", "mae"]
OptimizeFor = Literal["cost", "latency", "cold_start"]
TrafficShape = Literal["steady", "diurnal", "bursty"]
MemoryTier = Literal[1024, 2048, 3072, 4096, 5120, 6144]
Name = Field(pattern=r"^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$")


class EndpointConfig(Part):
    """The endpoint, as far as the user wants to say."""

    name: str = Name
    variant_name: str = Name
    memory_size_mb: MemoryTier | None
    max_concurrency: PositiveInt
    provisioned_concurrency: PositiveInt | None
    environment: dict[str, str]


class ImagesConfig(Part):
    """The two images, and how the serving image starts its server."""

    toolbox: str
    serving: str
    serve_command: tuple[str, ...] = Field(min_length=1)


class RolesConfig(Part):
    """IAM role ARNs by who assumes them: a group of steps, or a service."""

    pipeline: str
    measure: str
    deploy: str
    arm: str
    monitor: str
    react: str
    review: str
    neo: str
    endpoint: str
    events: str
    logs: str
    firehose: str
    scheduler: str


class FoundationConfig(Part):
    """What the account brings along for the foundation's stack."""

    kms_key_arn: str | None
    source_location: str | None


class ObjectivesConfig(Part):
    """What the user wants of the endpoint.

    `traffic_shape` is how `requests_per_month` are spread over the month. `max_spare_tiers` is
    how many tiers smaller would do as well before the endpoint counts as over-provisioned.
    """

    optimize_for: OptimizeFor
    tie_ratio: float = Field(ge=0, lt=1)
    memory_headroom_ratio: float = Field(ge=0, lt=1)
    latency_p95_ms: PositiveFloat
    cold_start_s: PositiveFloat
    image_target_mb: PositiveFloat
    leak_requests: PositiveInt
    max_spare_tiers: NonNegativeInt
    requests_per_month: PositiveInt | None
    traffic_shape: TrafficShape
    cost_usd_per_month: PositiveFloat | None


class QuotasConfig(Part):
    """Account quotas known to the user; None: asked of AWS, else assumed."""

    memory_size_mb: PositiveInt | None
    total_concurrency: PositiveInt | None
    endpoints: PositiveInt | None


class DeploymentConfig(Part):
    """How an endpoint is changed, and what is kept of the deployments before."""

    keep_configurations: int = Field(ge=2)  # what serves, and one to roll back to
    lease_s: float = Field(ge=1)
    bake_s: NonNegativeFloat
    on_rejection: Literal["keep", "roll_back"]
    kms_key_arn: str | None


class ReviewConfig(Part):
    """What a review looks back on, from what age on it asks for something new, and whom it asks.

    `packages` are names and versions of an image that is not seatrial's own. `bill`: Cost Explorer
    is asked, which charges for it; it has a day's cost `bill_lag_days` later for certain.
    """

    every_days: PositiveInt | None
    days: int = Field(ge=1, le=455)
    max_model_age_days: PositiveInt
    max_image_age_days: PositiveInt
    advisories_url: str | None = Field(pattern=r"^https?://[^\s?#]*[^\s?#/]$")
    packages: dict[str, str] | None
    bill: bool
    bill_lag_days: NonNegativeInt
    max_bill_gap_ratio: float = Field(gt=0, lt=1)


class ComparisonConfig(Part):
    """What makes a challenger better, and what it must not be worse at.

    Ratios are the challenger's figure over the champion's. `tie_margin` and `max_slice_drop` are in
    the metric's own unit; of RMSE and MAE they are a share of the champion's.
    """

    metric: Metric | None
    tie_margin: NonNegativeFloat
    champion_alias: str = Field(pattern=r"^[A-Za-z0-9_-]{1,128}$")
    champion_follows: bool
    max_latency_ratio: PositiveFloat
    latency_floor_ms: NonNegativeFloat
    max_size_ratio: PositiveFloat
    size_floor_mb: NonNegativeFloat
    max_cost_ratio: PositiveFloat
    max_calibration_rise: NonNegativeFloat
    slices: tuple[str, ...]
    min_slice_rows: PositiveInt
    max_slice_drop: NonNegativeFloat
    unknown_blocks: tuple[GuardCode, ...]
    approve: bool


class TrackingConfig(Part):
    """Where MLflow runs go; `experiment` and an endpoint's name are at most 256 characters."""

    mlflow_uri: str | None
    experiment: str = Field(min_length=1, max_length=192)
