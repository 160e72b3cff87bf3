"""The states of an endpoint, and how the service describes them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from seatrial.localcloud.hosting import Deployment
from seatrial.localcloud.listing import created_within


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


def is_wanted(endpoint: Endpoint, request: dict[str, Any]) -> bool:
    """Whether ListEndpoints asks for an endpoint of that status, changed at that time."""
    changed_at, wanted = endpoint.modified_at.timestamp(), request.get("StatusEquals")
    return wanted in (None, endpoint.status) and created_within(
        changed_at, request, "LastModifiedTimeAfter", "LastModifiedTimeBefore"
    )


def describe(endpoint: Endpoint, arn: str) -> dict[str, Any]:
    """The endpoint as DescribeEndpoint shows it."""
    serving, pending = endpoint.serving, endpoint.pending if endpoint.status != "Failed" else None
    variant = _describe_variant(endpoint.latest, endpoint.modified_at)
    if serving and pending:
        variant["DesiredServerlessConfig"] = _serverless(pending)
    answer = {
        **summarise(endpoint, arn),
        "EndpointConfigName": endpoint.latest.config_name,
        "ProductionVariants": [variant],
    }
    if pending and not (serving and serving.config_name == pending.config_name):
        answer["PendingDeploymentSummary"] = _summarise_pending(pending, endpoint.modified_at)
    if endpoint.failure_reason:
        answer["FailureReason"] = endpoint.failure_reason
    return answer


def _describe_variant(deployment: Deployment, since: datetime) -> dict[str, Any]:
    return {
        "VariantName": deployment.variant_name,
        "DeployedImages": [{"SpecifiedImage": deployment.image_uri, "ResolutionTime": since}],
        "CurrentWeight": 1.0,
        "DesiredWeight": 1.0,
        "CurrentInstanceCount": 0,
        "CurrentServerlessConfig": _serverless(deployment),
    }


def _summarise_pending(pending: Deployment, since: datetime) -> dict[str, Any]:
    variant = {
        "VariantName": pending.variant_name,
        "DeployedImages": [{"SpecifiedImage": pending.image_uri}],
        "DesiredServerlessConfig": _serverless(pending),
    }
    return {
        "EndpointConfigName": pending.config_name,
        "ProductionVariants": [variant],
        "StartTime": since,
    }


def _serverless(deployment: Deployment) -> dict[str, Any]:
    provisioned = {"ProvisionedConcurrency": deployment.provisioned}
    return {
        "MemorySizeInMB": deployment.memory_mb,
        "MaxConcurrency": deployment.max_concurrency,
        **(provisioned if deployment.provisioned else {}),
    }
