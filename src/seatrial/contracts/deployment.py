"""`deployment.json` and `arming.json`: what was changed, and that it is watched."""

from __future__ import annotations

from typing import Any

from pydantic import AwareDatetime, NonNegativeFloat

from seatrial.contracts.base import Contract, Part
from seatrial.contracts.deployment_history import Serving


class Action(Part):
    """One call to AWS: boto3's client and method name, and its parameters."""

    service: str
    method: str
    parameters: dict[str, Any]


class GoldenPrediction(Part):
    """One sample payload sent to the endpoint, and how far the answer was from the expected one."""

    event_id: str
    payload: str
    max_deviation: NonNegativeFloat


class Deployment(Contract):
    """Written by deploy_endpoint; read by arm_monitoring and the CLI.

    `skipped` says why nothing was deployed: a later approval is there. Then the rest says what it
    would have been, with neither actions nor predictions.
    `previous` is what a rollback brings back and `rollback` the calls for it; None and the deletion
    of the endpoint if it is the first.
    """

    endpoint_name: str
    variant_name: str
    model_name: str
    serving: Serving
    previous: Serving | None
    skipped: str | None
    model_data_url: str
    baseline_uri: str
    log_group: str
    records_uri: str
    actions: tuple[Action, ...]
    rollback: tuple[Action, ...]
    golden: tuple[GoldenPrediction, ...]
    latency_p95_ms: NonNegativeFloat | None
    approved_at: AwareDatetime
    deployed_at: AwareDatetime


class SelfTest(Part):
    """The monitor's verdict on a window whose answer is known.

    By all columns together none of them is moved by itself: `detail` has the figures then.
    """

    name: str
    rows: int
    expected_alert: bool
    alert: bool
    moved_columns: tuple[str, ...]
    alerted_columns: tuple[str, ...]
    detail: str = ""

    @property
    def passed(self) -> bool:
        """True if the monitor was silent or alarmed as it should, about the right columns."""
        return self.alert is self.expected_alert and set(self.moved_columns) <= set(
            self.alerted_columns
        )


class Arming(Contract):
    """Written by arm_monitoring once a deployed endpoint has been seen to be watched.

    `actions` are the calls that made its monitoring schedule, or changed it.
    """

    endpoint_name: str
    records_seen: tuple[str, ...]
    waited_s: NonNegativeFloat
    self_tests: tuple[SelfTest, ...]
    armed: bool
    reason: str | None
    actions: tuple[Action, ...] = ()
