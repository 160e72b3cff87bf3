"""A localcloud with the foundation's stack, and deployments made as its roles."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config as BotoConfig
from dock import SERVICES, Dock

from seatrial.config import Config, load_config
from seatrial.foundation import lay_foundation

NAME = "granted"


def granted_config(**sections: Any) -> Config:
    """A project of its own, whose endpoint its roles may change."""
    return load_config(
        project=NAME,
        bucket=f"{NAME}-files",
        model_package_group=f"docked-{NAME}",
        endpoint={"name": NAME, "provisioned_concurrency": 1},  # some of them scale
        **sections,
    )


def lay(cloud: Any, **sections: Any) -> None:
    """The stack: bucket, roles and what else is there once."""
    lay_foundation(granted_config(**sections), cloud.client("cloudformation"))


def as_role(cloud: Any, role: str, service: str) -> Any:
    """A client with that role's credentials, as STS gives them to whoever assumes it."""
    arn = f"arn:aws:iam::{granted_config().account}:role/{NAME}-{role}"
    keys = cloud.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
    session = boto3.Session(
        keys["AccessKeyId"],
        keys["SecretAccessKey"],
        keys["SessionToken"],
        region_name=cloud.region,
    )
    settings = BotoConfig(read_timeout=70, retries={"total_max_attempts": 3, "mode": "standard"})
    return session.client(service, endpoint_url=cloud.endpoint_url, config=settings)  # type: ignore[call-overload]


def dock_of(cloud: Any, role: str) -> Dock:
    """The endpoint, as that role deals with it."""
    dock = Dock.of(cloud, NAME, config=granted_config())
    clients = {service: as_role(cloud, role, service) for service in SERVICES}
    return Dock(cloud, NAME, clients, config=dock.config)
