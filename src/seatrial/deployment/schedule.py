"""The monitoring schedule of an endpoint: EventBridge Scheduler starts the monitoring pipeline.

The schedule hands on its windows and not two times, so a start that was late, or tried again, is
about the right window. A schedule that is there keeps its windows, whatever is deployed.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from seatrial.aws import explained
from seatrial.config import Config
from seatrial.contracts import Action
from seatrial.monitoring.cadence import LATEST, Cadence, parse_cadence

# CloudWatch's counts and the last records are some minutes late.
_MARGIN = timedelta(minutes=15)
# For so long a start that fails is tried again, as EventBridge Scheduler does by default.
RETRIES = {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185}
NO_WINDOW = {"Mode": "OFF"}


def schedule_name(endpoint_name: str) -> str:
    """The name of the endpoint's monitoring schedule; 64 characters are allowed."""
    return f"{endpoint_name[:48]}-monitoring"


def plan_schedule(
    endpoint_name: str, config: Config, scheduler: Any, *, now: datetime
) -> list[Action]:
    """The call that makes the schedule or brings it up to date; none if it is as it should be."""
    name = schedule_name(endpoint_name)
    there = find_schedule(name, scheduler)
    length = timedelta(minutes=max(1, round(60 * config.monitoring.window_h[0])))
    cadence = _cadence_of(there) if there else None
    if cadence is None or cadence.length != length:
        cadence = Cadence(now.replace(second=0, microsecond=0), length)
    wanted = {
        "Name": name,
        "ScheduleExpression": f"rate({_minutes(length)})",
        "FlexibleTimeWindow": NO_WINDOW,
        "State": "ENABLED",
        "Target": _target(endpoint_name, cadence, config),
    }
    if there is not None and wanted.items() <= there.items():
        return []
    # the first start comes once the window that is under way now is over
    wanted["StartDate"] = (cadence.window(cadence.ended_by(now)).end + _MARGIN).isoformat()
    method = "create_schedule" if there is None else "update_schedule"
    return [Action(service="scheduler", method=method, parameters=wanted)]


def plan_removal(name: str, scheduler: Any) -> list[Action]:
    """The deletion of that schedule, if it is there."""
    if find_schedule(name, scheduler) is None:
        return []
    return [Action(service="scheduler", method="delete_schedule", parameters={"Name": name})]


def find_schedule(name: str, scheduler: Any) -> dict[str, Any] | None:
    """GetSchedule's answer; None if there is no such schedule."""
    from botocore.exceptions import ClientError

    with explained(f"the schedule {name}", do="Allow scheduler:GetSchedule"):
        try:
            return dict(scheduler.get_schedule(Name=name))
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
            return None


def _target(endpoint_name: str, cadence: Cadence, config: Config) -> dict[str, Any]:
    parameters = {
        "EndpointName": endpoint_name,
        "WindowStart": str(cadence),
        "WindowEnd": LATEST,
    }
    pipeline = f"pipeline/{config.monitoring_pipeline.lower()}"
    return {
        "Arn": f"arn:aws:sagemaker:{config.region}:{config.account}:{pipeline}",
        "RoleArn": config.roles.scheduler,
        "DeadLetterConfig": {"Arn": config.dead_letter_queue_arn},
        "RetryPolicy": RETRIES,
        "SageMakerPipelineParameters": {
            "PipelineParameterList": [
                {"Name": name, "Value": value} for name, value in parameters.items()
            ]
        },
    }


def _cadence_of(schedule: dict[str, Any]) -> Cadence | None:
    settings = schedule["Target"].get("SageMakerPipelineParameters", {})
    given = {item["Name"]: item["Value"] for item in settings.get("PipelineParameterList", [])}
    return parse_cadence(given.get("WindowStart", ""))


def _minutes(length: timedelta) -> str:
    count = length // timedelta(minutes=1)
    return "1 minute" if count == 1 else f"{count} minutes"
