"""The demo's story on a slice of the flights: real processes, real boto3 over HTTP."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from code_build import code_build, put_seatrial, read_buildspec
from idle_grants import outdated, unexplained
from in_process import call_seatrial
from least_privilege import Role, Seen, allows, read_accesses, read_roles

from seatrial.aws import client
from seatrial.config import Config
from seatrial.contracts import Arming, Deployment, GoldenPrediction, Monitoring, read_contract
from seatrial.contracts.review import Review
from seatrial.deployment.operating import make_clients
from seatrial.deployment.schedule import find_schedule, plan_schedule
from seatrial.endpoint import records_uri
from seatrial.errors import CloudError
from seatrial.examples.flights.data import QUIET_WEEK, SUMMER_WEEK, Period
from seatrial.examples.flights.demo import demo_config, judge_small, local_cloud
from seatrial.examples.flights.story import Scale, Story, WatchedWindow, find_check
from seatrial.examples.flights.traffic import Asked
from seatrial.monitoring.call_files import read_calls, write_calls
from seatrial.monitoring.span import Span
from seatrial.pipelines.execution import ExecutionStatus, executions, follow, start, status
from seatrial.pipelines.registration import describe_package
from seatrial.pipelines.upsert import upsert
from seatrial.steps.arm_monitoring import arm, take_back_unwatched

pytestmark = pytest.mark.flow

# A slice of the flights, and a quota that the slice's neighbours exceed.
SCALE = Scale(share=0.3, neighbour_rows=8_500, batch_rows=16_000)
QUOTA_MB = 1024
# Fewer repetitions of the same measurements: no test here asks how long anything takes.
QUICK = {"repeats": 2, "seconds_per_batch": 0.05, "bootstrap_resamples": 100}
BRIEF = {
    "cold_start_repeats": 1,
    "requests_per_payload": 20,
    "max_seconds_per_payload": 1,
    "scaled_requests": 0,
    "growth_requests": 0,
    "tier_requests": 0,
}


def ignore(_: object = None) -> None:
    """Nobody watches the progress."""


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    out = tmp_path_factory.mktemp("story")
    config = demo_config(
        out,
        quotas={"memory_size_mb": QUOTA_MB},
        foundation={"source_location": "https://github.com/someone/flights"},
        review={"advisories_url": None, "bill": True, "bill_lag_days": 0},
        optimization=QUICK,
    )
    config = config.model_copy(update={"profile": config.profile.model_copy(update=BRIEF)})
    with local_cloud(out, config, quota=f"memory={QUOTA_MB}"):
        made = Story(out, config, SCALE)
        made.lay_foundation()
        made.upsert_pipelines()
        yield made


@pytest.fixture(scope="module")
def package_arn(story: Story) -> str:
    return story.register_best(story.train_and_compare())


@pytest.fixture(scope="module")
def deployed(story: Story, package_arn: str) -> ExecutionStatus:
    return story.approve_and_follow(package_arn, ignore)


@dataclass(frozen=True)
class ByHand:
    """What `seatrial monitor` found in a week, printed and exited with."""

    monitoring: Monitoring
    said: str
    code: int


def monitor_by_hand(story: Story, week: Period) -> ByHand:
    """The pipeline's five steps, in this process."""
    config, out = story.out / "config.yaml", story.out / "by-hand" / week.start
    config.write_text(story.config.to_yaml(), encoding="utf-8")
    span = ("--start", week.start, "--end", week.end)
    words = ("--config", str(config), "monitor", "run", "flights", *span, "--out", str(out))
    ended = call_seatrial(*words)
    found = read_contract(Monitoring, out / "monitoring" / "monitoring.json")
    return ByHand(found, ended.stdout, ended.returncode)


@pytest.fixture(scope="module")
def quiet(story: Story, deployed: ExecutionStatus) -> ByHand:
    story.serve(QUIET_WEEK, ignore)
    return monitor_by_hand(story, QUIET_WEEK)


@pytest.fixture(scope="module")
def asked_in_summer(story: Story, deployed: ExecutionStatus) -> list[Asked]:
    return story.serve(SUMMER_WEEK, ignore)


