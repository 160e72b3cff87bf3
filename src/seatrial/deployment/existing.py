"""What there is already, so that a plan holds only what is missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from seatrial.aws import explained
from seatrial.contracts import Serving
from seatrial.deployment.scaling import as_deployed
from seatrial.deployment.target import Target, log_group, stream_name
from seatrial.endpoint import EndpointState, find_endpoint, serving_of_variant


@dataclass(frozen=True)
class Existing:
    """What of a target is there. `endpoint_config` is what that configuration itself says."""

    endpoint: EndpointState | None
    model: bool
    endpoint_config: Serving | None
    log_group: bool
    delivery_stream: bool
    subscription: bool


def look(target: Target, clients: Mapping[str, Any]) -> Existing:
    """What of the target is there already."""
    sagemaker, logs, firehose = clients["sagemaker"], clients["logs"], clients["firehose"]
    group, stream = log_group(target.endpoint_name), stream_name(target.endpoint_name)
    with explained("what is deployed", do="Check the job role's permissions"):
        groups = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
        group_is_there = any(item["logGroupName"] == group for item in groups)
        filters = (
            logs.describe_subscription_filters(logGroupName=group)["subscriptionFilters"]
            if group_is_there
            else []
        )
        return Existing(
            endpoint=as_deployed(find_endpoint(target.endpoint_name, sagemaker), clients),
            model=found(lambda: sagemaker.describe_model(ModelName=target.model_name)) is not None,
            endpoint_config=find_endpoint_config(target.endpoint_config_name, sagemaker),
            log_group=group_is_there,
            delivery_stream=found(
                lambda: firehose.describe_delivery_stream(DeliveryStreamName=stream)
            )
            is not None,
            subscription=any(
                item["destinationArn"].endswith(f":deliverystream/{stream}") for item in filters
            ),
        )


def find_endpoint_config(name: str, sagemaker: Any) -> Serving | None:
    """What the configuration of that name says; None if there is none."""
    with explained(f"the configuration {name}", do="Allow sagemaker:DescribeEndpointConfig"):
        described = found(lambda: sagemaker.describe_endpoint_config(EndpointConfigName=name))
    if described is None:
        return None
    return serving_of_variant(name, described["ProductionVariants"][0].get("ServerlessConfig"))


def found(describe: Callable[[], Any]) -> Any:
    """What `describe` answers; None if AWS says that there is no such thing."""
    from botocore.exceptions import ClientError

    try:
        return describe()
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
        if code == "ResourceNotFoundException" or "Could not find" in message:
            return None
        raise
