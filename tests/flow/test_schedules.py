"""The monitoring schedule on localcloud: made once, kept, fired, and gone with its endpoint."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from seatrial.config import Config, load_config
from seatrial.contracts import Action, Arming
from seatrial.deployment.operating import make_clients
from seatrial.deployment.performing import perform
from seatrial.deployment.removal import plan_removal
from seatrial.deployment.review_schedule import plan_review_schedule
from seatrial.deployment.schedule import find_schedule, plan_schedule
from seatrial.steps.arm_monitoring import scheduled

pytestmark = pytest.mark.flow

NOW = datetime.now(UTC)
CONFIG = load_config(project="scheduled")


def windows_of(hours: float) -> Config:
    monitoring = CONFIG.monitoring.model_copy(update={"window_h": (hours,)})
    return CONFIG.model_copy(update={"monitoring": monitoring})


@pytest.fixture(scope="module")
def clients(cloud: Any) -> dict[str, Any]:
    return make_clients(CONFIG)


def eventually(look: Callable[[], Any], seconds: float = 15) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def parameters_of(action: Action) -> dict[str, str]:
    listed = action.parameters["Target"]["SageMakerPipelineParameters"]["PipelineParameterList"]
    return {item["Name"]: item["Value"] for item in listed}


def test_a_schedule_is_made_once_and_goes_with_its_endpoint(clients: dict[str, Any]) -> None:
    scheduler = clients["scheduler"]
    (create,) = plan_schedule("e", CONFIG, scheduler, now=NOW)
    assert create.method == "create_schedule"
    assert create.parameters["ScheduleExpression"] == "rate(10080 minutes)"
    first_end = NOW.replace(second=0, microsecond=0) + timedelta(hours=168)
    start = datetime.fromisoformat(create.parameters["StartDate"])
    assert start == first_end + timedelta(minutes=15)
    perform(create, clients)
    # a later deployment leaves it as it is, its windows too
    later = NOW + timedelta(days=10)
    assert plan_schedule("e", CONFIG, scheduler, now=later) == []
    # other windows: another schedule, whose windows begin anew
    (update,) = plan_schedule("e", windows_of(24), scheduler, now=later)
    assert update.method == "update_schedule"
    assert update.parameters["ScheduleExpression"] == "rate(1440 minutes)"
    assert parameters_of(update)["WindowStart"] != parameters_of(create)["WindowStart"]
    perform(update, clients)
    assert plan_schedule("e", windows_of(24), scheduler, now=later) == []
    (delete,) = plan_removal("e", clients)
    perform(delete, clients)
    assert find_schedule("e-monitoring", scheduler) is None
    assert plan_removal("e", clients) == []


def every(days: int | None) -> Config:
    return CONFIG.model_copy(
        update={"review": CONFIG.review.model_copy(update={"every_days": days})}
    )


def test_a_review_comes_by_itself_as_often_as_configured_or_not_at_all(
    clients: dict[str, Any],
) -> None:
    scheduler = clients["scheduler"]
    (create,) = plan_review_schedule("r", every(30), scheduler, now=NOW)
    assert create.parameters["ScheduleExpression"] == "rate(30 days)"
    assert datetime.fromisoformat(create.parameters["StartDate"]) == NOW + timedelta(days=30)
    assert create.parameters["Target"]["Arn"].endswith(":pipeline/scheduled-review")
    assert parameters_of(create) == {"EndpointName": "r"}
    perform(create, clients)
    later = NOW + timedelta(days=10)
    assert plan_review_schedule("r", every(30), scheduler, now=later) == []
    (update,) = plan_review_schedule("r", every(1), scheduler, now=later)
    assert (update.method, update.parameters["ScheduleExpression"]) == (
        "update_schedule",
        "rate(1 day)",
    )
    (delete,) = plan_review_schedule("r", every(None), scheduler, now=later)
    assert delete.method == "delete_schedule"
    perform(delete, clients)
    assert plan_review_schedule("r", every(None), scheduler, now=later) == []


def test_a_due_schedule_starts_the_pipeline_with_its_windows(clients: dict[str, Any]) -> None:
    sagemaker = clients["sagemaker"]
    names = ("EndpointName", "WindowStart", "WindowEnd")
    definition = {
        "Version": "2020-12-01",
        "Parameters": [{"Name": name, "Type": "String"} for name in names],
        "Steps": [{"Name": "No", "Type": "Fail", "Arguments": {"ErrorMessage": "enough"}}],
    }
    sagemaker.create_pipeline(
        PipelineName=CONFIG.monitoring_pipeline,
        RoleArn=CONFIG.roles.pipeline,
        PipelineDefinition=json.dumps(definition),
    )
    (create,) = plan_schedule("due", CONFIG, clients["scheduler"], now=NOW)
    due_now = {**create.parameters, "StartDate": datetime.now(UTC)}
    clients["scheduler"].create_schedule(**due_now)

    def started() -> Any:
        return sagemaker.list_pipeline_executions(PipelineName=CONFIG.monitoring_pipeline)[
            "PipelineExecutionSummaries"
        ]

    (execution,) = eventually(started)
    given = sagemaker.list_pipeline_parameters_for_execution(
        PipelineExecutionArn=execution["PipelineExecutionArn"]
    )["PipelineParameters"]
    assert {item["Name"]: item["Value"] for item in given} == parameters_of(create)
    assert parameters_of(create)["WindowEnd"] == "latest"


def test_what_cannot_start_is_in_the_dead_letter_queue(clients: dict[str, Any], cloud: Any) -> None:
    sqs = cloud.client("sqs")
    queue = sqs.create_queue(QueueName="scheduled-undelivered")["QueueUrl"]
    (create,) = plan_schedule("lost", CONFIG, clients["scheduler"], now=NOW)
    target = {**create.parameters["Target"], "Arn": create.parameters["Target"]["Arn"] + "-gone"}
    clients["scheduler"].create_schedule(
        **{**create.parameters, "Target": target, "StartDate": datetime.now(UTC)}
    )
    found = eventually(lambda: sqs.receive_message(QueueUrl=queue).get("Messages"))
    assert json.loads(found[0]["Body"])["PipelineName"] == target["Arn"]


def test_an_endpoint_without_a_schedule_is_not_armed(clients: dict[str, Any]) -> None:
    armed = Arming(
        endpoint_name="unscheduled",
        records_seen=(),
        waited_s=0,
        self_tests=(),
        armed=True,
        reason=None,
    )
    done = scheduled(armed, CONFIG, clients, now=NOW)
    made = [(item.method, item.parameters["Name"]) for item in done.actions]
    assert done.armed
    assert made == [
        ("create_schedule", "unscheduled-monitoring"),
        ("create_schedule", "unscheduled-review"),
    ]
    removed = {item.parameters["Name"] for item in plan_removal("unscheduled", clients)}
    assert removed == {"unscheduled-monitoring", "unscheduled-review"}
    # a window that no schedule can have: EventBridge Scheduler refuses the call
    roles = CONFIG.roles.model_copy(update={"scheduler": ""})
    refused = scheduled(
        armed.model_copy(update={"endpoint_name": "refused"}),
        CONFIG.model_copy(update={"roles": roles}),
        clients,
        now=NOW,
    )
    assert not refused.armed
    assert "no schedule starts its monitoring" in str(refused.reason)