@pytest.fixture(scope="module")
def summer(story: Story, asked_in_summer: list[Asked]) -> WatchedWindow:
    labels_uri = story.deliver_labels(asked_in_summer)
    return story.watch(SUMMER_WEEK, ignore, labels_uri=labels_uri)


@pytest.fixture(scope="module")
def neighbours(story: Story, quiet: ByHand, summer: WatchedWindow) -> tuple[str, ExecutionStatus]:
    """The configuration that served before, and the execution of the model that is too large."""
    before = story.endpoint().endpoint_config_name
    return before, story.approve_and_follow(story.register_neighbours(), ignore)


def deployment_of(story: Story, execution: ExecutionStatus) -> Deployment:
    folder = story.kept.keep_outputs(execution)
    return read_contract(Deployment, folder / "DeployEndpoint/deployment/deployment.json")


def test_the_better_model_was_registered(story: Story, package_arn: str) -> None:
    package = story.clients["sagemaker"].describe_model_package(ModelPackageName=package_arn)
    assert package["ModelPackageDescription"].startswith("boosted-trees")
    assert package["CustomerMetadataProperties"]["seatrial.inputs"].startswith("s3://")


def test_an_approval_ends_in_a_watched_endpoint(story: Story, deployed: ExecutionStatus) -> None:
    assert deployed.status == "Succeeded", deployed.failure_reason
    assert [step.name for step in deployed.steps if step.status == "Succeeded"].count(
        "ArmMonitoring"
    ) == 1
    deployment = deployment_of(story, deployed)
    serving = story.endpoint()
    assert serving.status == "InService"
    assert serving.serving == deployment.serving
    folder = story.kept.keep_outputs(deployed)
    arming = read_contract(Arming, folder / "ArmMonitoring/arming/arming.json")
    assert arming.armed
    assert set(arming.records_seen) == {item.event_id for item in deployment.golden}
    assert [test.passed for test in arming.self_tests] == [True] * len(arming.self_tests)
    assert {test.expected_alert for test in arming.self_tests} == {True, False}


def test_profile_and_baseline_ran_side_by_side(deployed: ExecutionStatus) -> None:
    names = [step.name for step in deployed.steps]
    assert {"ProfileModel", "BuildBaseline"} == set(names[1:3])


def test_an_ordinary_week_raises_no_alert(quiet: ByHand) -> None:
    assert (quiet.code, "no alert" in quiet.said) == (0, True)
    assert not quiet.monitoring.alert, quiet.monitoring.reasons
    assert quiet.monitoring.window.rows > 1000
    assert quiet.monitoring.window.broken_lines == 0


def test_a_week_of_july_raises_one_that_names_what_moved(summer: WatchedWindow) -> None:
    found = summer.monitoring
    assert found.alert
    assert {"temp", "dewp"} <= set(found.drift.drifted_columns)
    assert any("temp" in reason for reason in found.reasons)
    done = {item.kind for item in found.reactions if item.done}
    assert done == {"cloudwatch", "sns", "eventbridge", "mlflow"}


def test_labels_show_the_decay_with_its_interval(summer: WatchedWindow) -> None:
    found = {item.metric: item for item in summer.monitoring.labels.metrics}
    assert summer.monitoring.labels.labelled_rows == summer.monitoring.window.rows
    assert found["auc"].low < found["auc"].value < found["auc"].high
    # a model of this slice ranks July's flights well enough, and is late about their share
    accuracy = found["accuracy"]
    assert accuracy.baseline is not None
    assert accuracy.high < accuracy.baseline
    assert accuracy.decayed
    assert any("accuracy" in reason for reason in summer.monitoring.reasons)


def test_evidently_drew_the_report(story: Story, summer: WatchedWindow) -> None:
    report = story.kept.keep_outputs(summer.execution) / "DetectDrift/drift/drift.html"
    assert "<html" in report.read_text(encoding="utf-8")[:2000].lower()


