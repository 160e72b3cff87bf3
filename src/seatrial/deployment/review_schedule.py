"""The review of an endpoint by itself: EventBridge Scheduler starts the review pipeline."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from seatrial.config import Config
from seatrial.contracts import Action
from seatrial.deployment.schedule import NO_WINDOW, RETRIES, find_schedule, plan_removal


def review_schedule_name(endpoint_name: str) -> str:
    """The name of the endpoint's schedule of reviews; 64 characters are allowed."""
    return f"{endpoint_name[:48]}-review"


def plan_review_schedule(
    endpoint_name: str, config: Config, scheduler: Any, *, now: datetime
) -> list[Action]:
    """The call that makes the schedule, brings it up to date or ends it, if one is needed."""
    name, days = review_schedule_name(endpoint_name), config.review.every_days
    if days is None:
        return plan_removal(name, scheduler)
    there = find_schedule(name, scheduler)
    wanted: dict[str, Any] = {
        "Name": name,
        "ScheduleExpression": f"rate({days} day{'' if days == 1 else 's'})",
        "FlexibleTimeWindow": NO_WINDOW,
        "State": "ENABLED",
        "Target": _target(endpoint_name, config),
    }
    if there is not None and wanted.items() <= there.items():
        return []
    # not at once: there is nothing to look back on yet
    wanted["StartDate"] = (now + timedelta(days=days)).isoformat()
    method = "create_schedule" if there is None else "update_schedule"
    return [Action(service="scheduler", method=method, parameters=wanted)]


def _target(endpoint_name: str, config: Config) -> dict[str, Any]:
    pipeline = f"pipeline/{config.review_pipeline.lower()}"
    return {
        "Arn": f"arn:aws:sagemaker:{config.region}:{config.account}:{pipeline}",
        "RoleArn": config.roles.scheduler,
        "DeadLetterConfig": {"Arn": config.dead_letter_queue_arn},
        "RetryPolicy": RETRIES,
        "SageMakerPipelineParameters": {
            "PipelineParameterList": [{"Name": "EndpointName", "Value": endpoint_name}]
        },
    }
