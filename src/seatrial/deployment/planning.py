"""What a deployment does, as data: the calls to make."""

from __future__ import annotations

from typing import Any

from seatrial.config import Config
from seatrial.contracts import Action, Serving
from seatrial.deployment.existing import Existing
from seatrial.deployment.records import plan_records
from seatrial.deployment.target import Target
from seatrial.endpoint import EndpointState


def plan(target: Target, existing: Existing, config: Config) -> list[Action]:
    """The calls to make: the records' way to S3 first, then model, configuration, endpoint."""
    actions = plan_records(target, existing, config)
    if not existing.model:
        actions.append(_create_model(target))
    if existing.endpoint_config is None:
        actions.append(_create_endpoint_config(target))
    return [*actions, *_plan_endpoint(target, existing)]


def _plan_endpoint(target: Target, existing: Existing) -> list[Action]:
    endpoint, by_config = existing.endpoint, existing.endpoint_config or target.serving
    actions = []
    if endpoint is not None and endpoint.status == "Failed":
        # It was never in service, and AWS takes nothing but its deletion.
        actions.append(delete_endpoint(target.endpoint_name))
        endpoint = None
    if endpoint is None:
        parameters = {
            "EndpointName": target.endpoint_name,
            "EndpointConfigName": target.endpoint_config_name,
            "Tags": _tag_list(target),
        }
        actions.append(Action(service="sagemaker", method="create_endpoint", parameters=parameters))
        if by_config != target.serving:
            actions.append(
                _change_concurrency(target.endpoint_name, target.variant_name, target.serving)
            )
        return actions
    return [*actions, *plan_change(endpoint, target.variant_name, target.serving, by_config)]


def plan_change(
    endpoint: EndpointState, variant_name: str, wanted: Serving, by_config: Serving
) -> list[Action]:
    """From what the endpoint serves to `wanted`, in place if only the concurrency differs.

    `by_config` is what the wanted configuration itself says, which is what UpdateEndpoint brings.
    """
    now = endpoint.serving
    actions = []
    if now is None or now.endpoint_config_name != wanted.endpoint_config_name:
        parameters = {
            "EndpointName": endpoint.name,
            "EndpointConfigName": wanted.endpoint_config_name,
        }
        actions.append(Action(service="sagemaker", method="update_endpoint", parameters=parameters))
        now = by_config
    if now != wanted:
        actions.append(_change_concurrency(endpoint.name, variant_name, wanted))
    return actions


def delete_endpoint(name: str) -> Action:
    """The call that deletes it."""
    return Action(service="sagemaker", method="delete_endpoint", parameters={"EndpointName": name})


def plan_way_back(target: Target, previous: Serving | None) -> list[Action]:
    """How to undo the deployment of `target`: back to `previous`, or no endpoint at all."""
    if previous is None:
        return [delete_endpoint(target.endpoint_name)]
    after = EndpointState.in_service(target.endpoint_name, target.serving)
    return plan_change(after, target.variant_name, previous, previous)


def _change_concurrency(endpoint_name: str, variant_name: str, wanted: Serving) -> Action:
    concurrency = {"MaxConcurrency": wanted.max_concurrency}
    if wanted.provisioned_concurrency is not None:
        concurrency["ProvisionedConcurrency"] = wanted.provisioned_concurrency
    change = {"VariantName": variant_name, "ServerlessUpdateConfig": concurrency}
    return Action(
        service="sagemaker",
        method="update_endpoint_weights_and_capacities",
        parameters={"EndpointName": endpoint_name, "DesiredWeightsAndCapacities": [change]},
    )


def _create_model(target: Target) -> Action:
    return Action(
        service="sagemaker",
        method="create_model",
        parameters={
            "ModelName": target.model_name,
            "ExecutionRoleArn": target.role,
            "PrimaryContainer": {
                "Image": target.image,
                "ModelDataUrl": target.model_data_url,
                "Environment": {
                    **target.environment,
                    "SEATRIAL_ENDPOINT_NAME": target.endpoint_name,
                    "SEATRIAL_VARIANT_NAME": target.variant_name,
                    "SEATRIAL_MODEL_VERSION": target.model_name,
                },
            },
            "Tags": _tag_list(target),
        },
    )


def _create_endpoint_config(target: Target) -> Action:
    wanted = target.serverless
    serverless = {
        "MemorySizeInMB": wanted.memory_size_mb,
        "MaxConcurrency": wanted.max_concurrency,
    }
    if wanted.provisioned_concurrency is not None:
        serverless["ProvisionedConcurrency"] = wanted.provisioned_concurrency
    variant = {
        "VariantName": target.variant_name,
        "ModelName": target.model_name,
        "ServerlessConfig": serverless,
    }
    return Action(
        service="sagemaker",
        method="create_endpoint_config",
        parameters={
            "EndpointConfigName": target.endpoint_config_name,
            "ProductionVariants": [variant],
            "Tags": _tag_list(target),
            **({"KmsKeyId": target.kms_key_arn} if target.kms_key_arn else {}),
        },
    )


def _tag_list(target: Target) -> list[dict[str, Any]]:
    return [{"Key": key, "Value": value} for key, value in sorted(target.tags.items())]
