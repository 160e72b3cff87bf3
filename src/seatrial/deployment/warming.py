"""What keeps an endpoint warm, as the configuration says: nothing, pings, or scaled concurrency.

A ping is one small prediction, marked as synthetic, sent by EventBridge Scheduler itself (a
universal target). It keeps one sandbox warm: schedules are not exact to the second, so that several
would not be asked at once.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seatrial.config import Config
from seatrial.contracts import Action, ServerlessConfiguration, Serving
from seatrial.deployment.scaling import plan_release, plan_scaling
from seatrial.deployment.schedule import NO_WINDOW, find_schedule, plan_removal
from seatrial.endpoint import SYNTHETIC
from seatrial.errors import InputError

# AWS's name of the runtime in universal targets.
_PING = "arn:aws:scheduler:::aws-sdk:sagemakerruntime:invokeEndpoint"
# AWS does not say how long an idle sandbox stays. `seatrial profile --endpoint --idle` measures it.
ASSUMED_IDLE_S = 300.0
# A share of the time after which a sandbox is gone: Scheduler may be most of a minute late.
_OF_IDLE = 0.8
# A schedule's target may have 256 KB of input; what is quoted in it grows.
_MAX_PING_BYTES = 64 * 1024


@dataclass(frozen=True)
class Kept:
    """What is kept warm. `requests` are content types and bodies that it can be asked with."""

    endpoint_name: str
    variant_name: str
    serving: Serving
    requests: Sequence[tuple[str, str]]


def ping_schedule_name(endpoint_name: str) -> str:
    """The name of the endpoint's schedule of pings; 64 characters are allowed."""
    return f"{endpoint_name[:48]}-warm"


def check_warm(config: Config, serverless: ServerlessConfiguration) -> None:
    """InputError if the endpoint cannot be kept warm as the configuration says."""
    warm = config.warm
    if warm.mode != "provisioned":
        return
    if serverless.provisioned_concurrency is None:
        raise InputError(
            "warm.mode is provisioned, and nothing is provisioned",
            got="an older verdict or a review without provisioned concurrency",
            allowed="1 or more, as the configuration has it in endpoint.provisioned_concurrency",
            do="Judge the model again with this configuration, or set warm.mode to none or pings",
        )
    highest = max([warm.max_concurrency, *(item.max_concurrency for item in warm.schedule)])
    if highest > serverless.max_concurrency:
        raise InputError(
            "warm.max_concurrency is over endpoint.max_concurrency",
            got=highest,
            allowed=f"1 to {serverless.max_concurrency}",
            do="Lower it, or raise endpoint.max_concurrency",
        )


def plan_warm(kept: Kept, config: Config, clients: Mapping[str, Any]) -> list[Action]:
    """The calls that are missing, and those that end what is not wanted any more."""
    name, mode = kept.endpoint_name, config.warm.mode
    pings = (
        _plan_pings(kept, config, clients["scheduler"])
        if mode == "pings"
        else plan_removal(ping_schedule_name(name), clients["scheduler"])
    )
    if mode == "provisioned" and kept.serving.provisioned_concurrency is not None:
        scaling = plan_scaling(name, kept.variant_name, kept.serving, config.warm, clients)
    else:
        scaling = plan_release(name, clients)
    return [*pings, *scaling]


def ping_minutes(idle_s: float) -> int:
    """How often to ask, so that a sandbox is never idle for `idle_s`; in whole minutes.

    >>> ping_minutes(300), ping_minutes(75)
    (4, 1)
    """
    return max(1, math.floor(idle_s * _OF_IDLE / 60))


def _plan_pings(kept: Kept, config: Config, scheduler: Any) -> list[Action]:
    name = ping_schedule_name(kept.endpoint_name)
    there = find_schedule(name, scheduler)
    given_s = config.warm.idle_s
    minutes = ping_minutes(given_s or ASSUMED_IDLE_S)
    wanted = {
        "Name": name,
        "Description": f"For a sandbox that stays idle for {given_s:g} s, says warm.idle_s"
        if given_s
        else f"For a sandbox that stays idle for {ASSUMED_IDLE_S:g} s, which is assumed",
        "ScheduleExpression": f"rate({minutes} minute{'' if minutes == 1 else 's'})",
        "FlexibleTimeWindow": NO_WINDOW,
        "State": "ENABLED",
        "Target": {
            "Arn": _PING,
            "RoleArn": config.roles.scheduler,
            # a ping that failed is not worth another, the next comes soon
            "RetryPolicy": {"MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 0},
            "Input": json.dumps(_request(kept), sort_keys=True),
        },
    }
    if there is not None and wanted.items() <= there.items():
        return []
    method = "create_schedule" if there is None else "update_schedule"
    return [Action(service="scheduler", method=method, parameters=wanted)]


def _request(kept: Kept) -> dict[str, str]:
    content_type, body = min(kept.requests, key=lambda item: len(item[1].encode()))
    size = len(body.encode())
    if size > _MAX_PING_BYTES:
        raise InputError(
            "every sample payload is too large for a ping",
            got=f"{size} bytes in the smallest",
            allowed=f"{_MAX_PING_BYTES} bytes",
            do="Register a smaller sample payload, or set warm.mode to none or provisioned",
        )
    return {
        "EndpointName": kept.endpoint_name,
        "ContentType": content_type,
        "CustomAttributes": SYNTHETIC,
        "Body": body,
    }
