"""The event of an endpoint's new state: its spelling, and its order."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from seatrial.localcloud.api import Place
from seatrial.localcloud.endpoint_events import EndpointEvents, endpoint_event
from seatrial.localcloud.endpoint_state import Endpoint
from seatrial.localcloud.hosting import Deployment

PLACE = Place(region="eu-west-1", endpoint_url="http://127.0.0.1:1", work_dir="/nowhere")
SERVING = Deployment("config", "v", 1024, 1, 0, "image", None, {}, "role")
AT = datetime(2026, 11, 24, 14, 33, 23, tzinfo=UTC)
ENDPOINT = Endpoint("Flights", "InService", AT, AT, SERVING, None)


@pytest.mark.parametrize(
    ("status", "spelled"),
    [
        ("Creating", "CREATING"),
        ("InService", "IN_SERVICE"),
        ("RollingBack", "ROLLING_BACK"),
        ("UpdateRollbackFailed", "UPDATE_ROLLBACK_FAILED"),
    ],
)
def test_statuses_are_spelled_as_eventbridge_does(status: str, spelled: str) -> None:
    event = endpoint_event(replace(ENDPOINT, status=status), PLACE)
    assert event["detail"]["EndpointStatus"] == spelled


def test_the_event_says_which_endpoint_and_when() -> None:
    arn = "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/flights"
    event = endpoint_event(ENDPOINT, PLACE)
    assert event["detail-type"] == "SageMaker Endpoint State Change"
    assert (event["source"], event["time"]) == ("aws.sagemaker", "2026-11-24T14:33:23Z")
    assert event["resources"] == [arn]
    assert event["detail"] == {
        "EndpointName": "Flights",
        "EndpointArn": arn,
        "EndpointConfigName": "config",
        "EndpointStatus": "IN_SERVICE",
        "CreationTime": 1795530803000,
        "LastModifiedTime": 1795530803000,
    }


def test_events_keep_their_order_though_a_target_is_slow() -> None:
    published: list[str] = []

    def publish(event: dict[str, Any]) -> None:
        time.sleep(0.05 if not published else 0)
        published.append(event["detail"]["EndpointStatus"])

    async def run() -> None:
        events = EndpointEvents(PLACE, publish, asyncio.get_running_loop())
        for status in ("Creating", "InService", "Deleting"):
            await asyncio.to_thread(events.emit, replace(ENDPOINT, status=status))
        while len(published) < 3:
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(run(), 5))
    assert published == ["CREATING", "IN_SERVICE", "DELETING"]