def test_a_model_over_the_memory_quota_is_not_deployed(
    story: Story, neighbours: tuple[str, ExecutionStatus]
) -> None:
    before, execution = neighbours
    assert execution.status == "Failed"
    assert "MEMORY_TIER_QUOTA" in (execution.failure_reason or "")
    assert len(execution.failure_reason or "") <= 1300
    check = find_check(story.readiness(execution), "MEMORY_TIER_QUOTA")
    assert check.status == "fail"
    assert check.limit == QUOTA_MB
    serving = story.endpoint()
    assert (serving.status, serving.endpoint_config_name) == ("InService", before)


def test_the_same_model_passes_that_check_with_a_small_payload(
    story: Story, neighbours: tuple[str, ExecutionStatus]
) -> None:
    readiness, profile = judge_small(story, neighbours[1])
    assert find_check(readiness, "MEMORY_TIER_QUOTA").status == "pass"
    assert profile.candidates[0].peak_memory_mb is not None


def run_seatrial(story: Story, *words: str) -> subprocess.CompletedProcess[str]:
    config = story.out / "config.yaml"
    config.write_text(story.config.to_yaml(), encoding="utf-8")
    program = [sys.executable, "-c", "from seatrial.cli import main; main()"]
    return subprocess.run(
        [*program, "--config", str(config), *words], capture_output=True, text=True, check=False
    )


def test_the_command_line_exits_1_on_a_verdict_against(
    story: Story, neighbours: tuple[str, ExecutionStatus]
) -> None:
    ended = run_seatrial(story, "pipeline", "status", "readiness")
    assert ended.returncode == 1, ended.stderr
    assert "MEMORY_TIER_QUOTA" in ended.stdout


def test_the_command_line_exits_1_on_an_alert(story: Story, summer: WatchedWindow) -> None:
    found = monitor_by_hand(story, SUMMER_WEEK)
    assert (found.code, "ALERT" in found.said) == (1, True)
    assert found.monitoring.drift == summer.monitoring.drift, "the pipeline's numbers, step by step"


