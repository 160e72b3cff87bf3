"""A temporary endpoint: the calls that make it, and those that leave nothing of it behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from seatrial.aws import split_s3_uri
from seatrial.contracts import Action
from seatrial.deployment.target import log_group
from seatrial.endpoint import EndpointState, wait_until_settled
from seatrial.errors import SeatrialError
from seatrial.limits import tier_environment

EXPIRES_TAG = "seatrial:trial-expires"
# A trial takes minutes; what is older than this belongs to one that was killed.
LIFETIME = timedelta(hours=2)
DELETE_DEADLINE_S = 900
POLL_S = 0.5


@dataclass(frozen=True)
class Temporary:
    """One endpoint to try; model, configuration and endpoint have the same name."""

    name: str
    variant_name: str
    image: str
    role: str
    model_data_url: str
    memory_size_mb: int
    max_concurrency: int
    environment: Mapping[str, str]

    def plan(self, now: datetime) -> list[Action]:
        """The calls that make it; the tag says from when on any trial may remove it."""
        tags = [{"Key": EXPIRES_TAG, "Value": (now + LIFETIME).isoformat()}]
        container = {
            "Image": self.image,
            "ModelDataUrl": self.model_data_url,
            "Environment": {
                **tier_environment(self.memory_size_mb, self.environment),
                "SEATRIAL_ENDPOINT_NAME": self.name,
                "SEATRIAL_VARIANT_NAME": self.variant_name,
            },
        }
        variant = {
            "VariantName": self.variant_name,
            "ModelName": self.name,
            "ServerlessConfig": {
                "MemorySizeInMB": self.memory_size_mb,
                "MaxConcurrency": self.max_concurrency,
            },
        }
        calls: list[tuple[str, dict[str, Any]]] = [
            (
                "create_model",
                {
                    "ModelName": self.name,
                    "ExecutionRoleArn": self.role,
                    "PrimaryContainer": container,
                },
            ),
            (
                "create_endpoint_config",
                {"EndpointConfigName": self.name, "ProductionVariants": [variant]},
            ),
            ("create_endpoint", {"EndpointName": self.name, "EndpointConfigName": self.name}),
        ]
        return [
            Action(service="sagemaker", method=method, parameters={**parameters, "Tags": tags})
            for method, parameters in calls
        ]


def remove(
    name: str,
    clients: Mapping[str, Any],
    *,
    model_data_url: str | None,
    sleep: Callable[[float], None] = time.sleep,
) -> list[str]:
    """Remove endpoint, configuration, model, log group and archive; what could not be, and why.

    Each is tried whatever becomes of the others. An endpoint that is still being made cannot be
    deleted, so that is waited for.
    """
    sagemaker = clients["sagemaker"]
    steps: list[tuple[str, Callable[[], object]]] = [
        (f"endpoint {name}", lambda: _delete_endpoint(name, sagemaker, sleep)),
        (
            f"endpoint configuration {name}",
            lambda: sagemaker.delete_endpoint_config(EndpointConfigName=name),
        ),
        (f"model {name}", lambda: sagemaker.delete_model(ModelName=name)),
        (
            f"log group {log_group(name)}",
            lambda: clients["logs"].delete_log_group(logGroupName=log_group(name)),
        ),
    ]
    if model_data_url is not None:
        bucket, key = split_s3_uri(model_data_url)
        steps.append((model_data_url, lambda: clients["s3"].delete_object(Bucket=bucket, Key=key)))
    return [told for what, step in steps if (told := _tried(what, step)) is not None]


def _tried(what: str, step: Callable[[], object]) -> str | None:
    """None if `step` worked or there was nothing to do; else what is left, and why."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        step()
    except ClientError as error:
        answer = error.response["Error"]
        if "Could not find" in answer["Message"] or answer["Code"] == "ResourceNotFoundException":
            return None
        return f"{what} ({answer['Code']}: {answer['Message']})"
    except (BotoCoreError, SeatrialError) as error:
        return f"{what} ({error})"
    return None


def _delete_endpoint(name: str, sagemaker: Any, sleep: Callable[[float], None]) -> None:
    def wait() -> EndpointState | None:
        return wait_until_settled(
            name, sagemaker, poll_s=POLL_S, deadline_s=DELETE_DEADLINE_S, sleep=sleep
        )

    if wait() is not None:
        sagemaker.delete_endpoint(EndpointName=name)
        wait()


def expired(prefix: str, sagemaker: Any, now: datetime) -> Iterator[str]:
    """Names of trial endpoints, models and configurations that a killed trial left behind."""
    listed = (
        ("list_endpoints", "Endpoints", "Endpoint"),
        ("list_endpoint_configs", "EndpointConfigs", "EndpointConfig"),
        ("list_models", "Models", "Model"),
    )
    seen: set[str] = set()
    for method, key, kind in listed:
        for page in sagemaker.get_paginator(method).paginate(NameContains=prefix):
            for item in page[key]:
                name = item[f"{kind}Name"]
                if name in seen or not name.startswith(prefix):
                    continue
                if _is_expired(item[f"{kind}Arn"], sagemaker, now):
                    seen.add(name)
                    yield name


def _is_expired(arn: str, sagemaker: Any, now: datetime) -> bool:
    tags = sagemaker.list_tags(ResourceArn=arn)["Tags"]
    until = next((tag["Value"] for tag in tags if tag["Key"] == EXPIRES_TAG), None)
    return until is not None and datetime.fromisoformat(until) < now
