"""What goes when an endpoint goes: all that watches it or keeps it warm; logs and records stay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.contracts import Action
from seatrial.deployment import alarms, schedule
from seatrial.deployment.scaling import plan_release
from seatrial.deployment.warming import ping_schedule_name


def plan_removal(endpoint_name: str, clients: Mapping[str, Any]) -> list[Action]:
    """The deletion of what is there of it, the endpoint itself apart."""
    names = (schedule.schedule_name(endpoint_name), ping_schedule_name(endpoint_name))
    return [
        *(item for name in names for item in schedule.plan_removal(name, clients["scheduler"])),
        *plan_release(endpoint_name, clients),
        *alarms.plan_removal(endpoint_name, clients["cloudwatch"]),
    ]
