"""The foundation as a stack on localcloud: proposed, made, changed, refused, taken away."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from in_process import call_seatrial
from least_privilege import Seen, allows

from seatrial.config import Config, load_config
from seatrial.errors import CloudError
from seatrial.foundation import lay_foundation, look, propose, withdraw
from seatrial.foundation_template import render, stack_name

pytestmark = pytest.mark.flow
NAMED = {"Capabilities": ["CAPABILITY_NAMED_IAM"]}


def config_of(project: str, **changed: Any) -> Config:
    """The account is shared by several projects, of which each has names of its own."""
    return load_config(None, project=project, **changed)


def error_of(caught: pytest.ExceptionInfo[ClientError]) -> tuple[str, str]:
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_the_template_goes_through_create_stack(cloud: Any) -> None:
    config = config_of("created")
    cloudformation = cloud.client("cloudformation")
    cloudformation.create_stack(
        StackName="created-foundation", TemplateBody=render(config), **NAMED
    )
    state = look(config, cloudformation)
    assert state is not None
    assert state.complete, state.reason
    assert state.outputs["AlertTopicArn"] == config.monitoring.alert_topic_arn
    assert state.outputs["DeadLetterQueueArn"] == config.dead_letter_queue_arn
    assert config.images.serving.startswith(state.outputs["ServingRepositoryUri"].split("/")[0])
    s3, bucket = cloud.client("s3"), config.bucket
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    expiring = {rule["Filter"]["Prefix"] for rule in rules if "Expiration" in rule}
    assert expiring == {"runs/", "undelivered/", "neo/"}
    role = cloud.client("iam").get_role(RoleName="created-deploy")["Role"]
    assert role["Arn"] == config.roles.deploy


def test_a_proposal_changes_nothing_and_leaves_nothing(cloud: Any) -> None:
    config, cloudformation = config_of("proposed"), cloud.client("cloudformation")
    propose(config, cloudformation)  # and was interrupted
    changes = propose(config, cloudformation)
    assert {item.action for item in changes} == {"Add"}
    withdraw(config, cloudformation)
    assert look(config, cloudformation) is None
    names = [item["Name"] for item in cloud.client("s3").list_buckets()["Buckets"]]
    assert config.bucket not in names


def test_a_change_is_made_and_taken_back_and_then_there_is_none(cloud: Any) -> None:
    cloudformation = cloud.client("cloudformation")
    before = config_of("changed")
    lay_foundation(before, cloudformation)
    after = config_of("changed", foundation={"source_location": "https://github.com/a/b"})
    state = look(after, cloudformation)
    assert state is not None
    assert not state.current
    added = lay_foundation(after, cloudformation)
    assert {(item.action, item.logical_id) for item in added} == {
        ("Add", "BuildRole"),
        ("Add", "BuildProject"),
    }
    assert lay_foundation(after, cloudformation) == []
    assert cloud.client("codebuild").list_projects()["projects"].count("changed-build") == 1
    removed = lay_foundation(before, cloudformation)
    assert {item.action for item in removed} == {"Remove"}
    state = look(before, cloudformation)
    assert state is not None
    assert state.complete


def test_a_name_that_is_taken_rolls_everything_back(cloud: Any) -> None:
    config, cloudformation = config_of("taken"), cloud.client("cloudformation")
    cloud.client("ecr").create_repository(repositoryName="taken-serving")
    with pytest.raises(CloudError, match=r"ROLLBACK_COMPLETE.*taken-serving"):
        lay_foundation(config, cloudformation)
    names = [item["Name"] for item in cloud.client("s3").list_buckets()["Buckets"]]
    assert config.bucket not in names
    with pytest.raises(CloudError, match=r"rest of a failure.*delete-stack"):
        propose(config, cloudformation)


def test_deleting_the_stack_keeps_the_bucket(cloud: Any) -> None:
    config, cloudformation = config_of("deleted"), cloud.client("cloudformation")
    lay_foundation(config, cloudformation)
    cloudformation.delete_stack(StackName=stack_name(config))
    assert look(config, cloudformation) is None
    cloud.client("s3").head_bucket(Bucket=config.bucket)
    roles = [item["RoleName"] for item in cloud.client("iam").list_roles()["Roles"]]
    assert not [name for name in roles if name.startswith("deleted-")]
    with pytest.raises(CloudError, match="bucket deleted-123456789012-us-east-1 already exists"):
        lay_foundation(config, cloudformation)


@pytest.mark.parametrize(
    ("body", "more", "code", "said"),
    [
        pytest.param(
            "Resources: {A: {Type: AWS::EC2::VPC}}", {}, "ValidationException", "AWS::EC2::VPC"
        ),
        pytest.param(
            "Resources: {A: {Type: AWS::SNS::Topic, Properties: {TopicName: t, FifoTopic: true}}}",
            {},
            "ValidationException",
            "FifoTopic",
        ),
    ],
)
def test_what_stacks_do_not_make_is_refused(
    cloud: Any, body: str, more: dict[str, Any], code: str, said: str
) -> None:
    with pytest.raises(ClientError) as caught:
        cloud.client("cloudformation").create_stack(StackName="no", TemplateBody=body, **more)
    assert error_of(caught)[0] == code
    assert error_of(caught)[1].startswith("localcloud: ")
    assert said in error_of(caught)[1]


def test_roles_need_the_capability(cloud: Any) -> None:
    with pytest.raises(ClientError) as caught:
        cloud.client("cloudformation").create_stack(
            StackName="no", TemplateBody=render(config_of("incapable"))
        )
    assert error_of(caught)[0] == "InsufficientCapabilitiesException"


def test_an_event_that_starts_nothing_is_put_aside(cloud: Any) -> None:
    config = config_of("aside")
    lay_foundation(config, cloud.client("cloudformation"))
    events, sqs = cloud.client("events"), cloud.client("sqs")
    events.put_rule(Name="aside", EventPattern=json.dumps({"source": ["aside"]}))
    pipeline = "arn:aws:sagemaker:us-east-1:123456789012:pipeline/nowhere"
    target = {"Id": "1", "Arn": pipeline, "RoleArn": config.roles.events}
    target["DeadLetterConfig"] = {"Arn": config.dead_letter_queue_arn}
    events.put_targets(Rule="aside", Targets=[target])
    events.put_events(Entries=[{"Source": "aside", "DetailType": "d", "Detail": '{"a": 1}'}])
    url = sqs.get_queue_url(QueueName="aside-undelivered")["QueueUrl"]
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    assert json.loads(message["Body"])["detail"] == {"a": 1}


def test_the_verbs_say_what_they_did(cloud: Any, tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(config_of("verbs").to_yaml(), encoding="utf-8")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        given = ("--config", str(path), "--json", "infra")
        return call_seatrial(*given, *words, environment=cloud.environment)

    assert run("status").returncode == 1
    tried = run("deploy", "--dry-run")
    assert json.loads(tried.stdout)["made"] is False, tried.stderr
    assert json.loads(run("deploy").stdout)["made"] is True
    ended = run("status")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert json.loads(ended.stdout)["status"] == "CREATE_COMPLETE"


@pytest.mark.parametrize(
    ("action", "resource", "context", "allowed"),
    [
        ("s3:GetObject", "arn:aws:s3:::b/runs/1/x", {"k": "v"}, True),
        ("s3:PutObject", "arn:aws:s3:::b/runs/1/x", {"k": "v"}, False),
        ("s3:GetObject", "arn:aws:s3:::b/other/x", {"k": "v"}, False),
        ("s3:GetObject", "arn:aws:s3:::b/runs/1/x", {"k": "w"}, False),
        ("s3:GetObject", "arn:aws:s3:::b/runs/1/x", {}, False),
    ],
    ids=["all of it", "another action", "another resource", "another context", "no context"],
)
def test_a_statement_covers_what_it_says(
    action: str, resource: str, context: dict[str, str], allowed: bool
) -> None:
    statement = {
        "Effect": "Allow",
        "Action": ["s3:GetObject"],
        "Resource": "arn:aws:s3:::b/runs/*",
        "Condition": {"StringEquals": {"k": "v"}},
    }
    assert allows(statement, Seen("r", action, resource, context)) is allowed
