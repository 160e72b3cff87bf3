"""Roles as they stand in a localcloud, held against what was done with them there."""

from __future__ import annotations

import fnmatch
import json
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from seatrial.localcloud.api import ACCOUNT

# What the services send along when they assume a role for this account.
_OWN_ACCOUNT = {"aws:SourceAccount": ACCOUNT, "sts:ExternalId": ACCOUNT}


@dataclass(frozen=True)
class Seen:
    """One access that was recorded."""

    role: str
    action: str
    resource: str
    context: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.role}: {self.action} on {self.resource} {dict(self.context) or ''}"


@dataclass(frozen=True)
class Role:
    """A role's statements; `trust` says who may assume it."""

    name: str
    trust: tuple[dict[str, Any], ...]
    statements: tuple[dict[str, Any], ...]

    def allows(self, seen: Seen) -> bool:
        """Whether IAM would let it happen."""
        if seen.action == "sts:AssumeRole":
            return any(_trusts(item, seen) for item in self.trust)
        return any(allows(item, seen) for item in self.statements)

    def grants(self) -> Iterator[tuple[dict[str, Any], str]]:
        """Each statement with each of its actions."""
        for statement in self.statements:
            for action in _listed(statement["Action"]):
                yield statement, action


def read_accesses(endpoint_url: str) -> list[Seen]:
    """What a localcloud has recorded."""
    address = f"{endpoint_url}/_seatrial/accesses"
    with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310
        found = json.load(answer)["accesses"]
    return [
        Seen(item["role"].rsplit("/", 1)[-1], item["action"], item["resource"], item["context"])
        for item in found
    ]


def read_roles(iam: Any, prefix: str) -> dict[str, Role]:
    """The roles whose names begin so, by name."""
    names = [item["RoleName"] for item in iam.list_roles()["Roles"]]
    return {name: _read_role(iam, name) for name in names if name.startswith(prefix)}


def _read_role(iam: Any, name: str) -> Role:
    role = iam.get_role(RoleName=name)["Role"]
    documents = [
        iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
    ]
    for attached in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
        arn = attached["PolicyArn"]
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        found = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]
        documents.append(found["Document"])
    statements = tuple(item for document in documents for item in document["Statement"])
    return Role(name, tuple(role["AssumeRolePolicyDocument"]["Statement"]), statements)


def allows(statement: Mapping[str, Any], seen: Seen) -> bool:
    """Whether an Allow statement covers the access: action, resource and every condition."""
    return (
        statement["Effect"] == "Allow"
        and any(_like(seen.action.lower(), item.lower()) for item in _listed(statement["Action"]))
        and any(_like(seen.resource, item) for item in _listed(statement["Resource"]))
        and _conditions_hold(statement, seen.context)
    )


def _trusts(statement: Mapping[str, Any], seen: Seen) -> bool:
    return (
        statement["Principal"] == {"Service": seen.context["service"]}
        and statement["Action"] == "sts:AssumeRole"
        and _conditions_hold(statement, _OWN_ACCOUNT)
    )


def _conditions_hold(statement: Mapping[str, Any], context: Mapping[str, str]) -> bool:
    conditions = statement.get("Condition", {})
    assert set(conditions) <= {"StringEquals"}, f"not understood: {sorted(conditions)}"
    return all(
        context.get(key) == value for key, value in conditions.get("StringEquals", {}).items()
    )


def _like(value: str, pattern: str) -> bool:
    """IAM's wildcards: * and ?; a [ is a [."""
    return fnmatch.fnmatchcase(value, pattern.replace("[", "[[]"))


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]
