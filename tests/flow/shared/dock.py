"""Deployments on localcloud of a model whose server starts in no time, through the real code."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from cloud_calls import archive
from doubling_model import SIGNATURE
from record_delivery import make_bucket

from seatrial.aws import explained, split_s3_uri
from seatrial.config import Config, load_config
from seatrial.contracts import (
    Deployment,
    DeploymentHistory,
    Payload,
    ServerlessConfiguration,
)
from seatrial.deployment.history import lock_uri, read_history
from seatrial.deployment.operator import Operator, Pace
from seatrial.deployment.release import Release
from seatrial.deployment.rollback import Rollback, roll_back
from seatrial.deployment.rollout import deploy
from seatrial.deployment.target import PROJECT_TAG, Target
from seatrial.endpoint import EndpointState, find_endpoint
from seatrial.lease import SharedObject, holding
from seatrial.limits import tier_environment
from seatrial.pipelines.registration import ensure_group
from seatrial.readiness.facts import Account, Quota
from seatrial.serving.signature import parse_signature

PAYLOAD = Payload(name="two", content_type="text/csv", rows=2, body="1\n2\n")
SERVICES = (
    "sagemaker",
    "sagemaker-runtime",
    "logs",
    "firehose",
    "s3",
    "cloudwatch",
    "scheduler",
    "application-autoscaling",
)
GROUP = "docked"
PLENTY = Quota(1_000_000, "account quota")
ROOMY = Account(PLENTY, PLENTY, PLENTY, 0, 0)


class Doubling:
    """The model that the server ought to be."""

    signature = parse_signature(SIGNATURE)

    def predict(self, columns: Any) -> dict[str, Any]:
        return {"y": 2 * np.asarray(columns["x"], dtype=float)}


@dataclass(frozen=True)
class Dock:
    """One endpoint of a cloud, and what is deployed to it. `clients` may be made to fail."""

    cloud: Any
    name: str
    clients: Mapping[str, Any]
    config: Config = field(default_factory=load_config)
    lease_s: float = 30.0
    poll_s: float = 0.02  # for the lease

    @classmethod
    def of(cls, cloud: Any, name: str, **changes: Any) -> Dock:
        """An endpoint of that name, with sound clients."""
        clients = {service: cloud.client(service, attempts=3) for service in SERVICES}
        make_bucket(cloud.client)
        return cls(cloud, name, clients, **changes)

    def package(self, *, status: str = "Approved") -> str:
        """A new version in this endpoint's package group; its ARN."""
        sagemaker, group = self.cloud.client("sagemaker"), f"{GROUP}-{self.name}"
        ensure_group(group, sagemaker)
        arn: str = sagemaker.create_model_package(
            ModelPackageGroupName=group, ModelApprovalStatus=status
        )["ModelPackageArn"]
        return arn

    def target(self, package_arn: str, *, concurrency: int = 2, **environment: str) -> Target:
        """What that package is to become."""
        version = package_arn.rsplit("/", 1)[-1]
        key = f"models/{self.name}-{version}/model.tar.gz"
        return Target(
            endpoint_name=self.name,
            variant_name="AllTraffic",
            image="doubling",
            role=self.config.roles.endpoint,
            model_data_url=f"s3://{self.config.bucket}/{key}",
            baseline_uri=f"s3://{self.config.bucket}/baselines/{version}",
            records_uri=f"s3://{self.config.bucket}/predictions/{self.name}/AllTraffic",
            model_package_arn=package_arn,
            serverless=ServerlessConfiguration(
                memory_size_mb=1024, max_concurrency=concurrency, provisioned_concurrency=None
            ),
            environment=tier_environment(1024, environment),
            origin={PROJECT_TAG: self.config.project},
        )

    def deploy(
        self, target: Target, *, event_time: datetime | None = None, account: Account = ROOMY
    ) -> Deployment:
        """Deploy it, as DeployEndpoint does."""
        with self.operating() as operator:
            return deploy(self.release(target, event_time), self.config, operator, account)

    def release(self, target: Target, event_time: datetime | None = None) -> Release:
        """The target with all that its verification needs."""
        return Release(
            target=target,
            payloads=[PAYLOAD],
            model=Doubling(),  # type: ignore[arg-type]
            event_time=event_time,
            publish=lambda: self._publish(target.model_data_url),
        )

    def _publish(self, url: str) -> None:
        bucket, key = split_s3_uri(url)
        with explained(f"the upload to {url}", do="Try again"):
            self.clients["s3"].put_object(Bucket=bucket, Key=key, Body=archive(url))

    def roll_back(self) -> Rollback:
        """Roll it back, as `seatrial rollback` does."""
        with self.operating() as operator:
            return roll_back(operator, self.config)

    @contextlib.contextmanager
    def operating(self) -> Iterator[Operator]:
        """An operator that does not wait long."""
        shared = SharedObject(lock_uri(self.config.bucket, self.name), self.clients["s3"])
        with holding(shared, lease_s=self.lease_s, wait_s=60, poll_s=self.poll_s) as lease:
            yield Operator(self.name, self.clients, lease, Pace(0.02))

    def state(self) -> EndpointState | None:
        """The endpoint now."""
        return find_endpoint(self.name, self.cloud.client("sagemaker"))

    def history(self) -> DeploymentHistory:
        """What is recorded of it."""
        return read_history(self.config.bucket, self.name, self.cloud.client("s3"))

    def left(self) -> tuple[set[str], set[str]]:
        """The names of the configurations and models that there are for the endpoint."""
        sagemaker = self.cloud.client("sagemaker")
        configs = sagemaker.list_endpoint_configs(NameContains=f"{self.name}-", MaxResults=100)
        models = sagemaker.list_models(NameContains=f"{self.name}-", MaxResults=100)
        return (
            {item["EndpointConfigName"] for item in configs["EndpointConfigs"]},
            {item["ModelName"] for item in models["Models"]},
        )
