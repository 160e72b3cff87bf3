"""Removes an endpoint's models and configurations that nothing needs any more.

Kept are those of the verified deployments in its history and those in use. The same call removes
what a deployment that failed or crashed has left behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from seatrial.aws import explained, split_s3_uri
from seatrial.contracts import Action, DeploymentHistory
from seatrial.deployment.existing import found
from seatrial.deployment.history import golden_uri
from seatrial.deployment.operator import Operator
from seatrial.deployment.target import ENDPOINT_TAG, name_prefix


def remove_unused(operator: Operator, history: DeploymentHistory, bucket: str) -> list[Action]:
    """Delete what is neither kept nor in use, configurations first; return what was deleted."""
    sagemaker, s3 = operator.sagemaker, operator.clients["s3"]
    with explained("what is not needed any more", do="Allow sagemaker:List* and ListTags"):
        configs, models = _removable(operator.endpoint_name, history, sagemaker)
    actions = [
        *(_delete("delete_endpoint_config", EndpointConfigName=name) for name in configs),
        *(_delete("delete_model", ModelName=name) for name in models),
    ]
    operator.carry_out(actions)
    for name in configs:
        where, key = split_s3_uri(golden_uri(bucket, operator.endpoint_name, name))
        with explained(f"deleting s3://{where}/{key}", do="Allow s3:DeleteObject"):
            s3.delete_object(Bucket=where, Key=key)
    return actions


def _removable(
    endpoint_name: str, history: DeploymentHistory, sagemaker: Any
) -> tuple[list[str], list[str]]:
    kept = {item.serving.endpoint_config_name for item in history.verified}
    ours = set(_ours("endpoint_config", endpoint_name, sagemaker))
    configs = ours - kept
    if configs:
        configs -= set(_configs_in_use(sagemaker))
    models = set(_ours("model", endpoint_name, sagemaker))
    models -= {item.model_name for item in history.verified}
    if models:
        models -= set(_models_of_others(configs, sagemaker))
    return sorted(configs), sorted(models)


def _ours(kind: str, endpoint_name: str, sagemaker: Any) -> Iterator[str]:
    """The names that carry this endpoint's tag; names alone are anybody's."""
    prefix = name_prefix(endpoint_name)
    title = {"model": "Model", "endpoint_config": "EndpointConfig"}[kind]
    pages = sagemaker.get_paginator(f"list_{kind}s").paginate(NameContains=prefix)
    for page in pages:
        for item in page[f"{title}s"]:
            tags = sagemaker.list_tags(ResourceArn=item[f"{title}Arn"])["Tags"]
            if {"Key": ENDPOINT_TAG, "Value": endpoint_name} in tags:
                yield item[f"{title}Name"]


def _configs_in_use(sagemaker: Any) -> Iterator[str]:
    """The configurations of all endpoints, whoever made them."""
    for page in sagemaker.get_paginator("list_endpoints").paginate():
        for item in page["Endpoints"]:
            name = item["EndpointName"]
            state = found(partial(sagemaker.describe_endpoint, EndpointName=name))
            if state is not None:
                yield state["EndpointConfigName"]
                yield state.get("PendingDeploymentSummary", {}).get("EndpointConfigName", "")


def _models_of_others(going: set[str], sagemaker: Any) -> Iterator[str]:
    """The models of the configurations that stay."""
    pages = sagemaker.get_paginator("list_endpoint_configs").paginate()
    for page in pages:
        for item in page["EndpointConfigs"]:
            name = item["EndpointConfigName"]
            if name not in going:
                described = sagemaker.describe_endpoint_config(EndpointConfigName=name)
                for variant in described["ProductionVariants"]:
                    yield variant.get("ModelName", "")


def _delete(method: str, **parameters: str) -> Action:
    return Action(service="sagemaker", method=method, parameters=parameters)
