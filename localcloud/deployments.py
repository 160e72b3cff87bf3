"""What an endpoint is to serve: by its configuration, or with another concurrency than now."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from seatrial.limits import Limits
from seatrial.localcloud.api import validation_error
from seatrial.localcloud.endpoint_configs import EndpointConfig
from seatrial.localcloud.endpoint_rules import check_model, check_serverless_config
from seatrial.localcloud.hosting import Deployment
from seatrial.localcloud.models import Model


def deployment_of(config: EndpointConfig, model: Model) -> Deployment:
    """What an endpoint with that configuration serves; AwsError if no serverless one can."""
    check_model(model)
    container, serverless = model.containers[0], config.variant["ServerlessConfig"]
    return Deployment(
        config_name=config.name,
        variant_name=config.variant["VariantName"],
        memory_mb=serverless["MemorySizeInMB"],
        max_concurrency=serverless["MaxConcurrency"],
        provisioned=serverless.get("ProvisionedConcurrency", 0),
        image_uri=container["Image"],
        archive_uri=container.get("ModelDataUrl"),
        environment=dict(container.get("Environment", {})),
        role_arn=model.request.get("ExecutionRoleArn", ""),
    )


def with_capacity(serving: Deployment, desired: list[dict[str, Any]], limits: Limits) -> Deployment:
    """`serving` with the concurrency that UpdateEndpointWeightsAndCapacities asks for.

    What is not named stays as it is. A weight is taken, and changes nothing: all requests go to the
    one variant. AwsError if a serverless endpoint cannot have it.
    """
    if len(desired) != 1 or desired[0]["VariantName"] != serving.variant_name:
        names = ", ".join(item["VariantName"] for item in desired)
        raise validation_error(f"variants {names}; it has {serving.variant_name} and no other")
    wanted = desired[0]
    if "DesiredInstanceCount" in wanted:
        raise validation_error(
            "DesiredInstanceCount for a serverless variant; it has no instances, use "
            "ServerlessUpdateConfig"
        )
    concurrency = {
        "MaxConcurrency": serving.max_concurrency,
        **({"ProvisionedConcurrency": serving.provisioned} if serving.provisioned else {}),
        **wanted.get("ServerlessUpdateConfig", {}),
    }
    check_serverless_config({"MemorySizeInMB": serving.memory_mb, **concurrency}, limits)
    return replace(
        serving,
        max_concurrency=concurrency["MaxConcurrency"],
        provisioned=concurrency.get("ProvisionedConcurrency", 0),
    )
