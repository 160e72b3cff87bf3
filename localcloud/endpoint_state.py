"""The states of an endpoint, and how the service describes them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from seatrial.localcloud.hosting import Deployment


@dataclass(frozen=True)
class Endpoint:
    """One state of an endpoint. `serving` is None until it has been in service."""

    name: str
    status: str
    created_at: datetime
    modified_at: datetime
    serving: Deployment | None
    pending: Deployment | None
    failure_reason: str | None = None

    @property
    def latest(self) -> Deployment:
        """What it serves, or was to serve."""
        deployment = self.serving or self.pending
        assert deployment is not None  # noqa: S101 - an endpoint is made with one
        return deployment

    @property
    def reserved_concurrency(self) -> int:
        """What it takes of the account's total concurrency."""
        if self.status == "Failed":
            return 0
        held = [item.max_concurrency for item in (self.serving, self.pending) if item]
        return max(held, default=0)


def summarise(endpoint: Endpoint, arn: str) -> dict[str, Any]:
    """The endpoint as ListEndpoints shows it."""
    return {
        "EndpointName": endpoint.name,
        "EndpointArn": arn,
        "EndpointStatus": endpoint.status,
        "CreationTime": endpoint.created_at,
        "LastModifiedTime": endpoint.modified_at,
    }


def describe(endpoint: Endpoint, arn: str) -> dict[str, Any]:
    """The endpoint as DescribeEndpoint shows it."""
    answer = {
        **summarise(endpoint, arn),
        "EndpointConfigName": endpoint.latest.config_name,
        "ProductionVariants": [_describe_variant(endpoint.latest, endpoint.modified_at)],
    }
    if endpoint.failure_reason:
        answer["FailureReason"] = endpoint.failure_reason
    if endpoint.pending is not None and endpoint.status != "Failed":
        answer["PendingDeploymentSummary"] = {
            "EndpointConfigName": endpoint.pending.config_name,
            "StartTime": endpoint.modified_at,
        }
    return answer


def _describe_variant(deployment: Deployment, since: datetime) -> dict[str, Any]:
    serverless = {
        "MemorySizeInMB": deployment.memory_mb,
        "MaxConcurrency": deployment.max_concurrency,
    }
    if deployment.provisioned:
        serverless["ProvisionedConcurrency"] = deployment.provisioned
    return {
        "VariantName": deployment.variant_name,
        "DeployedImages": [{"SpecifiedImage": deployment.image_uri, "ResolutionTime": since}],
        "CurrentWeight": 1.0,
        "DesiredWeight": 1.0,
        "CurrentInstanceCount": 0,
        "CurrentServerlessConfig": serverless,
    }
