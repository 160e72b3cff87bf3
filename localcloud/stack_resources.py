"""Resources of stacks, made by the calls that one would make oneself, to this cloud."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from seatrial.localcloud.api import ACCOUNT
from seatrial.localcloud.made import AlreadyExistsError, Made, MakeClient, Properties


def put_bucket(client: MakeClient, given: Properties, new: bool) -> Made:
    """A bucket with its encryption, versions, access and lifecycle."""
    s3, name = client("s3"), given["BucketName"]
    if new:
        _refuse_if_found("the bucket", name, lambda: s3.head_bucket(Bucket=name))
        region = s3.meta.region_name
        where = {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=name, **({} if region == "us-east-1" else where))
    encryption = given["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    rules = [
        {
            "ApplyServerSideEncryptionByDefault": item["ServerSideEncryptionByDefault"],
            **{key: item[key] for key in ("BucketKeyEnabled",) if key in item},
        }
        for item in encryption
    ]
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration=given["VersioningConfiguration"])
    s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": rules})
    s3.put_public_access_block(
        Bucket=name,
        PublicAccessBlockConfiguration=given["PublicAccessBlockConfiguration"],
    )
    s3.put_bucket_ownership_controls(Bucket=name, OwnershipControls=given["OwnershipControls"])
    s3.put_bucket_lifecycle_configuration(
        Bucket=name,
        LifecycleConfiguration={
            "Rules": [_lifecycle_rule(rule) for rule in given["LifecycleConfiguration"]["Rules"]]
        },
    )
    return Made(name, {"Arn": f"arn:aws:s3:::{name}"})


def _lifecycle_rule(rule: Properties) -> dict[str, Any]:
    """CloudFormation's spelling of a lifecycle rule in S3's."""
    asked = dict(rule)
    made = {
        "ID": asked.pop("Id"),
        "Status": asked.pop("Status"),
        "Filter": {"Prefix": asked.pop("Prefix", "")},
    }
    if "ExpirationInDays" in asked:
        made["Expiration"] = {"Days": asked.pop("ExpirationInDays")}
    return {**made, **asked}


def delete_bucket(client: MakeClient, name: str) -> None:
    """An empty bucket; AWS refuses another, and so does moto."""
    client("s3").delete_bucket(Bucket=name)


def put_bucket_policy(_: MakeClient, given: Properties, __: bool) -> Made:
    """Kept with the stack only: loopback has no TLS, and moto would refuse every later call."""
    return Made(given["Bucket"], {})


def put_topic(client: MakeClient, given: Properties, new: bool) -> Made:
    """An SNS topic."""
    sns, name = client("sns"), given["TopicName"]
    arn = f"arn:aws:sns:{sns.meta.region_name}:{ACCOUNT}:{name}"
    if new:
        _refuse_if_found("the topic", name, lambda: sns.get_topic_attributes(TopicArn=arn))
    attributes = {key: given[key] for key in ("KmsMasterKeyId",) if key in given}
    sns.create_topic(Name=name, Attributes=attributes)
    return Made(arn, {"TopicArn": arn})


def delete_topic(client: MakeClient, arn: str) -> None:
    """Take the topic away."""
    client("sns").delete_topic(TopicArn=arn)


def put_queue(client: MakeClient, given: Properties, new: bool) -> Made:
    """An SQS queue."""
    sqs, name = client("sqs"), given["QueueName"]
    if new:
        _refuse_if_found("the queue", name, lambda: sqs.get_queue_url(QueueName=name))
    attributes = {key: str(value).lower() for key, value in given.items() if key != "QueueName"}
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return Made(url, {"Arn": found["Attributes"]["QueueArn"]})


def delete_queue(client: MakeClient, url: str) -> None:
    """Take the queue away."""
    client("sqs").delete_queue(QueueUrl=url)


def put_queue_policy(client: MakeClient, given: Properties, _: bool) -> Made:
    """The policy of queues, which has no id of its own."""
    for url in given["Queues"]:
        policy = json.dumps(given["PolicyDocument"])
        client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    return Made(f"policy-of-{given['Queues'][0].rsplit('/', 1)[-1]}", {})


def put_repository(client: MakeClient, given: Properties, new: bool) -> Made:
    """An ECR repository."""
    ecr, name = client("ecr"), given["RepositoryName"]
    if new:
        ecr.create_repository(repositoryName=name)
    ecr.put_image_scanning_configuration(
        repositoryName=name,
        imageScanningConfiguration={
            "scanOnPush": given["ImageScanningConfiguration"]["ScanOnPush"]
        },
    )
    found = ecr.describe_repositories(repositoryNames=[name])["repositories"][0]
    return Made(name, {"Arn": found["repositoryArn"], "RepositoryUri": found["repositoryUri"]})


def delete_repository(client: MakeClient, name: str) -> None:
    """A repository without images; AWS refuses another, and so does moto."""
    client("ecr").delete_repository(repositoryName=name)


def put_build_project(client: MakeClient, given: Properties, new: bool) -> Made:
    """A CodeBuild project; moto records it, and runs nothing."""
    codebuild = client("codebuild")
    environment = given["Environment"]
    asked = {
        "name": given["Name"],
        "serviceRole": given["ServiceRole"],
        "source": {_lower(key): value for key, value in given["Source"].items()},
        "artifacts": {"type": given["Artifacts"]["Type"]},
        "environment": {_lower(key): value for key, value in environment.items()},
        "timeoutInMinutes": given["TimeoutInMinutes"],
    }
    asked["source"]["buildspec"] = asked["source"].pop("buildSpec")
    if not new:  # moto has no UpdateProject
        codebuild.delete_project(name=given["Name"])
    arn = codebuild.create_project(**asked)["project"]["arn"]
    return Made(given["Name"], {"Arn": arn})


def delete_build_project(client: MakeClient, name: str) -> None:
    """Take the project away."""
    client("codebuild").delete_project(name=name)


def _lower(name: str) -> str:
    return name[0].lower() + name[1:]


def _refuse_if_found(what: str, name: str, look: Callable[[], Any]) -> None:
    try:
        look()
    except ClientError:
        return
    raise AlreadyExistsError(f"{what} {name} already exists")
