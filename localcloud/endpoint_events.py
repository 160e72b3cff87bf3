"""The event "SageMaker Endpoint State Change", as EventBridge carries it.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html.
The status is spelled IN_SERVICE there, not InService as in the API. Tags are left out here.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Callable
from typing import Any

from seatrial.localcloud.api import ACCOUNT, Place
from seatrial.localcloud.endpoint_state import Endpoint

DETAIL_TYPE = "SageMaker Endpoint State Change"


def endpoint_event(endpoint: Endpoint, place: Place) -> dict[str, Any]:
    """The event for an endpoint that has just come into its state. Times in it are milliseconds."""
    arn = place.arn(f"endpoint/{endpoint.name.lower()}")
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": DETAIL_TYPE,
        "source": "aws.sagemaker",
        "account": ACCOUNT,
        "time": endpoint.modified_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": place.region,
        "resources": [arn],
        "detail": {
            "EndpointName": endpoint.name,
            "EndpointArn": arn,
            "EndpointConfigName": endpoint.latest.config_name,
            "EndpointStatus": re.sub(r"(?<=[a-z])(?=[A-Z])", "_", endpoint.status).upper(),
            "CreationTime": round(endpoint.created_at.timestamp() * 1000),
            "LastModifiedTime": round(endpoint.modified_at.timestamp() * 1000),
        },
    }


class EndpointEvents:
    """Publishes one event after the other, in the order of the changes, and holds nobody up."""

    def __init__(
        self,
        place: Place,
        publish: Callable[[dict[str, Any]], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._place, self._publish, self._loop = place, publish, loop
        self._turn = asyncio.Lock()

    def emit(self, endpoint: Endpoint) -> None:
        """Publish the endpoint's state soon; from any thread."""
        event = endpoint_event(endpoint, self._place)
        asyncio.run_coroutine_threadsafe(self._deliver(event), self._loop)

    async def _deliver(self, event: dict[str, Any]) -> None:
        async with self._turn:
            await asyncio.to_thread(self._publish, event)
