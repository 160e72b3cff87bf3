"""An endpoint and the way of its records to S3, made by the plan that DeployEndpoint applies."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from doubling_model import archive_of, model_files

from seatrial.config import load_config
from seatrial.contracts import ServerlessConfiguration
from seatrial.deployment.existing import look
from seatrial.deployment.performing import perform
from seatrial.deployment.planning import plan
from seatrial.deployment.target import Target
from seatrial.endpoint import wait_until_settled

CONFIG = load_config()
BUCKET = CONFIG.bucket
VARIANT = CONFIG.endpoint.variant_name

# A boto3 client of the service with that name.
NewClient = Callable[[str], Any]


def target_of(
    endpoint_name: str,
    *,
    image: str = CONFIG.images.serving,
    max_concurrency: int = 1,
    environment: dict[str, str] | None = None,
) -> Target:
    """An endpoint of that image with the archive at s3://<BUCKET>/<endpoint>/model.tar.gz."""
    return Target(
        endpoint_name=endpoint_name,
        variant_name=VARIANT,
        image=image,
        role=CONFIG.roles.endpoint,
        model_data_url=f"s3://{BUCKET}/{endpoint_name}/model.tar.gz",
        baseline_uri=f"s3://{BUCKET}/baseline",
        records_uri=f"s3://{BUCKET}/predictions/{endpoint_name}/{VARIANT}",
        model_package_arn="arn:aws:sagemaker:us-east-1:123456789012:model-package/m/1",
        serverless=ServerlessConfiguration(
            memory_size_mb=1024, max_concurrency=max_concurrency, provisioned_concurrency=None
        ),
        environment=environment or {},
    )


def make_bucket(client: NewClient) -> None:
    """The bucket of the default configuration; it may be there."""
    client("s3").create_bucket(Bucket=BUCKET)


def deploy(
    target: Target,
    client: NewClient,
    *,
    files: dict[str, bytes] | None = None,
    watched: bool = True,
) -> None:
    """The endpoint in service with an archive of `files`; not `watched`: without its delivery."""
    make_bucket(client)
    archive = archive_of(files or model_files())
    client("s3").put_object(Bucket=BUCKET, Key=f"{target.endpoint_name}/model.tar.gz", Body=archive)
    _apply(target, client, {"logs", "firehose", "sagemaker"} if watched else {"sagemaker"})
    state = wait_until_settled(target.endpoint_name, client("sagemaker"), poll_s=0.1)
    if state is None or state.status != "InService":
        raise RuntimeError(f"the endpoint is {state}")


def watch(endpoint_name: str, client: NewClient) -> Target:
    """Only the delivery, for an endpoint made otherwise."""
    target = target_of(endpoint_name)
    _apply(target, client, {"logs", "firehose"})
    return target


def delivered_objects(target: Target, s3: Any) -> dict[str, bytes]:
    """What has been delivered so far, by key."""
    bucket, prefix = target.records_uri.removeprefix("s3://").split("/", 1)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/")
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    return {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


def delivered_lines(target: Target, s3: Any) -> list[str]:
    """The lines of all of them."""
    bodies = delivered_objects(target, s3).values()
    return [line for body in bodies for line in body.decode().splitlines()]


def delivered_ids(target: Target, s3: Any) -> Counter[str]:
    """How often each event id is in S3."""
    return Counter(
        json.loads(line)["eventMetadata"]["eventId"] for line in delivered_lines(target, s3)
    )


def _apply(target: Target, client: NewClient, services: set[str]) -> None:
    clients = {name: client(name) for name in ("sagemaker", "logs", "firehose")}
    actions = plan(target, look(target, clients), CONFIG)
    for action in actions:
        if action.service in services:
            perform(action, clients)