@pytest.fixture(scope="module")
def reviewed(story: Story, summer: WatchedWindow) -> tuple[Review, list[dict[str, Any]]]:
    """The schedule that ArmMonitoring made is due: its review, and what people were told."""
    config = story.config
    scheduler, sagemaker, sqs, sns = (
        client(name, region=config.region) for name in ("scheduler", "sagemaker", "sqs", "sns")
    )
    queue = sqs.create_queue(QueueName="told")["QueueUrl"]
    sns.subscribe(
        TopicArn=config.monitoring.alert_topic_arn,
        Protocol="sqs",
        Endpoint=f"arn:aws:sqs:{config.region}:{config.account}:told",
    )
    collected_today(config)
    made = find_schedule("flights-review", scheduler)
    assert made is not None
    fields = ("Name", "ScheduleExpression", "FlexibleTimeWindow", "State", "Target")
    scheduler.update_schedule(**{name: made[name] for name in fields}, StartDate=datetime.now(UTC))
    deadline = time.monotonic() + 15
    while not (found := executions(config.review_pipeline, sagemaker)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    *_, ended = follow(found[0], sagemaker, poll_s=0.2)
    assert ended.status == "Succeeded", ended.failure_reason
    folder = story.kept.keep_outputs(ended) / "ReviewEndpoint" / "review"
    told = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    return read_contract(Review, folder / "review.json"), [json.loads(x["Body"]) for x in told]


def collected_today(config: Config) -> None:
    """What summer's window counted, as if it had been this week: a review looks back on weeks."""
    s3 = client("s3", region=config.region)
    uri = records_uri(config.bucket, "flights", config.endpoint.variant_name)
    first = datetime(2013, 1, 1, tzinfo=UTC)
    *_, summer = read_calls(s3, uri, Span(first, first + timedelta(days=365)))
    now = datetime.now(UTC)
    week = {"started_at": now - timedelta(days=7), "ended_at": now}
    write_calls(s3, uri, summer.model_copy(update=week))


def test_a_review_that_came_by_itself_tells_people_what_should_change(
    reviewed: tuple[Review, list[dict[str, Any]]],
) -> None:
    review, told = reviewed
    assert (review.endpoint_name, review.days) == ("flights", 90)
    assert review.usage.requests > 0
    assert review.to_do
    (message,) = [item for item in told if item["Subject"].startswith("seatrial review: flights")]
    for item in review.to_do:
        assert f"- {item.topic}: {item.detail}" in message["Message"]
    assert "/ReviewEndpoint/review/review.json" in message["Message"]
    assert "ADVISORIES is unknown" in message["Message"]
    # what its role may read beside CloudWatch: the windows' counts, and the ledger
    assert review.usage.logged is not None
    assert review.usage.logged.calls.callers.rows.count > 0
    assert review.usage.bill is not None
    assert review.usage.bill.lines, review.usage.bill.unknown


def test_approved_rolled_back_and_approved_again_it_is_deployed_again(
    story: Story,
    package_arn: str,
    deployed: ExecutionStatus,
    neighbours: tuple[str, ExecutionStatus],
) -> None:
    first = deployment_of(story, deployed)
    take_back_unwatched(first, story.config, make_clients(story.config), poll_s=0.1)
    assert not story.clients["sagemaker"].list_endpoints()["Endpoints"]
    schedule, scheduler = (
        f"{first.endpoint_name}-monitoring",
        make_clients(story.config)["scheduler"],
    )
    assert find_schedule(schedule, scheduler) is None
    story.clients["sagemaker"].update_model_package(
        ModelPackageArn=package_arn, ModelApprovalStatus="Rejected"
    )
    again = story.approve_and_follow(package_arn, ignore)
    assert again.status == "Succeeded", again.failure_reason
    cached = {step.name for step in again.steps if step.cached}
    assert cached == {"OptimizeModel", "ProfileModel", "BuildBaseline"}
    assert story.endpoint().serving == first.serving
    assert find_schedule(schedule, scheduler)


def test_an_endpoint_whose_predictions_are_not_logged_is_taken_back(
    story: Story, package_arn: str, deployed: ExecutionStatus
) -> None:
    """Runs after the one above: the endpoint serves, and is the first of its name."""
    folder = story.kept.keep_outputs(deployed)
    real = deployment_of(story, deployed)
    never = GoldenPrediction(event_id="never-logged", payload="one", max_deviation=0)
    impatient = story.config.monitoring.model_copy(update={"arm_deadline_s": 1.0})
    result = arm(
        real.model_copy(update={"golden": (*real.golden, never)}),
        folder / "BuildBaseline" / "baseline",
        story.config.model_copy(update={"monitoring": impatient}),
        make_clients(story.config),
        model_package_arn=package_arn,
        poll_s=0.1,
    )
    assert not result.armed
    assert "1 of 4 predictions are not in the log" in str(result.reason)
    assert not story.clients["sagemaker"].list_endpoints()["Endpoints"]


def test_every_contract_is_kept_beside_the_run(story: Story, deployed: ExecutionStatus) -> None:
    folder = story.kept.keep_outputs(deployed)
    kept = {path.name for path in Path(folder).rglob("*.json")}
    wanted = {"optimization", "profile", "baseline", "readiness", "verdict", "deployment", "arming"}
    assert {f"{name}.json" for name in wanted} <= kept


def as_role(story: Story, name: str) -> Callable[[str], Any]:
    """Clients with a role's credentials, as STS gives them to whoever assumes it."""
    region, account = story.config.region, story.config.account
    keys = client("sts", region=region).assume_role(
        RoleArn=f"arn:aws:iam::{account}:role/flights-{name}", RoleSessionName="test"
    )["Credentials"]
    session: Any = boto3.Session(
        keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], region_name=region
    )
    make: Callable[[str], Any] = session.client
    return make


