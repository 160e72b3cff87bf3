"""What is to serve, and the names that follow from it.

Names derive from content: the same model, served and watched the same way, has the same names, so a
plan for what is there already is empty.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from seatrial.contracts import ServerlessConfiguration, Serving
from seatrial.endpoint import BASELINE_TAG, PACKAGE_TAG, RECORDS_TAG

ENDPOINT_TAG = "seatrial:endpoint"
PROJECT_TAG = "seatrial:project"
EXECUTION_TAG = "seatrial:execution"
COMMIT_TAG = "seatrial:git-commit"


@dataclass(frozen=True)
class Target:
    """What is to serve; everything that names derive from, `origin` apart.

    `origin` are tags that say where it comes from: project, execution, git commit.
    """

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
    kms_key_arn: str | None = None
    origin: dict[str, str] = field(default_factory=dict)

    @property
    def model_name(self) -> str:
        """`<endpoint>-<hash of model, image and environment>`."""
        parts = [self.model_data_url, self.image, self.role, self.environment]
        return f"{name_prefix(self.endpoint_name)}{_short_hash(parts)}"

    @property
    def endpoint_config_name(self) -> str:
        """`<endpoint>-<hash of the model and how it is served and watched>`.

        How many requests at once is not part of it: that changes in place. Whether concurrency is
        provisioned is: UpdateEndpointWeightsAndCapacities has no way to say "none".
        """
        parts = [
            *(self.model_name, self.variant_name, self.serverless.memory_size_mb),
            *(self.serverless.provisioned_concurrency is not None, self.baseline_uri),
            *(self.records_uri, self.model_package_arn, self.kms_key_arn),
        ]
        return f"{name_prefix(self.endpoint_name)}{_short_hash(parts)}"

    @property
    def serving(self) -> Serving:
        """What the endpoint serves once this is deployed."""
        return Serving(
            endpoint_config_name=self.endpoint_config_name,
            max_concurrency=self.serverless.max_concurrency,
            provisioned_concurrency=self.serverless.provisioned_concurrency,
        )

    @property
    def tags(self) -> dict[str, str]:
        """What everything that is made for it carries."""
        return {
            **self.origin,
            ENDPOINT_TAG: self.endpoint_name,
            PACKAGE_TAG: self.model_package_arn,
            BASELINE_TAG: self.baseline_uri,
            RECORDS_TAG: self.records_uri,
        }


def name_prefix(endpoint_name: str) -> str:
    """How the names of an endpoint's models and configurations begin; 63 characters in all."""
    return f"{endpoint_name[:48]}-"


def _short_hash(parts: Sequence[Any]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def log_group(endpoint_name: str) -> str:
    """Where SageMaker puts what the endpoint's container prints."""
    return f"/aws/sagemaker/Endpoints/{endpoint_name}"


def stream_name(endpoint_name: str) -> str:
    """The delivery stream that carries the endpoint's records to S3."""
    return f"seatrial-{endpoint_name}"
