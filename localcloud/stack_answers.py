"""Stacks and change sets as CloudFormation's calls show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from seatrial.localcloud.stack import Change, Stack
from seatrial.localcloud.template import Template

NO_CHANGES = "localcloud: The submitted information didn't contain changes."


@dataclass
class ChangeSet:
    """Changes that can be looked at before they are made."""

    name: str
    arn: str
    stack: Stack
    template: Template
    text: str
    changes: list[Change]

    @property
    def status(self) -> str:
        """FAILED if there is nothing to change."""
        return "CREATE_COMPLETE" if self.changes else "FAILED"

    def shown(self) -> dict[str, Any]:
        """DescribeChangeSet's answer."""
        return {
            "ChangeSetName": self.name,
            "ChangeSetId": self.arn,
            "StackId": self.stack.arn,
            "StackName": self.stack.name,
            "Status": self.status,
            "StatusReason": None if self.changes else NO_CHANGES,
            "ExecutionStatus": "AVAILABLE" if self.changes else "UNAVAILABLE",
            "Changes": [_shown_change(item) for item in self.changes],
        }


def _shown_change(change: Change) -> dict[str, Any]:
    return {
        "Type": "Resource",
        "ResourceChange": {
            "Action": change.action,
            "LogicalResourceId": change.logical_id,
            "PhysicalResourceId": change.physical_id,
            "ResourceType": change.type,
            "Replacement": "False" if change.action == "Modify" else None,
        },
    }


def shown_resources(stack: Stack) -> list[dict[str, Any]]:
    """The resources of ListStackResources' answer."""
    return [
        {
            "LogicalResourceId": name,
            "PhysicalResourceId": item.made.physical_id,
            "ResourceType": item.type,
            "LastUpdatedTimestamp": item.changed_at,
            "ResourceStatus": "CREATE_COMPLETE",
        }
        for name, item in stack.resources.items()
    ]


def shown_stack(stack: Stack) -> dict[str, Any]:
    """One stack of DescribeStacks' answer."""
    return {
        "StackId": stack.arn,
        "StackName": stack.name,
        "CreationTime": stack.created_at,
        "StackStatus": stack.status,
        "StackStatusReason": stack.reason or None,
        "Parameters": [
            {"ParameterKey": name, "ParameterValue": value} for name, value in stack.values.items()
        ],
        "Outputs": [
            {"OutputKey": name, "OutputValue": value} for name, value in stack.outputs.items()
        ],
    }
