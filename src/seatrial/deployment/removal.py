"""What goes when an endpoint goes: all that watches it or keeps it warm; logs and records stay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.contracts import Action
from seatrial.deployment import alarms, schedule


def plan_removal(endpoint_name: str, clients: Mapping[str, Any]) -> list[Action]:
    """The deletion of what is there of it, the endpoint itself apart."""
    name = schedule.schedule_name(endpoint_name)
    return [
        *schedule.plan_removal(name, clients["scheduler"]),
        *alarms.plan_removal(endpoint_name, clients["cloudwatch"]),
    ]
