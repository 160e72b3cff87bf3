"""Deployments on localcloud: first, next, in place, refused, taken back, rolled back."""

from __future__ import annotations

import json
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError
from dock import ROOMY, Dock
from in_process import call_seatrial
from record_delivery import BUCKET

from seatrial.deployment.target import COMMIT_TAG, PROJECT_TAG
from seatrial.errors import DeploymentError, InputError
from seatrial.readiness.facts import Quota

pytestmark = pytest.mark.flow


@pytest.fixture(scope="module")
def roomy_cloud(new_cloud: Any) -> Iterator[Any]:
    with new_cloud(quota="endpoints=100,concurrency=400", delivery_s=0.5) as running:
        yield running


def seatrial(dock: Dock, *words: str) -> subprocess.CompletedProcess[str]:
    return call_seatrial("--json", *words, environment=dock.cloud.environment)


def test_from_the_first_deployment_to_the_rollback(roomy_cloud: Any) -> None:
    dock = Dock.of(roomy_cloud, "story")
    first = dock.target(dock.package())
    made = dock.deploy(first)
    assert [action.method for action in made.actions] == [
        "create_log_group",
        "create_delivery_stream",
        "put_subscription_filter",
        "create_model",
        "create_endpoint_config",
        "create_endpoint",
    ]
    assert made.previous is None
    assert made.latency_p95_ms is not None
    assert dock.deploy(first).actions == ()

    second = dock.target(dock.package())
    made = dock.deploy(second)
    methods = [action.method for action in made.actions]
    assert methods == ["create_model", "create_endpoint_config", "update_endpoint"]
    assert made.previous == first.serving

    planned = json.loads(seatrial(dock, "rollback", "story", "--dry-run").stdout)
    assert [(item["method"], item["parameters"]) for item in planned] == [
        (
            "update_endpoint",
            {"EndpointName": "story", "EndpointConfigName": first.endpoint_config_name},
        )
    ]
    done = json.loads(seatrial(dock, "rollback", "story").stdout)
    assert done["serves"]["serving"] == first.serving.model_dump()
    state = dock.state()
    assert state is not None
    assert state.serving == first.serving
    configs, models = dock.left()
    assert (configs, models) == ({first.endpoint_config_name}, {first.model_name})
    with pytest.raises(InputError, match="nothing to roll story back to"):
        dock.roll_back()


def test_concurrency_alone_changes_in_place_and_back(roomy_cloud: Any) -> None:
    dock = Dock.of(roomy_cloud, "in-place")
    package = dock.package()
    dock.deploy(dock.target(package))
    more = dock.target(package, concurrency=7)
    made = dock.deploy(more)
    assert [action.method for action in made.actions] == ["update_endpoint_weights_and_capacities"]
    assert [action.method for action in made.rollback] == ["update_endpoint_weights_and_capacities"]
    state = dock.state()
    assert state is not None
    assert state.serving is not None
    assert state.serving.max_concurrency == 7
    dock.roll_back()
    state = dock.state()
    assert state is not None
    assert state.serving == dock.target(package).serving


def test_a_configuration_that_comes_back_brings_its_concurrency(roomy_cloud: Any) -> None:
    dock = Dock.of(roomy_cloud, "comes-back")
    package, other = dock.package(), dock.package()
    dock.deploy(dock.target(package))
    dock.deploy(dock.target(package, concurrency=7))
    dock.deploy(dock.target(other))
    dock.roll_back()
    state = dock.state()
    assert state is not None
    assert state.serving == dock.target(package, concurrency=7).serving


def test_only_the_last_ones_are_kept(roomy_cloud: Any) -> None:
    dock = Dock.of(roomy_cloud, "kept")
    targets = [dock.target(dock.package()) for _ in range(5)]
    for target in targets:
        dock.deploy(target)
    configs, models = dock.left()
    assert configs == {target.endpoint_config_name for target in targets[-3:]}
    assert models == {target.model_name for target in targets[-3:]}
    recorded = [item.serving for item in dock.history().verified]
    assert recorded == [target.serving for target in reversed(targets[-3:])]


