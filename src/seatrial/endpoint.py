"""A serverless endpoint as it is now: look, change, wait, invoke."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from seatrial.aws import explained
from seatrial.client.attributes import EVENT_ID as EVENT_ID
from seatrial.client.attributes import SYNTHETIC as SYNTHETIC
from seatrial.client.attributes import read_attributes
from seatrial.contracts import Serving
from seatrial.errors import DeploymentError, InputError

# CreateEndpoint of a serverless endpoint has been seen to take more than ten minutes.
CHANGE_DEADLINE_S = 1800

BASELINE_TAG = "seatrial:baseline"
PACKAGE_TAG = "seatrial:model-package-arn"
RECORDS_TAG = "seatrial:records"


def records_uri(bucket: str, endpoint_name: str, variant_name: str) -> str:
    """Where the endpoint's prediction records are delivered."""
    return f"s3://{bucket}/predictions/{endpoint_name}/{variant_name}"


@dataclass(frozen=True)
class EndpointState:
    """What DescribeEndpoint says. `serving` is None if the endpoint has never been in service.

    `serverless` is False for an endpoint of instances. `pending_config_name` is what an update that
    is under way changes to.
    """

    name: str
    status: str
    endpoint_config_name: str
    failure_reason: str | None
    arn: str = ""
    serving: Serving | None = None
    serverless: bool = True
    variant_name: str | None = None
    image: str | None = None
    pending_config_name: str | None = None

    @property
    def settled(self) -> bool:
        """True if no change is under way."""
        return not self.status.endswith("ing")

    @classmethod
    def in_service(cls, name: str, serving: Serving) -> EndpointState:
        """An endpoint as it is expected to be."""
        return cls(name, "InService", serving.endpoint_config_name, None, serving=serving)


@dataclass(frozen=True)
class Answer:
    """What an invocation gave back."""

    body: bytes
    content_type: str
    event_id: str | None


def find_endpoint(name: str, sagemaker: Any) -> EndpointState | None:
    """The endpoint's state; None if there is no endpoint of that name."""
    from botocore.exceptions import ClientError

    with explained(f"the endpoint {name}", do="Allow sagemaker:DescribeEndpoint"):
        try:
            found = sagemaker.describe_endpoint(EndpointName=name)
        except ClientError as error:
            if "Could not find" in error.response["Error"]["Message"]:
                return None
            raise
    return _read_state(found)


def _read_state(found: Mapping[str, Any]) -> EndpointState:
    variant: Mapping[str, Any] = next(iter(found.get("ProductionVariants", [])), {})
    images = variant.get("DeployedImages") or [{}]
    never_served = found["EndpointStatus"] in ("Creating", "Failed") or not variant
    serverless = variant.get("CurrentServerlessConfig")
    return EndpointState(
        name=found["EndpointName"],
        status=found["EndpointStatus"],
        endpoint_config_name=found["EndpointConfigName"],
        failure_reason=found.get("FailureReason"),
        arn=found["EndpointArn"],
        serving=None
        if never_served
        else serving_of_variant(found["EndpointConfigName"], serverless),
        serverless=never_served or serverless is not None,
        variant_name=variant.get("VariantName"),
        image=images[0].get("SpecifiedImage"),
        pending_config_name=found.get("PendingDeploymentSummary", {}).get("EndpointConfigName"),
    )


def serving_of_variant(
    endpoint_config_name: str, serverless: Mapping[str, int] | None
) -> Serving | None:
    """That configuration with the concurrency of its variant; None for instances."""
    if serverless is None:
        return None
    return Serving(
        endpoint_config_name=endpoint_config_name,
        max_concurrency=serverless["MaxConcurrency"],
        provisioned_concurrency=serverless.get("ProvisionedConcurrency"),
    )


def get_endpoint(name: str, sagemaker: Any) -> EndpointState:
    """The endpoint's state; InputError if there is no endpoint of that name."""
    state = find_endpoint(name, sagemaker)
    if state is None:
        raise InputError(
            "no such endpoint",
            got=name,
            allowed="the name of an endpoint in this account and region",
            do="Approve a model package to deploy it, or check the name",
        )
    return state


def config_tags(state: EndpointState, sagemaker: Any) -> dict[str, str]:
    """The tags of the configuration in use: where its baseline, records and package are."""
    with explained(f"the tags of {state.endpoint_config_name}", do="Allow sagemaker:ListTags"):
        described = sagemaker.describe_endpoint_config(
            EndpointConfigName=state.endpoint_config_name
        )
        tags = sagemaker.list_tags(ResourceArn=described["EndpointConfigArn"])["Tags"]
    return {tag["Key"]: tag["Value"] for tag in tags}


def wait_until_settled(
    name: str,
    sagemaker: Any,
    *,
    poll_s: float,
    deadline_s: float = CHANGE_DEADLINE_S,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> EndpointState | None:
    """Wait for a change of the endpoint to end; None if it is gone."""
    started = clock()
    while (state := find_endpoint(name, sagemaker)) is not None and not state.settled:
        if clock() - started > deadline_s:
            raise DeploymentError(
                f"the endpoint {name} did not settle",
                got=f"{state.status} after {deadline_s:.0f} s",
                allowed="InService or Failed",
                do="Look at its log group, and at DescribeEndpoint",
            )
        sleep(poll_s)
    return state


def invoke(
    name: str,
    body: bytes,
    *,
    runtime: Any,
    content_type: str,
    accept: str,
    attributes: str | None = None,
    inference_id: str | None = None,
) -> Answer:
    """One prediction; `attributes` go along as SageMaker's custom attributes."""
    optional = {"CustomAttributes": attributes, "InferenceId": inference_id}
    with explained(
        f"a prediction of {name}", do=f"Look into the log group /aws/sagemaker/Endpoints/{name}"
    ):
        answer = runtime.invoke_endpoint(
            EndpointName=name,
            ContentType=content_type,
            Accept=accept,
            Body=body,
            **{key: value for key, value in optional.items() if value is not None},
        )
    attributes_back = read_attributes(answer.get("CustomAttributes", ""))
    return Answer(answer["Body"].read(), answer["ContentType"], attributes_back.get(EVENT_ID))
