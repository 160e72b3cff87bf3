"""Kept warm on localcloud: pings that arrive, concurrency that scales, and neither in the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from dock import Dock
from least_privilege import read_accesses

from seatrial.config import Config, load_config
from seatrial.contracts import ServerlessConfiguration
from seatrial.deployment.removal import plan_whole_removal, remove
from seatrial.deployment.scaling import find_targets
from seatrial.deployment.schedule import find_schedule
from seatrial.deployment.target import Target
from seatrial.errors import DeploymentError, InputError

pytestmark = pytest.mark.flow


@pytest.fixture(scope="module")
def warm_cloud(new_cloud: Any) -> Iterator[Any]:
    with new_cloud(quota="endpoints=100,concurrency=400", delivery_s=0.5) as running:
        yield running


def warm(**values: Any) -> Config:
    return load_config(warm=values, endpoint={"provisioned_concurrency": 1})


def with_provisioned(target: Target, count: int | None = 1) -> Target:
    serverless = ServerlessConfiguration(
        memory_size_mb=1024, max_concurrency=3, provisioned_concurrency=count
    )
    return replace(target, serverless=serverless)


def eventually(holds: Callable[[], Any], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def provisioned(dock: Dock) -> int:
    found = dock.clients["sagemaker"].describe_endpoint(EndpointName=dock.name)
    return int(found["ProductionVariants"][0]["CurrentServerlessConfig"]["ProvisionedConcurrency"])


def methods(actions: Any) -> list[str]:
    return [action.method for action in actions]


def test_pings_are_sent_by_the_scheduler_marked_and_ended(warm_cloud: Any) -> None:
    dock = Dock.of(warm_cloud, "pinged", config=warm(mode="pings", idle_s=75))
    target = dock.target(dock.package())
    assert methods(dock.deploy(target).actions)[-1] == "create_schedule"
    assert dock.deploy(target).actions == ()
    schedule = find_schedule("pinged-warm", dock.clients["scheduler"])
    assert schedule is not None
    assert schedule["ScheduleExpression"] == "rate(1 minute)"
    assert schedule["Description"].endswith("idle for 75 s, says warm.idle_s")
    request = json.loads(schedule["Target"]["Input"])
    assert request["CustomAttributes"] == "seatrial-synthetic=true"

    def pinged() -> bool:
        return any(
            (seen.role, seen.action) == ("seatrial-scheduler", "sagemaker:InvokeEndpoint")
            for seen in read_accesses(warm_cloud.endpoint_url)
        )

    eventually(pinged)
    calm = replace(dock, config=warm(mode="none"))
    assert methods(calm.deploy(target).actions) == ["delete_schedule"]


def test_what_scales_is_known_for_what_was_deployed(warm_cloud: Any) -> None:
    hours = {"at": "rate(1 minute)", "min_concurrency": 2, "max_concurrency": 3}
    config = warm(mode="provisioned", max_concurrency=2, utilization=0.7, schedule=[hours])
    dock = Dock.of(warm_cloud, "scaled", config=config)
    first = with_provisioned(dock.target(dock.package()))
    assert methods(dock.deploy(first).actions)[-3:] == [
        "register_scalable_target",
        "put_scaling_policy",
        "put_scheduled_action",
    ]
    eventually(lambda: provisioned(dock) == 2)
    # it was scaled, and nothing was deployed since
    assert dock.deploy(first).actions == ()
    assert provisioned(dock) == 2
    # another model: let go of, changed, verified, and scaled again
    second = with_provisioned(dock.target(dock.package()))
    assert methods(dock.deploy(second).actions)[-4:] == [
        "update_endpoint",
        "register_scalable_target",
        "put_scaling_policy",
        "put_scheduled_action",
    ]
    eventually(lambda: provisioned(dock) == 2)
    dock.roll_back()
    state = dock.state()
    assert state is not None
    assert state.endpoint_config_name == first.endpoint_config_name
    assert len(find_targets("scaled", dock.clients)) == 1
    eventually(lambda: provisioned(dock) == 2)
    # what is wanted no more ends
    calm = replace(dock, config=warm(mode="none"))
    ended = calm.deploy(with_provisioned(dock.target(dock.package()), None)).actions
    assert methods(ended)[-1] == "update_endpoint"
    assert find_targets("scaled", dock.clients) == []


def test_a_failed_deployment_leaves_the_one_before_scaled(warm_cloud: Any) -> None:
    dock = Dock.of(warm_cloud, "kept", config=warm(mode="provisioned", max_concurrency=2))
    first = with_provisioned(dock.target(dock.package()))
    dock.deploy(first)
    bad = with_provisioned(dock.target(dock.package(), FACTOR="3"))
    with pytest.raises(DeploymentError):
        dock.deploy(bad)
    state = dock.state()
    assert state is not None
    assert state.serving == first.serving
    (target,) = find_targets("kept", dock.clients)
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 2)
    # and all of it can be removed, which run again does nothing
    with dock.operating() as operator:
        done = methods(remove(operator, dock.config.project))
    assert done == [
        "deregister_scalable_target",
        "delete_endpoint",
        "delete_subscription_filter",
        "delete_delivery_stream",
    ]
    assert dock.state() is None
    assert plan_whole_removal("kept", dock.config.project, dock.clients) == []


def test_what_is_not_the_projects_is_not_removed(warm_cloud: Any) -> None:
    dock = Dock.of(warm_cloud, "theirs")
    dock.deploy(dock.target(dock.package()))
    with pytest.raises(InputError, match="is not this project's"):
        plan_whole_removal("theirs", "another", dock.clients)
    words = ["remove", "theirs", "--dry-run"]
    done = subprocess.run(
        [sys.executable, "-c", "from seatrial.cli import main; main()", *words],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | warm_cloud.environment,
    )
    assert done.returncode == 0, done.stderr
    assert "delete_endpoint" in done.stdout
    assert dock.state() is not None


@pytest.mark.parametrize(
    ("count", "most", "says"),
    [
        pytest.param(None, 1, "nothing is provisioned", id="none"),
        pytest.param(1, 4, "over endpoint.max_concurrency: got 4, allowed 1 to 3", id="over"),
    ],
)
def test_what_cannot_scale_is_refused_before_any_change(
    warm_cloud: Any, count: int | None, most: int, says: str
) -> None:
    dock = Dock.of(warm_cloud, "refused", config=warm(mode="provisioned", max_concurrency=most))
    with pytest.raises(InputError, match=says):
        dock.deploy(with_provisioned(dock.target(dock.package()), count))
    assert dock.state() is None