def test_what_another_endpoint_uses_is_never_removed(roomy_cloud: Any) -> None:
    dock = Dock.of(roomy_cloud, "borrowed")
    targets = [dock.target(dock.package()) for _ in range(5)]
    dock.deploy(targets[0])
    sagemaker = roomy_cloud.client("sagemaker")
    sagemaker.create_endpoint(
        EndpointName="borrower", EndpointConfigName=targets[0].endpoint_config_name
    )
    for target in targets[1:]:
        dock.deploy(target)
    configs, models = dock.left()
    assert targets[0].endpoint_config_name in configs
    assert targets[0].model_name in models
    assert targets[1].endpoint_config_name not in configs


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        pytest.param({"FACTOR": "3"}, "unlike the profiled model", id="predicts otherwise"),
        pytest.param({"BROKEN": "yes"}, "does not serve the wanted", id="silent rollback"),
    ],
)
def test_what_does_not_verify_is_taken_back_and_leaves_nothing(
    roomy_cloud: Any, environment: dict[str, str], said: str
) -> None:
    dock = Dock.of(roomy_cloud, f"bad-{next(iter(environment)).lower()}")
    with pytest.raises(DeploymentError, match=said):
        dock.deploy(dock.target(dock.package(), **environment))
    assert dock.state() is None
    assert dock.left() == (set(), set())

    good = dock.target(dock.package())
    dock.deploy(good)
    with pytest.raises(DeploymentError, match=said):
        dock.deploy(dock.target(dock.package(), **environment))
    state = dock.state()
    assert state is not None
    assert state.serving == good.serving
    assert dock.left() == ({good.endpoint_config_name}, {good.model_name})
    assert dock.history().attempt is None


def test_a_slow_endpoint_is_taken_back(roomy_cloud: Any) -> None:
    dock = Dock.of(roomy_cloud, "slow")
    objectives = dock.config.objectives.model_copy(update={"latency_p95_ms": 0.001})
    impatient = replace(dock, config=dock.config.model_copy(update={"objectives": objectives}))
    with pytest.raises(DeploymentError, match="slower than the objective"):
        impatient.deploy(dock.target(dock.package()))
    assert dock.state() is None


def test_what_is_not_ours_to_change_is_refused_before_any_change(roomy_cloud: Any) -> None:
    dock = Dock.of(roomy_cloud, "theirs")
    other = Dock.of(roomy_cloud, "owner")
    target = other.target(other.package())
    other.deploy(target)
    sagemaker = roomy_cloud.client("sagemaker")
    sagemaker.create_endpoint(EndpointName="theirs", EndpointConfigName=target.endpoint_config_name)
    wanted = dock.target(dock.package())
    with pytest.raises(InputError, match="has no tag seatrial:project"):
        dock.deploy(wanted)
    full = replace(ROOMY, endpoints=Quota(5, "account quota"), other_endpoints=5)
    fresh = Dock.of(roomy_cloud, "no-room")
    with pytest.raises(InputError, match="not enough endpoints: got '6 with this endpoint'"):
        fresh.deploy(fresh.target(fresh.package()), account=full)
    pending = fresh.package(status="PendingManualApproval")
    with pytest.raises(InputError, match=r"is not approved: got 'PendingManualApproval'"):
        fresh.deploy(fresh.target(pending))
    for refused in (dock, fresh):
        assert refused.left() == (set(), set())
        assert refused.history().latest_approved_at is None
        keys = roomy_cloud.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="models/no-room")
        assert keys["KeyCount"] == 0


def test_everything_carries_its_tags(roomy_cloud: Any) -> None:
    dock = Dock.of(roomy_cloud, "tagged")
    target = dock.target(dock.package())
    dock.deploy(replace(target, origin={**target.origin, COMMIT_TAG: "0123abc"}))
    sagemaker = roomy_cloud.client("sagemaker")
    arns = [
        sagemaker.describe_endpoint(EndpointName="tagged")["EndpointArn"],
        sagemaker.describe_model(ModelName=target.model_name)["ModelArn"],
        sagemaker.describe_endpoint_config(EndpointConfigName=target.endpoint_config_name)[
            "EndpointConfigArn"
        ],
    ]
    for arn in arns:
        tags = {tag["Key"]: tag["Value"] for tag in sagemaker.list_tags(ResourceArn=arn)["Tags"]}
        assert tags[PROJECT_TAG] == dock.config.project
        assert tags[COMMIT_TAG] == "0123abc"
        assert tags["seatrial:model-package-arn"] == target.model_package_arn