def fire_monitoring(story: Story) -> None:
    """Let the monitoring schedule be due, and wait until it has started the pipeline."""
    scheduler, sagemaker = (
        client(name, region=story.config.region) for name in ("scheduler", "sagemaker")
    )
    pipeline, now = story.config.monitoring_pipeline, datetime.now(UTC)
    (create,) = plan_schedule(story.config.endpoint.name, story.config, scheduler, now=now)
    before = len(executions(pipeline, sagemaker))
    scheduler.create_schedule(**{**create.parameters, "StartDate": now})
    deadline = time.monotonic() + 15
    while len(executions(pipeline, sagemaker)) == before:
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture(scope="module")
def audited(
    story: Story,
    package_arn: str,
    deployed: ExecutionStatus,
    summer: WatchedWindow,
    reviewed: tuple[Review, list[dict[str, Any]]],
) -> tuple[dict[str, Role], list[Seen]]:
    """The foundation's roles, and all that was done with them; runs after all of the above."""
    build = as_role(story, "build")
    upsert(story.config, clients={name: build(name) for name in ("s3", "sagemaker", "events")})
    status(executions(story.config.readiness_pipeline, build("sagemaker"))[0], build("sagemaker"))
    describe_package(package_arn, build("sagemaker"))
    with pytest.raises(CloudError):  # refused for its parameter, after what IAM would check
        start(story.config.readiness_pipeline, {"NoSuch": "x"}, build("sagemaker"))
    fire_monitoring(story)
    roles = read_roles(client("iam", region=story.config.region), "flights-")
    return roles, read_accesses(os.environ["AWS_ENDPOINT_URL"])


def test_every_call_of_a_role_is_granted_to_it(
    audited: tuple[dict[str, Role], list[Seen]],
) -> None:
    roles, accesses = audited
    used = {seen.role for seen in accesses}
    assert used == set(roles) - {"flights-neo"}
    refused = [str(seen) for seen in accesses if not roles[seen.role].allows(seen)]
    assert not refused, "\n".join(sorted(refused))


def test_no_granted_action_is_idle_without_a_reason(
    audited: tuple[dict[str, Role], list[Seen]],
) -> None:
    roles, accesses = audited
    idle = {
        (role.name.removeprefix("flights-"), str(statement.get("Sid")), action)
        for role in roles.values()
        for statement, action in role.grants()
        if not any(
            seen.role == role.name and allows({**statement, "Action": action}, seen)
            for seen in accesses
        )
    }
    assert not unexplained(idle), "\n".join(map(str, sorted(unexplained(idle))))
    in_use = outdated(idle)
    assert not in_use, "in use now, so IDLE need not explain them:\n" + "\n".join(in_use)


def build_and_run(
    story: Story, folder: Path, package_arn: str, *, without: str | None = None
) -> subprocess.CompletedProcess[str]:
    """The buildspec's last phase, which runs the readiness pipeline for that package."""
    (folder / "build").mkdir()
    put_seatrial(folder)
    (folder / "story.yaml").write_text(story.config.to_yaml(), encoding="utf-8")
    spec, config = read_buildspec(), story.config
    commands = spec["phases"]["post_build"]["commands"]
    return code_build(
        folder,
        [command for command in commands if without is None or without not in command],
        {
            **os.environ,
            **spec["env"]["variables"],
            "AWS_REGION": config.region,
            "ARTIFACT_BUCKET": config.bucket,
            "SAGEMAKER_PIPELINE_ROLE_ARN": config.roles.pipeline,
            "SERVING_IMAGE": config.images.serving,
            "TOOLBOX_IMAGE": config.images.toolbox,
            "CODEBUILD_BUILD_SUCCEEDING": "1",
            "SEATRIAL_CONFIG": "story.yaml",
            "SEATRIAL_PIPELINE": "readiness",
            "SEATRIAL_PARAMETERS": f"ModelPackageArn={package_arn}",
        },
    )


def test_the_build_ends_with_the_readiness_verdict(
    story: Story,
    package_arn: str,
    neighbours: tuple[str, ExecutionStatus],
    audited: object,
    tmp_path: Path,
) -> None:
    (tmp_path / "ready").mkdir()
    ready = build_and_run(story, tmp_path / "ready", package_arn)
    assert ready.returncode == 0, ready.stdout + ready.stderr
    (tmp_path / "not").mkdir()
    given = story.clients["sagemaker"].list_pipeline_parameters_for_execution(
        PipelineExecutionArn=neighbours[1].arn
    )["PipelineParameters"]
    (too_large,) = [item["Value"] for item in given if item["Name"] == "ModelPackageArn"]
    # the pipelines are up to date
    not_ready = build_and_run(story, tmp_path / "not", too_large, without="pipeline upsert")
    assert not_ready.returncode == 1, not_ready.stdout + not_ready.stderr
    assert "MEMORY" in not_ready.stdout + not_ready.stderr
