"""A deployment that is killed, or whose answers are lost, at each call that changes something.

The whole matrix, reads and other faults too, is benchmarks/faults.py.
"""

from __future__ import annotations

import sys
from typing import Any

import pytest
from botocore.retries import standard
from faults import KILLED, LOST, Fault, Stage, play

pytestmark = pytest.mark.flow

# In each scene the calls that are its own; those that it shares with another are tried there.
CALLS = {
    "first": ("PutObject history", "CreateModel", "CreateEndpointConfig", "CreateEndpoint"),
    "update": ("UpdateEndpoint", "DeleteEndpointConfig"),
    "in place": ("UpdateEndpointWeightsAndCapacities",),
    "roll back": (*("UpdateEndpoint", "DeleteEndpointConfig", "DeleteModel", "PutObject history"),),
    "judged": ("UpdateEndpoint", "PutObject history"),
    "update, pings": ("CreateSchedule",),
    "update, scaled": ("DeregisterScalableTarget", "RegisterScalableTarget"),
    "roll back, scaled": ("DeregisterScalableTarget",),
}
CHANGES_OF_ENDPOINT = ("CreateEndpoint", "UpdateEndpoint", "UpdateEndpointWeightsAndCapacities")


def test_whatever_is_interrupted_serves_and_is_finished_by_running_it_again(
    new_cloud: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(standard.ExponentialBackoff, "delay_amount", lambda *_: 0)
    cells: list[str] = []
    with new_cloud(quota="endpoints=100,concurrency=4000") as cloud:
        stage = Stage(cloud)
        for scene, calls in CALLS.items():
            for call in calls:
                for kind in (KILLED, LOST[0]) if call in CHANGES_OF_ENDPOINT else (KILLED,):
                    cells.append(f"{scene}, {call}, {kind}")
                    try:
                        play(stage.scene(scene), Fault(call, kind))
                    except AssertionError as error:
                        raise AssertionError(f"{cells[-1]}: {error}") from error
    with capsys.disabled():
        sys.stdout.write(f"\n{len(cells)} cells\n")
    assert len(cells) == 22
