"""Events of approvals: several for one, late, in another order, at once."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from dock import PAYLOAD, Dock
from record_delivery import make_bucket

from seatrial.config import load_config
from seatrial.contracts import Deployment
from seatrial.deployment.rollback import Rollback, roll_back_rejected
from seatrial.deployment.target import Target
from seatrial.pipelines.execution import executions, follow
from seatrial.pipelines.registration import ensure_group
from seatrial.pipelines.upsert import upsert

pytestmark = pytest.mark.flow


@pytest.fixture(scope="module")
def event_cloud(new_cloud: Any) -> Iterator[Any]:
    with new_cloud(quota="endpoints=20,concurrency=400") as running:
        yield running


def approve(dock: Dock, number: int) -> list[tuple[Target, datetime]]:
    """New versions, approved one after the other; the times are those of their events."""
    sagemaker, approved = dock.cloud.client("sagemaker"), []
    for _ in range(number):
        arn = dock.package(status="PendingManualApproval")
        sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
        moment = datetime.now(UTC).replace(microsecond=0)  # as an event has it
        approved.append((dock.target(arn), moment))
    return approved


def changes(made: list[Deployment]) -> list[str]:
    """The configurations that a deployment brought into service."""
    return [
        item.serving.endpoint_config_name
        for item in made
        for action in item.actions
        if action.method in ("create_endpoint", "update_endpoint")
    ]


def test_twenty_duplicate_events_in_any_order_deploy_each_version_at_most_once(
    event_cloud: Any,
) -> None:
    dock = Dock.of(event_cloud, "duplicates")
    approved = approve(dock, 4)
    events = [
        # a second event of an approval has a later time
        (target, moment + timedelta(seconds=copy))
        for target, moment in approved
        for copy in range(5)
    ]
    random.Random(7).shuffle(events)
    made = [dock.deploy(target, event_time=moment) for target, moment in events]
    deployed = changes(made)
    assert len(events) == 20
    assert len(deployed) == len(set(deployed))
    state = dock.state()
    assert state is not None
    assert state.serving == approved[-1][0].serving
    assert deployed[-1] == approved[-1][0].endpoint_config_name


def test_of_five_approvals_at_once_the_last_one_serves(event_cloud: Any) -> None:
    dock = Dock.of(event_cloud, "at-once")
    approved = approve(dock, 5)
    docks = [Dock.of(event_cloud, "at-once") for _ in approved]
    with ThreadPoolExecutor(5) as pool:
        jobs = [
            pool.submit(one.deploy, target, event_time=moment)
            for one, (target, moment) in zip(docks, approved, strict=True)
        ]
        made = [job.result() for job in jobs]
    deployed = changes(made)
    assert len(deployed) == len(set(deployed))
    state = dock.state()
    assert state is not None
    assert state.serving == approved[-1][0].serving
    assert dock.history().latest_approved_at == max(item.approved_at for item in made)


def test_rejecting_what_serves_rolls_back_and_rejecting_anything_else_does_not(
    event_cloud: Any,
) -> None:
    dock = Dock.of(event_cloud, "rejected")
    (first, _), (second, _), (other, _) = approve(dock, 3)
    dock.deploy(first)
    dock.deploy(second)
    sagemaker = event_cloud.client("sagemaker")

    def reject(target: Target) -> Rollback | None:
        with dock.operating() as operator:
            return roll_back_rejected(operator, dock.config, target.model_package_arn)

    assert reject(second) is None  # it is approved still
    for target in (other, second):
        sagemaker.update_model_package(
            ModelPackageArn=target.model_package_arn, ModelApprovalStatus="Rejected"
        )
    assert reject(other) is None
    done = reject(second)
    assert done is not None
    assert done.to.serving == first.serving
    assert reject(second) is None  # the same event again
    state = dock.state()
    assert state is not None
    assert state.serving == first.serving


def test_the_rejection_rule_starts_the_rollback_pipeline(event_cloud: Any) -> None:
    config = load_config(deployment={"on_rejection": "roll_back"})
    names = ("s3", "sagemaker", "events")
    clients = {name: event_cloud.client(name) for name in names}
    make_bucket(event_cloud.client)
    arns = upsert(config, clients=clients).pipeline_arns
    assert set(arns) == {"seatrial-readiness", "seatrial-monitoring", "seatrial-rollback"}
    sagemaker = clients["sagemaker"]
    ensure_group(config.model_package_group, sagemaker)
    package = sagemaker.create_model_package(ModelPackageGroupName=config.model_package_group)
    arn = package["ModelPackageArn"]
    sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Rejected")
    (execution,) = executions("seatrial-rollback", sagemaker)
    *_, last = follow(execution, sagemaker, poll_s=0.1)
    assert last.status == "Succeeded", last.failure_reason
    assert executions("seatrial-readiness", sagemaker) == []
    described = clients["sagemaker"].list_pipeline_parameters_for_execution(
        PipelineExecutionArn=execution
    )["PipelineParameters"]
    assert {"Name": "ModelPackageArn", "Value": arn} in described


def test_no_request_fails_because_of_an_update_or_a_rollback(event_cloud: Any) -> None:
    dock = Dock.of(event_cloud, "busy")
    dock.deploy(dock.target(dock.package(), concurrency=10))
    stop, answers, errors = threading.Event(), list[bytes](), list[ClientError]()

    def keep_asking() -> None:
        runtime = event_cloud.client("sagemaker-runtime")
        while not stop.is_set():
            try:
                answer = runtime.invoke_endpoint(
                    EndpointName=dock.name, Body=PAYLOAD.body, ContentType="text/csv"
                )
            except ClientError as error:
                errors.append(error)
            else:
                answers.append(answer["Body"].read())

    with ThreadPoolExecutor(2) as pool:
        asking = [pool.submit(keep_asking) for _ in range(2)]
        dock.deploy(dock.target(dock.package(), concurrency=10))
        dock.roll_back()
        stop.set()
        for one in asking:
            one.result()
    assert errors == []
    assert len(answers) > 20
    assert set(answers) == {b"2.0\n4.0\n"}
