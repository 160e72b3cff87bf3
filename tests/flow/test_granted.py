"""Roles of the deployment at work: first, again, in place, kept warm, back, taken back, removed.

The flights' story deploys one model once; what it has no use for is done here, so that no grant of
these roles rests on a reason alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from dock import Dock
from granted import NAME, dock_of, granted_config, lay
from idle_grants import IDLE, PLAYED
from least_privilege import Role, Seen, allows, read_accesses, read_roles

from seatrial.contracts import ServerlessConfiguration
from seatrial.deployment.performing import perform
from seatrial.deployment.removal import remove
from seatrial.deployment.schedule import plan_schedule
from seatrial.errors import DeploymentError
from seatrial.steps.arm_monitoring import take_back_unwatched

pytestmark = pytest.mark.flow

PINGS = {"mode": "pings", "idle_s": 75}
HOURS = {"at": "rate(1 day)", "min_concurrency": 1, "max_concurrency": 2}
SCALED = {"mode": "provisioned", "max_concurrency": 2, "utilization": 0.7, "schedule": [HOURS]}


@pytest.fixture(scope="module")
def played(new_cloud: Any) -> Iterator[tuple[dict[str, Role], list[Seen]]]:
    """The foundation's roles, and all that was done with them."""
    with new_cloud(quota="endpoints=20,concurrency=400", delivery_s=0.5) as cloud:
        lay(cloud)
        play(cloud)
        yield read_roles(cloud.client("iam"), f"{NAME}-"), read_accesses(cloud.endpoint_url)


def play(cloud: Any) -> None:
    """Whatever becomes of an endpoint, each by the role that does it."""
    deploy, arm = dock_of(cloud, "deploy"), dock_of(cloud, "arm")
    calm, pinged = under(deploy), under(deploy, warm=PINGS)
    # first; another that is kept warm; at another pace and with another concurrency; and back
    calm.deploy(calm.target(calm.package()))
    second = pinged.target(pinged.package())
    pinged.deploy(second)
    wait_for_a_ping(cloud)
    slower = under(deploy, warm={**PINGS, "idle_s": 600})
    slower.deploy(replace(second, serverless=concurrency(3, None)))
    slower.roll_back()
    # scaled, by another table the next time; one that fails, and is the third where two are kept
    scaled = under(deploy, warm=SCALED)
    provisioned = replace(scaled.target(scaled.package()), serverless=concurrency(3, 1))
    scaled.deploy(provisioned)
    under(deploy, warm={**SCALED, "schedule": []}).deploy(provisioned)
    scaled.deploy(provisioned)
    with pytest.raises(DeploymentError):
        scaled.deploy(replace(scaled.target(scaled.package(), FACTOR="3"), serverless=MORE))
    # taken back: a change in place, and another model
    for target in (provisioned, scaled.target(scaled.package())):
        made = scaled.deploy(replace(target, serverless=MORE))
        take_back_unwatched(made, under(arm, warm=SCALED).config, arm.clients, poll_s=0.02)
        state = arm.state()
        assert state is not None
        assert state.endpoint_config_name == provisioned.endpoint_config_name
    with scaled.operating() as operator:
        remove(operator, NAME)
    # a first one, with alarms, pings and monitoring schedule
    made = pinged.deploy(second)
    for hours in (168, 24):
        watch(under(arm, monitoring={"window_h": [hours]}))
    take_back_unwatched(made, under(arm, warm=PINGS).config, arm.clients, poll_s=0.02)
    assert arm.state() is None


def under(dock: Dock, **sections: Any) -> Dock:
    """The same with a configuration that has these sections."""
    deployment = {"keep_configurations": 2, "bake_s": 0.1}
    return replace(dock, config=granted_config(deployment=deployment, **sections))


def watch(arm: Dock) -> None:
    """Make the monitoring schedule, or bring it up to date."""
    now = datetime.now(UTC)
    for action in plan_schedule(NAME, arm.config, arm.clients["scheduler"], now=now):
        perform(action, arm.clients)


def concurrency(most: int, provisioned: int | None) -> ServerlessConfiguration:
    return ServerlessConfiguration(
        memory_size_mb=1024, max_concurrency=most, provisioned_concurrency=provisioned
    )


MORE = concurrency(4, 1)


def wait_for_a_ping(cloud: Any) -> None:
    deadline = time.monotonic() + 20
    while not any(
        (seen.role, seen.action) == (f"{NAME}-scheduler", "sagemaker:InvokeEndpoint")
        for seen in read_accesses(cloud.endpoint_url)
    ):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_every_call_of_a_role_is_granted_to_it(
    played: tuple[dict[str, Role], list[Seen]],
) -> None:
    roles, accesses = played
    assert {f"{NAME}-{name}" for name in ("deploy", "arm", "scheduler")} <= {
        seen.role for seen in accesses
    }
    refused = {str(seen) for seen in accesses if not roles[seen.role].allows(seen)}
    assert not refused, "\n".join(sorted(refused))


def test_what_the_story_has_no_use_for_is_used_here(
    played: tuple[dict[str, Role], list[Seen]],
) -> None:
    roles, accesses = played
    idle = [
        f"{item.role} {item.sid} {action}"
        for item in IDLE
        if item.reason in PLAYED
        for action in item.actions.split()
        if not is_used(item.role, item.sid, action, roles, accesses)
    ]
    assert not idle, "\n".join(idle)


def is_used(role: str, sid: str, action: str, roles: dict[str, Role], accesses: list[Seen]) -> bool:
    """By that role, or for `*` by each that is granted it."""
    grants = [
        (item, statement)
        for item in roles.values()
        if role in ("*", item.name.removeprefix(f"{NAME}-"))
        for statement, granted in item.grants()
        if statement.get("Sid") == sid and granted == action
    ]
    assert grants, f"nobody is granted {sid} {action}"
    return all(
        any(
            seen.role == item.name and allows({**statement, "Action": action}, seen)
            for seen in accesses
        )
        for item, statement in grants
    )
