"""From a verdict to the version before: React asks, the rollback pipeline does it, by its roles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from dock import Dock
from granted import NAME, as_role, dock_of, granted_config, lay
from least_privilege import read_accesses, read_roles

from seatrial.config import load_config
from seatrial.contracts import (
    DriftReport,
    LabelScores,
    MetricScore,
    Monitoring,
    QualityReport,
    Reaction,
    Window,
)
from seatrial.deployment.history import write_history
from seatrial.deployment.judged import Answer, roll_back_judged
from seatrial.deployment.target import Target
from seatrial.errors import DeploymentError
from seatrial.monitoring.reactions import Findings
from seatrial.pipelines.execution import executions
from seatrial.pipelines.rollback import rollback_definition
from seatrial.pipelines.upsert import config_uri, upload_referenced, upsert_pipeline
from seatrial.steps.react import SERVICES, react

pytestmark = pytest.mark.flow

BACK = {"decay": ["notify", "event", "rollback"], "cooldown_h": 0}
START = datetime(2026, 6, 1, tzinfo=UTC)
WEEK = timedelta(days=7)


@pytest.fixture(scope="module")
def judging_cloud(new_cloud: Any) -> Iterator[Any]:
    with new_cloud(quota="endpoints=20,concurrency=400") as running:
        yield running


@pytest.fixture(scope="module")
def granted(judging_cloud: Any) -> Dock:
    """An endpoint on its second version, dealt with by the deploy role, and its pipeline."""
    config = granted_config(reactions=BACK)
    lay(judging_cloud, reactions=BACK)
    upload_referenced(config, judging_cloud.client("s3"))
    upsert_pipeline(
        {
            "PipelineName": config.rollback_pipeline,
            "PipelineDefinition": rollback_definition(config, config_uri=config_uri(config)),
            "RoleArn": config.roles.pipeline,
        },
        judging_cloud.client("sagemaker"),
    )
    dock = replace(dock_of(judging_cloud, "deploy"), config=config)
    deploy(dock, 2)
    return dock


def deploy(dock: Dock, number: int) -> list[Target]:
    """So many versions, one after the other; the last one serves."""
    targets = [dock.target(dock.package()) for _ in range(number)]
    for target in targets:
        dock.deploy(target)
    return targets


def decayed(config_name: str, week: int) -> Findings:
    """A week whose labels show that the model has become worse."""
    window = Window(
        endpoint_name=NAME,
        variant_name="AllTraffic",
        endpoint_config_name=config_name,
        baseline_uri="s3://lake/baselines/1",
        started_at=START + week * WEEK,
        ended_at=START + (week + 1) * WEEK,
        records=100,
        rows=1000,
        synthetic_records=0,
        duplicate_records=0,
        broken_lines=0,
        failed_requests=0,
        foreign_records=0,
        invocations=None,
        completeness_ratio=None,
    )
    auc = MetricScore(
        metric="auc", value=0.6, low=0.58, high=0.62, baseline=0.75, change=-0.15, decayed=True
    )
    return Findings(
        window,
        QualityReport(rows=1000, evaluated=9, failed=(), success=True),
        DriftReport(rows=1000, window_h=168, status="no drift", columns=(), detail=""),
        LabelScores(status="scored", labelled_rows=1000, unmatched_labels=0, metrics=(auc,)),
    )


def test_two_weeks_of_decay_bring_the_version_before_back_and_a_third_changes_nothing(
    granted: Dock, tmp_path: Path
) -> None:
    cloud, config = granted.cloud, granted.config
    clients = {name: as_role(cloud, "react", name) for name in SERVICES}
    after, before = (item.serving for item in granted.history().verified)
    judged, brought_back = after.endpoint_config_name, before.endpoint_config_name

    def week(number: int, config_name: str) -> tuple[Reaction, Monitoring]:
        result = react(decayed(config_name, number), config, clients, tmp_path, artifacts=[])
        [reaction] = [item for item in result.reactions if item.kind == "rollback"]
        return reaction, result

    def serves() -> str | None:
        state = granted.state()
        return state.endpoint_config_name if state else None

    first, _ = week(0, judged)
    assert (first.done, first.detail, serves()) == (False, "window 1 of 2 in a row", judged)
    second, result = week(1, judged)
    assert (second.done, second.endpoint, serves()) == (True, "changed", brought_back)
    assert second.detail.startswith(f"{NAME} serves {brought_back} of ")
    assert [item.serving for item in granted.history().verified] == [before]
    assert [item.kind for item in result.reactions][-2:] == ["sns", "cloudwatch"]
    # what serves now has decayed for one week; the one of before is judged once more
    third, _ = week(2, brought_back)
    assert (third.done, third.detail) == (False, "window 1 of 2 in a row")
    late, _ = week(2, judged)
    assert (late.done, late.endpoint) == (False, "unchanged")
    assert late.detail.startswith(f"{NAME} serves {brought_back}, and {judged} is no verified")
    assert serves() == brought_back
    assert len(executions(config.rollback_pipeline, cloud.client("sagemaker"))) == 2


def test_react_may_ask_for_it_and_only_the_deploy_role_may_do_it(
    granted: Dock, judging_cloud: Any
) -> None:
    roles = read_roles(judging_cloud.client("iam"), f"{NAME}-")
    accesses = read_accesses(judging_cloud.endpoint_url)
    asked = {seen.action for seen in accesses if seen.role == f"{NAME}-react"}
    assert {
        "sagemaker:StartPipelineExecution",
        "sagemaker:DescribePipelineExecution",
        "sagemaker:ListPipelineExecutionSteps",
    } <= asked
    refused = {str(seen) for seen in accesses if not roles[seen.role].allows(seen)}
    assert not refused, "\n".join(sorted(refused))
    may = {action for _, action in roles[f"{NAME}-react"].grants()}
    assert not {item for item in may if "Endpoint" in item}


def dock_named(cloud: Any, name: str) -> Dock:
    """An endpoint of its own."""
    return Dock.of(cloud, name, config=load_config(deployment={"keep_configurations": 4}))


def judge(dock: Dock, target: Target) -> Answer:
    with dock.operating() as operator:
        return roll_back_judged(operator, dock.config, target.endpoint_config_name)


def serving_of(dock: Dock) -> str | None:
    state = dock.state()
    return state.endpoint_config_name if state else None


def reject(dock: Dock, target: Target) -> None:
    dock.cloud.client("sagemaker").update_model_package(
        ModelPackageArn=target.model_package_arn, ModelApprovalStatus="Rejected"
    )


def test_what_was_deployed_in_between_is_not_undone(judging_cloud: Any) -> None:
    dock = dock_named(judging_cloud, "newer")
    _, judged, newer = deploy(dock, 3)
    answer = judge(dock, judged)
    assert answer.kept == (
        f"{dock.name} serves {newer.endpoint_config_name} by now, "
        f"and not {judged.endpoint_config_name}"
    )
    assert serving_of(dock) == newer.endpoint_config_name


def test_a_rejected_version_and_the_same_model_are_passed_over(judging_cloud: Any) -> None:
    dock = dock_named(judging_cloud, "passed-over")
    first, rejected, judged = deploy(dock, 3)
    dock.deploy(dock.target(judged.model_package_arn, concurrency=3))
    reject(dock, rejected)
    answer = judge(dock, judged)
    assert answer.done is not None
    assert answer.done.to.serving == first.serving
    assert serving_of(dock) == first.endpoint_config_name
    assert [item.serving for item in dock.history().verified] == [first.serving]
    # the same once more, and for what it has brought back
    assert judge(dock, judged).done is None
    last = judge(dock, first).kept or ""
    assert last.startswith(f"there is nothing to roll {dock.name} back to: no other version")
    assert serving_of(dock) == first.endpoint_config_name


def test_if_the_version_before_does_not_verify_the_judged_one_serves_again(
    judging_cloud: Any,
) -> None:
    dock = dock_named(judging_cloud, "unverified")
    before, judged = deploy(dock, 2)
    history = dock.history()
    spoilt = history.verified[1].model_copy(update={"image": "another"})
    spoilt_history = history.model_copy(update={"verified": (history.verified[0], spoilt)})
    write_history(spoilt_history, dock.config.bucket, history.fence, dock.clients["s3"])
    with pytest.raises(DeploymentError):
        judge(dock, judged)
    assert serving_of(dock) == judged.endpoint_config_name
    assert dock.history().verified[0].serving == judged.serving
    assert before.endpoint_config_name in dock.left()[0]
