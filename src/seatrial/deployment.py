"""What a deployment does, as data: the calls to make, and the way back.

Names derive from content: the same model, served and watched the same way, has the same names, so a
plan for what is there already is empty.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seatrial.aws import explained
from seatrial.config import Config
from seatrial.contracts import Action, ServerlessConfiguration
from seatrial.endpoint import (
    BASELINE_TAG,
    PACKAGE_TAG,
    RECORDS_TAG,
    EndpointState,
    find_endpoint,
)


@dataclass(frozen=True)
class Target:
    """What is to serve; everything that names derive from."""

    endpoint_name: str
    variant_name: str
    image: str
    role: str
    model_data_url: str
    baseline_uri: str
    records_uri: str
    model_package_arn: str
    serverless: ServerlessConfiguration
    environment: dict[str, str]

    @property
    def model_name(self) -> str:
        """`<endpoint>-<hash of model, image and environment>`."""
        parts = [self.model_data_url, self.image, self.role, self.environment]
        return f"{self.endpoint_name[:48]}-{_short_hash(parts)}"

    @property
    def endpoint_config_name(self) -> str:
        """`<endpoint>-<hash of the model and how it is served and watched>`."""
        parts = [self.model_name, self.serverless.model_dump(), self.baseline_uri]
        return f"{self.endpoint_name[:48]}-{_short_hash([*parts, self.model_package_arn])}"


@dataclass(frozen=True)
class Existing:
    """What there is already, so that a plan holds only what is missing."""

    endpoint: EndpointState | None
    model: bool
    endpoint_config: bool
    log_group: bool
    delivery_stream: bool


def _short_hash(parts: Sequence[Any]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def log_group(endpoint_name: str) -> str:
    """Where SageMaker puts what the endpoint's container prints."""
    return f"/aws/sagemaker/Endpoints/{endpoint_name}"


def plan(target: Target, existing: Existing, config: Config) -> list[Action]:
    """The calls to make: the records' way to S3 first, then model, configuration, endpoint."""
    actions = _plan_records(target, existing, config)
    if not existing.model:
        actions.append(_create_model(target))
    if not existing.endpoint_config:
        actions.append(_create_endpoint_config(target))
    names = {
        "EndpointName": target.endpoint_name,
        "EndpointConfigName": target.endpoint_config_name,
    }
    if existing.endpoint is None:
        actions.append(Action(service="sagemaker", method="create_endpoint", parameters=names))
    elif existing.endpoint.endpoint_config_name != target.endpoint_config_name:
        actions.append(Action(service="sagemaker", method="update_endpoint", parameters=names))
    return actions


def plan_rollback(target: Target, endpoint: EndpointState | None) -> list[Action]:
    """The way back to `endpoint`, the state before: its configuration, or no endpoint at all."""
    if endpoint is None:
        parameters = {"EndpointName": target.endpoint_name}
        return [Action(service="sagemaker", method="delete_endpoint", parameters=parameters)]
    if endpoint.endpoint_config_name == target.endpoint_config_name:
        return []
    parameters = {
        "EndpointName": target.endpoint_name,
        "EndpointConfigName": endpoint.endpoint_config_name,
    }
    return [Action(service="sagemaker", method="update_endpoint", parameters=parameters)]


def _plan_records(target: Target, existing: Existing, config: Config) -> list[Action]:
    """Log group, delivery stream and subscription filter; the last is the same put each time."""
    group, stream = log_group(target.endpoint_name), f"seatrial-{target.endpoint_name}"
    prefix = target.records_uri.removeprefix(f"s3://{config.bucket}/")
    actions = []
    if not existing.log_group:
        actions.append(
            Action(service="logs", method="create_log_group", parameters={"logGroupName": group})
        )
    if not existing.delivery_stream:
        destination = {
            "RoleARN": config.roles.firehose,
            "BucketARN": f"arn:aws:s3:::{config.bucket}",
            "Prefix": f"{prefix}/!{{timestamp:yyyy/MM/dd/HH}}/",
            "ErrorOutputPrefix": f"undelivered/{stream}/!{{firehose:error-output-type}}/",
            "BufferingHints": {
                "IntervalInSeconds": int(config.monitoring.firehose_buffer_s),
                "SizeInMBs": 64,
            },
            "ProcessingConfiguration": {
                "Enabled": True,
                "Processors": [
                    {
                        "Type": "Decompression",
                        "Parameters": [
                            {"ParameterName": "CompressionFormat", "ParameterValue": "GZIP"}
                        ],
                    },
                    {
                        "Type": "CloudWatchLogProcessing",
                        "Parameters": [
                            {"ParameterName": "DataMessageExtraction", "ParameterValue": "true"}
                        ],
                    },
                ],
            },
        }
        parameters = {
            "DeliveryStreamName": stream,
            "DeliveryStreamType": "DirectPut",
            "ExtendedS3DestinationConfiguration": destination,
        }
        actions.append(
            Action(service="firehose", method="create_delivery_stream", parameters=parameters)
        )
    arn = f"arn:aws:firehose:{config.region}:{config.account}:deliverystream/{stream}"
    parameters = {
        "logGroupName": group,
        "filterName": "seatrial",
        "filterPattern": '"captureData"',
        "destinationArn": arn,
        "roleArn": config.roles.logs,
    }
    actions.append(Action(service="logs", method="put_subscription_filter", parameters=parameters))
    return actions


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
    tags = {
        BASELINE_TAG: target.baseline_uri,
        PACKAGE_TAG: target.model_package_arn,
        RECORDS_TAG: target.records_uri,
    }
    return Action(
        service="sagemaker",
        method="create_endpoint_config",
        parameters={
            "EndpointConfigName": target.endpoint_config_name,
            "ProductionVariants": [
                {
                    "VariantName": target.variant_name,
                    "ModelName": target.model_name,
                    "ServerlessConfig": serverless,
                }
            ],
            "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
        },
    )


def look(target: Target, clients: Mapping[str, Any]) -> Existing:
    """What of the target is there already."""
    sagemaker, logs, firehose = clients["sagemaker"], clients["logs"], clients["firehose"]
    group, stream = log_group(target.endpoint_name), f"seatrial-{target.endpoint_name}"
    with explained("what is deployed", do="Check the job role's permissions"):
        groups = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
        return Existing(
            endpoint=find_endpoint(target.endpoint_name, sagemaker),
            model=_found(lambda: sagemaker.describe_model(ModelName=target.model_name)),
            endpoint_config=_found(
                lambda: sagemaker.describe_endpoint_config(
                    EndpointConfigName=target.endpoint_config_name
                )
            ),
            log_group=any(item["logGroupName"] == group for item in groups),
            delivery_stream=_found(
                lambda: firehose.describe_delivery_stream(DeliveryStreamName=stream)
            ),
        )


def _found(describe: Callable[[], Any]) -> bool:
    from botocore.exceptions import ClientError

    try:
        describe()
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
        if code == "ResourceNotFoundException" or "Could not find" in message:
            return False
        raise
    return True
