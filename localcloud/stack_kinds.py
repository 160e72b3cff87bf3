"""The resource types that stacks make here: those of infra/foundation.yaml, and no other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from seatrial.localcloud import stack_resources as make
from seatrial.localcloud import stack_roles
from seatrial.localcloud.api import validation_error
from seatrial.localcloud.made import Made, MakeClient, Properties

# (clients, properties, whether it is new) → what is there now
Put = Callable[[MakeClient, Properties, bool], Made]
Delete = Callable[[MakeClient, str], None]


@dataclass(frozen=True)
class Kind:
    """One type: `put` makes the resource or brings it up to date, `delete` takes its Ref.

    The property `name` says which resource it is.
    """

    name: str
    properties: frozenset[str]
    put: Put
    delete: Delete


def _kind(properties: str, put: Put, delete: Delete) -> Kind:
    names = properties.split()
    return Kind(names[0], frozenset(names), put, delete)


def _nothing(_: MakeClient, __: str) -> None:
    """It goes away with what it belongs to."""


KINDS = {
    "AWS::S3::Bucket": _kind(
        "BucketName VersioningConfiguration BucketEncryption PublicAccessBlockConfiguration "
        "OwnershipControls LifecycleConfiguration",
        make.put_bucket,
        make.delete_bucket,
    ),
    "AWS::S3::BucketPolicy": _kind("Bucket PolicyDocument", make.put_bucket_policy, _nothing),
    "AWS::SNS::Topic": _kind("TopicName KmsMasterKeyId", make.put_topic, make.delete_topic),
    "AWS::SQS::Queue": _kind(
        "QueueName MessageRetentionPeriod SqsManagedSseEnabled", make.put_queue, make.delete_queue
    ),
    "AWS::SQS::QueuePolicy": _kind("Queues PolicyDocument", make.put_queue_policy, _nothing),
    "AWS::ECR::Repository": _kind(
        "RepositoryName ImageScanningConfiguration", make.put_repository, make.delete_repository
    ),
    "AWS::IAM::ManagedPolicy": _kind(
        "ManagedPolicyName PolicyDocument", stack_roles.put_policy, stack_roles.delete_policy
    ),
    "AWS::IAM::Role": _kind(
        "RoleName AssumeRolePolicyDocument ManagedPolicyArns Policies",
        stack_roles.put_role,
        stack_roles.delete_role,
    ),
    "AWS::CodeBuild::Project": _kind(
        "Name ServiceRole Source Artifacts Environment TimeoutInMinutes",
        make.put_build_project,
        make.delete_build_project,
    ),
}


def kind_of(type_name: str, properties: Mapping[str, Any]) -> Kind:
    """How that type is made; AwsError for one that is not made here, or with other properties."""
    kind = KINDS.get(type_name)
    if kind is None:
        raise validation_error(
            f"{type_name} is not made by stacks here; {', '.join(sorted(KINDS))} are"
        )
    unknown = sorted(set(properties) - kind.properties)
    if unknown:
        raise validation_error(
            f"{type_name} with {', '.join(unknown)} is not made here; "
            f"{', '.join(sorted(kind.properties))} are understood"
        )
    return kind
