"""Roles and policies of stacks."""

from __future__ import annotations

import json
from typing import Any

from seatrial.localcloud.api import ACCOUNT
from seatrial.localcloud.made import Made, MakeClient, Properties


def put_policy(client: MakeClient, given: Properties, new: bool) -> Made:
    """A managed policy; a change is a new version, in place of the one before."""
    iam, document = client("iam"), json.dumps(given["PolicyDocument"])
    arn = f"arn:aws:iam::{ACCOUNT}:policy/{given['ManagedPolicyName']}"
    if new:
        iam.create_policy(PolicyName=given["ManagedPolicyName"], PolicyDocument=document)
        return Made(arn)
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=document, SetAsDefault=True)
    for version in iam.list_policy_versions(PolicyArn=arn)["Versions"]:
        if not version["IsDefaultVersion"]:
            iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])
    return Made(arn)


def delete_policy(client: MakeClient, arn: str) -> None:
    """Take the policy away."""
    client("iam").delete_policy(PolicyArn=arn)


def put_role(client: MakeClient, given: Properties, new: bool) -> Made:
    """A role with exactly these policies."""
    iam, name = client("iam"), given["RoleName"]
    trust = json.dumps(given["AssumeRolePolicyDocument"])
    if new:
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)
    else:
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=trust)
        _clear(iam, name)
    for policy in given["Policies"]:
        iam.put_role_policy(
            RoleName=name,
            PolicyName=policy["PolicyName"],
            PolicyDocument=json.dumps(policy["PolicyDocument"]),
        )
    for arn in given.get("ManagedPolicyArns", ()):
        iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    return Made(name, {"Arn": f"arn:aws:iam::{ACCOUNT}:role/{name}"})


def delete_role(client: MakeClient, name: str) -> None:
    """Take the role and its policies away."""
    _clear(client("iam"), name)
    client("iam").delete_role(RoleName=name)


def _clear(iam: Any, name: str) -> None:
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        iam.delete_role_policy(RoleName=name, PolicyName=policy)
    for attached in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
        iam.detach_role_policy(RoleName=name, PolicyArn=attached["PolicyArn"])
