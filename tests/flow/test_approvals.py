"""Events of approvals: several for one, late, in another order, at once."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from approved import Approvals, listening, second
from botocore.exceptions import ClientError
from dock import PAYLOAD, Dock
from record_delivery import BUCKET

from seatrial.contracts import Deployment
from seatrial.deployment.approval import read_approved_at
from seatrial.deployment.rollback import Rollback, roll_back_rejected
from seatrial.deployment.target import Target
from seatrial.endpoint import PACKAGE_TAG, config_tags, get_endpoint
from seatrial.pipelines.execution import executions, follow

pytestmark = pytest.mark.flow


@pytest.fixture(scope="module")
def event_cloud(new_cloud: Any) -> Iterator[Any]:
    with new_cloud(quota="endpoints=20,concurrency=400") as running:
        yield running


@pytest.fixture(scope="module")
def approvals(event_cloud: Any) -> Approvals:
    return Approvals(event_cloud, "approved")


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


def test_of_five_approvals_at_once_the_last_one_serves(
    approvals: Approvals, event_cloud: Any, tmp_path: Path
) -> None:
    """Through the registry, the rule and DeployEndpoint, each in a process of its own."""
    approvals.deploys(tmp_path)
    arns = approvals.register(5)
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(approvals.approve, arns))
    ended = approvals.ended(5)
    assert [item.status for item in ended] == ["Succeeded"] * 5, [
        item.failure_reason for item in ended
    ]
    made = [
        Deployment.model_validate_json(approvals.s3.get_bytes(output_uri(item.arn)))
        for item in ended
    ]
    last = max(arns, key=approvals.approved_at)
    check_each_once(made, serves(event_cloud, "approved"), last)


def test_twenty_duplicate_events_in_any_order_deploy_each_version_at_most_once(
    approvals: Approvals, event_cloud: Any
) -> None:
    before = len(approvals.started())
    made: list[Deployment] = []

    def deploy(arn: str, approved_at: str) -> None:
        one = Dock.of(event_cloud, "duplicates", poll_s=0.5)  # twenty wait at once
        made.append(one.deploy(one.target(arn), event_time=read_approved_at(approved_at)))

    with listening(deploy) as url:
        approvals.hands_over(url)
        arns = approvals.register(4)
        for arn in arns:
            approvals.approve(arn)
        copies = [
            (arn, second(approvals.approved_at(arn), later_s))
            for arn in arns
            for later_s in range(4)
        ]
        random.Random(7).shuffle(copies)
        approvals.replay(copies)
        ended = approvals.ended(20)
    assert len(approvals.started()) == before + 20
    assert [item.status for item in ended] == ["Succeeded"] * 20, [
        item.failure_reason for item in ended
    ]
    assert len(made) == 20
    check_each_once(made, serves(event_cloud, "duplicates"), arns[-1])


def check_each_once(made: list[Deployment], serving: str, last: str) -> None:
    """Every version at most once, and that of the package `last` serves."""
    deployed = changes(made)
    assert len(deployed) == len(set(deployed))
    assert serving == last


def serves(cloud: Any, endpoint_name: str) -> str:
    """The package that the endpoint serves, by its configuration's tags."""
    sagemaker = cloud.client("sagemaker")
    return config_tags(get_endpoint(endpoint_name, sagemaker), sagemaker)[PACKAGE_TAG]


def output_uri(execution_arn: str) -> str:
    """Where the execution's deployment.json is."""
    pipeline, _, execution = execution_arn.split("/")[-3:]
    folder = f"runs/{pipeline}/{execution}/DeployEndpoint/deployment"
    return f"s3://{BUCKET}/{folder}/deployment.json"


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


def test_the_rejection_rule_starts_the_rollback_pipeline(approvals: Approvals) -> None:
    names = {f"approved-{name}" for name in ("readiness", "monitoring", "review", "rollback")}
    assert approvals.pipelines == names
    (arn,), before = approvals.register(1), approvals.started()
    approvals.sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Rejected")
    (execution,) = executions("approved-rollback", approvals.sagemaker)
    *_, last = follow(execution, approvals.sagemaker, poll_s=0.1)
    assert last.status == "Succeeded", last.failure_reason
    assert approvals.started() == before
    described = approvals.sagemaker.list_pipeline_parameters_for_execution(
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
