"""CloudFormation: stacks, made through CreateStack or a change set.

Differences from AWS, on purpose: a stack is made within the call that asks for it; only the types
that infra/foundation.yaml uses are made (stack_kinds.py), any other is refused; a change that would
replace a resource is refused; events are not kept, the reason of a failure is the stack's.
"""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, datetime
from typing import Any

from seatrial.localcloud.api import AwsError, Handler, Place
from seatrial.localcloud.made import MakeClient
from seatrial.localcloud.stack import Stack
from seatrial.localcloud.stack_answers import ChangeSet, shown_resources, shown_stack
from seatrial.localcloud.template import read_template

_IAM = "AWS::IAM::"


class Stacks:
    """The stacks of the account; deleted ones are forgotten."""

    def __init__(self, place: Place, client: MakeClient) -> None:
        self._place, self._client = place, client
        self._lock = threading.RLock()
        self._stacks: dict[str, Stack] = {}
        self._change_sets: dict[tuple[str, str], ChangeSet] = {}

    def handlers(self) -> dict[str, Handler]:
        """The calls that this answers, as `cloudformation.<Action>`."""
        answered = {
            "CreateStack": self._create_stack,
            "CreateChangeSet": self._create_change_set,
            "DescribeChangeSet": self._describe_change_set,
            "ExecuteChangeSet": self._execute,
            "DeleteChangeSet": self._delete_change_set,
            "DescribeStacks": self._describe,
            "ListStackResources": self._list_resources,
            "GetTemplate": self._get_template,
            "DeleteStack": self._delete,
        }
        return {f"cloudformation.{name}": self._locked(call) for name, call in answered.items()}

    def _locked(self, call: Handler) -> Handler:
        def answer(request: dict[str, Any]) -> dict[str, Any]:
            with self._lock:
                return call(request)

        return answer

    def _create_stack(self, request: dict[str, Any]) -> dict[str, Any]:
        change_set = self._propose(
            {**request, "ChangeSetName": "create", "ChangeSetType": "CREATE"}
        )
        self._carry_out(change_set)
        return {"StackId": change_set.stack.arn}

    def _create_change_set(self, request: dict[str, Any]) -> dict[str, Any]:
        change_set = self._propose(request)
        return {"Id": change_set.arn, "StackId": change_set.stack.arn}

    def _propose(self, request: dict[str, Any]) -> ChangeSet:
        name, text = request["StackName"], request.get("TemplateBody", "")
        given = {
            item["ParameterKey"]: item.get("ParameterValue", "")
            for item in request.get("Parameters", [])
        }
        template = read_template(text, given, self._place)
        stack = self._stacks.get(name)
        new = request.get("ChangeSetType", "UPDATE") == "CREATE"
        if new and stack is not None and stack.status != "REVIEW_IN_PROGRESS":
            raise AwsError("AlreadyExistsException", f"localcloud: the stack {name} exists")
        if not new:
            stack = self._get(name)
        if stack is None:
            arn = self._place.arn(f"stack/{name}/{uuid.uuid4()}", service="cloudformation")
            stack = Stack(name, arn, datetime.now(UTC))
        if (name, request["ChangeSetName"]) in self._change_sets:
            raise AwsError(
                "AlreadyExistsException",
                f"localcloud: {name} has a change set {request['ChangeSetName']}",
            )
        changes = stack.changes(template)
        if any(item.type.startswith(_IAM) for item in changes) and (
            "CAPABILITY_NAMED_IAM" not in request.get("Capabilities", ())
        ):
            raise AwsError(
                "InsufficientCapabilitiesException",
                "localcloud: roles with names need Capabilities CAPABILITY_NAMED_IAM",
            )
        self._stacks[name] = stack
        label = request["ChangeSetName"]
        arn = self._place.arn(f"changeSet/{label}/{uuid.uuid4()}", service="cloudformation")
        change_set = ChangeSet(label, arn, stack, template, text, changes)
        self._change_sets[name, label] = change_set
        return change_set

    def _execute(self, request: dict[str, Any]) -> dict[str, Any]:
        change_set = self._change_set(request)
        if not change_set.changes:
            raise AwsError("InvalidChangeSetStatus", f"localcloud: {change_set.name} is FAILED")
        self._carry_out(change_set)
        return {}

    def _carry_out(self, change_set: ChangeSet) -> None:
        stack = change_set.stack
        stack.carry_out(change_set.template, self._client)
        if not stack.reason:
            stack.template_text, stack.values = change_set.text, change_set.template.values
        for key in [key for key in self._change_sets if key[0] == stack.name]:
            del self._change_sets[key]  # they were made for what was there before

    def _delete_change_set(self, request: dict[str, Any]) -> dict[str, Any]:
        change_set = self._change_set(request)
        del self._change_sets[change_set.stack.name, change_set.name]
        return {}

    def _describe_change_set(self, request: dict[str, Any]) -> dict[str, Any]:
        change_set = self._change_set(request)
        return change_set.shown()

    def _describe(self, request: dict[str, Any]) -> dict[str, Any]:
        name = request.get("StackName")
        found = [self._get(name)] if name else list(self._stacks.values())
        return {"Stacks": [shown_stack(stack) for stack in found]}

    def _list_resources(self, request: dict[str, Any]) -> dict[str, Any]:
        stack = self._get(request["StackName"])
        return {"StackResourceSummaries": shown_resources(stack)}

    def _get_template(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"TemplateBody": self._get(request["StackName"]).template_text}

    def _delete(self, request: dict[str, Any]) -> dict[str, Any]:
        stack = self._stacks.get(_plain(request["StackName"]))
        if stack is not None:  # AWS answers the same for one that is not there
            stack.delete(self._client)
            if stack.status == "DELETE_COMPLETE":
                del self._stacks[stack.name]
        return {}

    def _get(self, name: str) -> Stack:
        stack = self._stacks.get(_plain(name))
        if stack is None:
            # clients tell "no such stack" by this code and "does not exist"
            raise AwsError("ValidationError", f"localcloud: the stack {name} does not exist")
        return stack

    def _change_set(self, request: dict[str, Any]) -> ChangeSet:
        wanted = request["ChangeSetName"]
        for change_set in self._change_sets.values():
            by_name = (change_set.stack.name, change_set.name)
            if wanted == change_set.arn or by_name == (request.get("StackName"), wanted):
                return change_set
        raise AwsError(
            "ChangeSetNotFound", f"localcloud: there is no change set {wanted}", status=404
        )


def _plain(name: str) -> str:
    return name.split("/")[1] if name.startswith("arn:") else name
