"""What SageMaker allows of a serverless endpoint; botocore checks next to none of it.

Texts are AWS's where they are known: that of a value outside the API model's limits is generic,
that of the memory sizes is the one moto has. The others are ours.
"""

from __future__ import annotations

from typing import Any

from seatrial.limits import Limits
from seatrial.localcloud.api import AwsError, validation_error
from seatrial.localcloud.api_model import constraint_text, constraints_error
from seatrial.localcloud.models import Model

_NOT_SERVERLESS = {
    "DataCaptureConfig": "data capture",
    "ShadowProductionVariants": "shadow tests",
    "AsyncInferenceConfig": "asynchronous inference",
    "ExplainerConfig": "an explainer",
    "VpcConfig": "a VPC",
    "CrossRegionTrafficConfig": "traffic across regions",
}


def check_endpoint_config(request: dict[str, Any], limits: Limits) -> None:
    """AwsError if the request is not one for a serverless endpoint that AWS would take."""
    variants = request["ProductionVariants"]
    if any("ServerlessConfig" not in variant for variant in variants):
        raise validation_error(
            "only serverless endpoints run here; a variant without ServerlessConfig needs an "
            "instance"
        )
    if len(variants) != 1:
        raise validation_error(
            f"{len(variants)} production variants; a serverless endpoint has exactly one"
        )
    for field, feature in _NOT_SERVERLESS.items():
        if _asked_for(request.get(field)):
            raise validation_error(f"{field}: a serverless endpoint does not support {feature}")
    if request.get("EnableNetworkIsolation"):
        raise validation_error("a serverless endpoint does not support network isolation")
    _check_variant(variants[0])
    check_serverless_config(variants[0]["ServerlessConfig"], limits)


def _asked_for(value: Any) -> bool:
    """True unless it is absent or, as DataCaptureConfig may be, switched off."""
    return bool(value) and not (isinstance(value, dict) and value.get("EnableCapture") is False)


def _check_variant(variant: dict[str, Any]) -> None:
    if "ModelName" not in variant:
        raise validation_error("a production variant without ModelName")
    for field in ("InstanceType", "InitialInstanceCount", "AcceleratorType", "CoreDumpConfig"):
        if field in variant:
            raise validation_error(f"{field} together with ServerlessConfig; use one of them")
    if "ManagedInstanceScaling" in variant:
        # The service's text: hashicorp/terraform-provider-aws pull request 45926.
        raise AwsError(
            "ValidationException",
            "ManagedInstanceScaling is only supported for inference component endpoints.",
        )


def check_serverless_config(config: dict[str, Any], limits: Limits) -> None:
    """AwsError unless memory, concurrency and provisioned concurrency are within the limits."""
    memory, tiers = config["MemorySizeInMB"], limits.memory_tiers_mb.value
    if memory not in tiers:
        allowed = ", ".join(str(tier) for tier in tiers)
        raise _constraint_error(
            memory, "MemorySizeInMB", f"Member must satisfy enum value set: [{allowed}]"
        )
    highest = int(limits.max_concurrency.value)
    for field in ("MaxConcurrency", "ProvisionedConcurrency"):
        _check_range(config.get(field), field, highest)
    if config.get("ProvisionedConcurrency", 0) > config["MaxConcurrency"]:
        raise validation_error(
            f"ProvisionedConcurrency {config['ProvisionedConcurrency']} is over MaxConcurrency "
            f"{config['MaxConcurrency']}"
        )


def _check_range(value: int | None, field: str, highest: int) -> None:
    if value is None:
        return
    if value < 1:
        raise _constraint_error(value, field, "Member must have value greater than or equal to 1")
    if value > highest:
        raise _constraint_error(
            value, field, f"Member must have value less than or equal to {highest}"
        )


def _constraint_error(value: object, field: str, constraint: str) -> AwsError:
    return constraints_error([constraint_text(value, field, constraint)])


def check_model(model: Model) -> None:
    """AwsError if a serverless endpoint cannot run that model."""
    if len(model.containers) != 1:
        raise validation_error(
            f"model {model.name} has {len(model.containers)} containers; a serverless endpoint "
            "runs exactly one"
        )
    container = model.containers[0]
    if "ModelDataSource" in container:
        raise validation_error(
            f"model {model.name} has ModelDataSource; a serverless endpoint takes one archive "
            "through ModelDataUrl"
        )
    if container.get("Mode", "SingleModel") != "SingleModel":
        raise validation_error(f"model {model.name}: a serverless endpoint serves one model")
    if model.request.get("VpcConfig") or model.request.get("EnableNetworkIsolation"):
        raise validation_error(
            f"model {model.name} asks for a VPC or network isolation, which a serverless endpoint "
            "does not support"
        )


def check_deployment_config(config: dict[str, Any] | None) -> None:
    """AwsError for a way of updating that serverless endpoints, or localcloud, do not have."""
    if not config:
        return
    if "RollingUpdatePolicy" in config:
        raise validation_error("a serverless endpoint does not support rolling deployments")
    routing = config.get("BlueGreenUpdatePolicy", {}).get("TrafficRoutingConfiguration", {})
    if routing.get("Type", "ALL_AT_ONCE") != "ALL_AT_ONCE" or "AutoRollbackConfiguration" in config:
        raise validation_error(
            "updates here are ALL_AT_ONCE and watch no alarms; leave DeploymentConfig out"
        )
