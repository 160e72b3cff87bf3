"""What has to be there once, as a CloudFormation stack: proposed, made, looked at."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from seatrial.aws import explained
from seatrial.config import Config
from seatrial.errors import CloudError
from seatrial.foundation_template import render, stack_name

CHANGE_SET = "seatrial-infra"
# Roles are made within a minute or two; an hour means that something waits for a person.
DEADLINE_S = 3600
_COMPLETE = ("CREATE_COMPLETE", "UPDATE_COMPLETE")
_DO = "Allow the CloudFormation calls that docs/aws.md lists, and look at the stack's events"


@dataclass(frozen=True)
class Change:
    """What would become of one resource: Add, Modify or Remove."""

    action: str
    logical_id: str
    type: str
    replaced: bool


@dataclass(frozen=True)
class StackState:
    """How the stack stands; `current` if it is what this version and configuration would make."""

    name: str
    status: str
    reason: str | None
    current: bool
    resources: tuple[tuple[str, str, str], ...]  # logical id, physical id, status
    outputs: dict[str, str]

    @property
    def complete(self) -> bool:
        """True if nothing is left to be made or mended."""
        return self.status in _COMPLETE and self.current


def propose(
    config: Config,
    cloudformation: Any,
    *,
    poll_s: float = 2.0,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Change]:
    """Make a change set of what the stack lacks, and return it; empty if it lacks nothing."""
    name = stack_name(config)
    there = _describe(name, cloudformation)
    new = there is None or there["StackStatus"] == "REVIEW_IN_PROGRESS"
    _refuse_broken(name, there)
    with explained(f"a change set of {name}", do=_DO):
        if there is not None:
            _forget_change_set(name, cloudformation)
        cloudformation.create_change_set(
            StackName=name,
            ChangeSetName=CHANGE_SET,
            ChangeSetType="CREATE" if new else "UPDATE",
            TemplateBody=render(config),
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        pages = _settled_pages(name, cloudformation, poll_s=poll_s, sleep=sleep)
    changes = [
        _change(item["ResourceChange"]) for page in pages for item in page.get("Changes", [])
    ]
    reason = pages[0].get("StatusReason", "")
    if pages[0]["Status"] == "FAILED":
        withdraw(config, cloudformation)
        if not _nothing_to_change(reason):
            raise CloudError(
                f"CloudFormation cannot change {name}",
                got=reason,
                allowed="a template and parameters that it takes",
                do="Correct what this names in the configuration",
            )
    return changes


def withdraw(config: Config, cloudformation: Any) -> None:
    """Delete the change set, and the stack if it was only proposed."""
    name = stack_name(config)
    with explained(f"taking back the change set of {name}", do=_DO):
        cloudformation.delete_change_set(StackName=name, ChangeSetName=CHANGE_SET)
        there = _describe(name, cloudformation)
        if there is not None and there["StackStatus"] == "REVIEW_IN_PROGRESS":
            cloudformation.delete_stack(StackName=name)


def carry_out(
    config: Config,
    cloudformation: Any,
    *,
    poll_s: float = 2.0,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Execute what `propose` proposed, and wait for it; CloudError if it was rolled back."""
    name, started = stack_name(config), clock()
    with explained(f"the stack {name}", do=_DO):
        cloudformation.execute_change_set(StackName=name, ChangeSetName=CHANGE_SET)
    while True:
        there = _describe(name, cloudformation) or {"StackStatus": "gone"}
        status = there["StackStatus"]
        if status in _COMPLETE:
            return
        if clock() - started < DEADLINE_S and status.endswith("_IN_PROGRESS"):
            sleep(poll_s)
            continue
        raise CloudError(
            f"the stack {name} was not made",
            got=f"{status}: {there.get('StackStatusReason', 'no reason given')}",
            allowed=", ".join(_COMPLETE),
            do=f"aws cloudformation describe-stack-events --stack-name {name}",
        )


def lay_foundation(config: Config, cloudformation: Any) -> Sequence[Change]:
    """Make the stack, or bring it up to date; return what was changed."""
    changes = propose(config, cloudformation)
    if changes:
        carry_out(config, cloudformation)
    return changes


def look(config: Config, cloudformation: Any) -> StackState | None:
    """How the stack stands; None if there is none."""
    name = stack_name(config)
    there = _describe(name, cloudformation)
    if there is None:
        return None
    with explained(f"the stack {name}", do=_DO):
        pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
        resources = [item for page in pages for item in page["StackResourceSummaries"]]
        body = cloudformation.get_template(StackName=name).get("TemplateBody", "")
    return StackState(
        name,
        there["StackStatus"],
        there.get("StackStatusReason"),
        str(body).strip() == render(config).strip(),
        tuple(
            (
                item["LogicalResourceId"],
                item.get("PhysicalResourceId", ""),
                item["ResourceStatus"],
            )
            for item in resources
        ),
        {item["OutputKey"]: item["OutputValue"] for item in there.get("Outputs", [])},
    )


def _settled_pages(
    name: str, cloudformation: Any, *, poll_s: float, sleep: Callable[[float], None]
) -> list[dict[str, Any]]:
    """The change set's description, page by page, once CloudFormation has worked it out."""
    ids = {"StackName": name, "ChangeSetName": CHANGE_SET}
    while (first := cloudformation.describe_change_set(**ids))["Status"].endswith(
        ("_PENDING", "_IN_PROGRESS")
    ):
        sleep(poll_s)
    pages = [first]
    while token := pages[-1].get("NextToken"):
        pages.append(cloudformation.describe_change_set(**ids, NextToken=token))
    return pages


def _change(item: dict[str, Any]) -> Change:
    replaced = item.get("Replacement") in ("True", "Conditional")
    return Change(item["Action"], item["LogicalResourceId"], item["ResourceType"], replaced)


def _forget_change_set(name: str, cloudformation: Any) -> None:
    """Delete the one that an interrupted call may have left."""
    from botocore.exceptions import ClientError

    try:
        cloudformation.delete_change_set(StackName=name, ChangeSetName=CHANGE_SET)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ChangeSetNotFound":
            raise


def _describe(name: str, cloudformation: Any) -> dict[str, Any] | None:
    from botocore.exceptions import ClientError

    with explained(f"the stack {name}", do=_DO):
        try:
            return dict(cloudformation.describe_stacks(StackName=name)["Stacks"][0])
        except ClientError as error:
            if "does not exist" in error.response["Error"]["Message"]:
                return None
            raise


def _refuse_broken(name: str, there: dict[str, Any] | None) -> None:
    """CloudError for a stack that no change set can mend."""
    status = "" if there is None else there["StackStatus"]
    if status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"):
        raise CloudError(
            f"the stack {name} is the rest of a failure",
            got=f"{status}: {(there or {}).get('StackStatusReason', 'no reason given')}",
            allowed="no stack of that name, or a complete one",
            do=f"aws cloudformation delete-stack --stack-name {name}, then deploy again",
        )


def _nothing_to_change(reason: str) -> bool:
    """CloudFormation says it in two ways."""
    return "didn't contain changes" in reason or "No updates are to be performed" in reason
