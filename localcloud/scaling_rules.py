"""What Application Auto Scaling is told of a variant, and what it allows."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from seatrial.localcloud.api import validation_error
from seatrial.localcloud.schedule_expressions import read_schedule

DIMENSION = "sagemaker:variant:DesiredProvisionedConcurrency"
METRIC = "SageMakerVariantProvisionedConcurrencyUtilization"
_RESOURCE = re.compile(r"endpoint/([^/]+)/variant/([^/]+)")


@dataclass
class Target:
    """What is scaled, within which bounds, and what changes those."""

    resource_id: str
    low: int
    high: int
    arn: str
    made_at: float
    tags: dict[str, str]
    policies: dict[str, dict[str, Any]] = field(default_factory=dict)
    actions: dict[str, dict[str, Any]] = field(default_factory=dict)
    dues: dict[str, float | None] = field(default_factory=dict)


def names_in(resource_id: str) -> tuple[str, str]:
    """Endpoint and variant of a ResourceId."""
    found = _RESOURCE.fullmatch(resource_id)
    if found is None:
        raise validation_error(
            f"ResourceId is {resource_id!r}; allowed: endpoint/<name>/variant/<name>"
        )
    return found[1], found[2]


def described(target: Target, role_arn: str) -> dict[str, Any]:
    """As DescribeScalableTargets has it."""
    return {
        "ServiceNamespace": "sagemaker",
        "ResourceId": target.resource_id,
        "ScalableDimension": DIMENSION,
        "MinCapacity": target.low,
        "MaxCapacity": target.high,
        "RoleARN": role_arn,
        "CreationTime": target.made_at,
        "ScalableTargetARN": target.arn,
    }


def check_policy(request: dict[str, Any]) -> None:
    """AwsError unless it is target tracking of the one metric that there is."""
    tracking = request.get("TargetTrackingScalingPolicyConfiguration", {})
    metric = tracking.get("PredefinedMetricSpecification", {}).get("PredefinedMetricType")
    if request.get("PolicyType") != "TargetTrackingScaling" or metric != METRIC:
        raise validation_error(f"only PolicyType TargetTrackingScaling of {METRIC} is known")


def bounds_within(low: int | None, high: int | None, most: int | None) -> tuple[int, int]:
    """Both, if they are given and in order."""
    if low is None or high is None or not 1 <= low <= high or (most and high > most):
        limit = f"MaxConcurrency {most}" if most else "MaxCapacity"
        raise validation_error(
            f"MinCapacity is {low}, MaxCapacity {high}; allowed: 1 to MinCapacity to {limit}"
        )
    return low, high


def due_of(action: dict[str, Any]) -> Callable[[float], float | None]:
    """What gives the first moment, at or after one, at which the action is due."""
    start = float(action.get("StartTime") or action["CreationTime"])
    return read_schedule(action["Schedule"], start=start, timezone=action.get("Timezone", "UTC"))