def test_an_approval_that_a_later_one_overtook_is_skipped(roomy_cloud: Any) -> None:
    dock = Dock.of(roomy_cloud, "overtaken")
    older, newer = dock.target(dock.package()), dock.target(dock.package())
    now = datetime.now(UTC)
    dock.deploy(newer, event_time=now)
    made = dock.deploy(older, event_time=now + timedelta(seconds=5))  # its event comes late
    assert made.skipped is not None
    assert "a later one is deployed" in made.skipped
    state = dock.state()
    assert state is not None
    assert state.serving == newer.serving
    assert dock.left()[0] == {newer.endpoint_config_name}


def test_an_approval_that_was_rolled_back_is_not_deployed_by_its_second_event(
    roomy_cloud: Any,
) -> None:
    dock = Dock.of(roomy_cloud, "rolled")
    first, second = dock.target(dock.package()), dock.target(dock.package())
    now = datetime.now(UTC)
    dock.deploy(first, event_time=now)
    dock.deploy(second, event_time=now)
    dock.roll_back()
    made = dock.deploy(second, event_time=now)
    assert made.skipped is not None
    assert "rolled back" in made.skipped
    state = dock.state()
    assert state is not None
    assert state.serving == first.serving


def with_bake(dock: Dock, bake_s: float) -> Dock:
    settings = dock.config.deployment.model_copy(update={"bake_s": bake_s})
    return replace(dock, config=dock.config.model_copy(update={"deployment": settings}))


def alarms(dock: Dock) -> list[str]:
    found = dock.cloud.client("cloudwatch").describe_alarms(
        AlarmNamePrefix=f"seatrial-{dock.name}-"
    )
    return [item["AlarmName"] for item in found["MetricAlarms"]]


def test_an_alarm_while_it_is_watched_takes_the_deployment_back(roomy_cloud: Any) -> None:
    dock = with_bake(Dock.of(roomy_cloud, "baked"), 0.1)
    good = dock.target(dock.package())
    made = dock.deploy(good)
    assert [action.method for action in made.actions[:7]] == [
        *["put_metric_alarm"] * 6,
        "create_log_group",
    ]
    assert dock.deploy(good).actions == ()
    bad, failures = dock.target(dock.package(), REFUSES="13"), Counter[str]()
    stop = threading.Event()

    def ask_on() -> None:
        runtime = roomy_cloud.client("sagemaker-runtime")
        while not stop.wait(0.02):
            try:
                runtime.invoke_endpoint(EndpointName="baked", Body="13", ContentType="text/csv")
            except ClientError as error:
                failures[error.response["Error"]["Code"]] += 1

    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask_on)
        try:
            with pytest.raises(DeploymentError, match="seatrial-baked-Invocation5XXErrors"):
                with_bake(dock, 20).deploy(bad)
        finally:
            stop.set()
        asking.result()
    assert set(failures) == {"ModelError"}
    state = dock.state()
    assert state is not None
    assert state.serving == good.serving
    assert len(alarms(dock)) == 6


def test_alarms_go_with_the_endpoint(roomy_cloud: Any) -> None:
    dock = with_bake(Dock.of(roomy_cloud, "bare"), 0.1)
    with pytest.raises(DeploymentError):
        dock.deploy(dock.target(dock.package(), FACTOR="3"))
    assert alarms(dock) == []


def test_what_is_not_seen_yet_is_waited_for(roomy_cloud: Any) -> None:
    """The configuration is there, and the first CreateEndpoint does not find it."""
    dock, refused = Dock.of(roomy_cloud, "unseen"), []

    def refuse_once(request: Any, **_: Any) -> AWSResponse | None:
        if refused:
            return None
        refused.append(request)
        said = 'Could not find endpoint configuration "arn:aws:sagemaker:…".'
        body = json.dumps({"__type": "ValidationException", "message": said}).encode()
        answer: Any = BytesIO(body)
        answer.stream = lambda **_: iter([body])
        headers = {"content-type": "application/x-amz-json-1.1"}
        return AWSResponse(request.url, 400, headers, answer)

    events = dock.clients["sagemaker"].meta.events
    events.register_first("before-send.sagemaker.CreateEndpoint", refuse_once)
    target = dock.target(dock.package())
    assert dock.deploy(target).serving == target.serving
    assert len(refused) == 1
