"""The foundation grants nothing extra, keeps what must be kept, and follows the configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from seatrial.config import Config, RolesConfig, load_config
from seatrial.errors import ConfigError
from seatrial.foundation_template import MAX_TEMPLATE_BYTES, parameters, render
from seatrial.localcloud.api import Place
from seatrial.localcloud.template import Template, read_template
from seatrial.pipelines.processing import CACHE_FOR

PLACE = Place("us-east-1", "http://127.0.0.1:1", "/nowhere")
WITH_ALL = {
    "kms_key_arn": "arn:aws:kms:us-east-1:123456789012:key/1",
    "source_location": "https://github.com/someone/something",
}
# Actions for which the service knows no resource (Service Authorization Reference).
WITHOUT_RESOURCE = {
    "ce:GetCostAndUsage",
    "ecr:GetAuthorizationToken",
    "cloudwatch:GetMetricStatistics",
    "cloudwatch:PutMetricData",
    "sagemaker:ListEndpointConfigs",
    "sagemaker:ListEndpoints",
    "sagemaker:ListModels",
    "application-autoscaling:DescribeScalableTargets",
    "application-autoscaling:DescribeScalingPolicies",
    "application-autoscaling:DescribeScheduledActions",
}
# What an endpoint serves or goes back to, what was predicted, what a registered package refers to.
NEVER_EXPIRE = ("models", "baselines", "predictions", "inputs", "registry", "config", "code")


@pytest.fixture(scope="module")
def template() -> Template:
    """Every condition of it holds."""
    config = load_config(None, foundation=WITH_ALL, reactions={"decay": ["notify", "rollback"]})
    return read_template(render(config), {}, PLACE)


@pytest.fixture(scope="module")
def resources(template: Template) -> dict[str, dict[str, Any]]:
    """Resolved; what is only known once a resource is there stands as `<id>.<attribute>`."""
    return {
        name: {**item, "Properties": template.resolve(item["Properties"], "{}.{}".format)}
        for name, item in template.wanted().items()
    }


def roles(resources: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    found = {n: r["Properties"] for n, r in resources.items() if r["Type"] == "AWS::IAM::Role"}
    assert len(found) >= 12
    return found


def grants(resources: dict[str, dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each statement of each role's own and shared policies."""
    for name, role in roles(resources).items():
        for policy in role["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                yield name, statement
    for statement in resources["JobPolicy"]["Properties"]["PolicyDocument"]["Statement"]:
        yield "JobPolicy", statement


def listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def test_no_action_is_a_wildcard(resources: dict[str, dict[str, Any]]) -> None:
    for name, statement in grants(resources):
        assert statement["Effect"] == "Allow"
        for action in listed(statement["Action"]):
            assert re.fullmatch(r"[a-z0-9-]+:[A-Z]\w+", action), f"{name}: {action}"


def test_every_resource_stands_where_the_service_takes_one(
    resources: dict[str, dict[str, Any]],
) -> None:
    for name, statement in grants(resources):
        if "*" in listed(statement["Resource"]):
            assert set(listed(statement["Action"])) <= WITHOUT_RESOURCE, (name, statement["Sid"])


def test_metrics_can_be_put_into_one_namespace_only(resources: dict[str, dict[str, Any]]) -> None:
    for name, statement in grants(resources):
        if "cloudwatch:PutMetricData" in listed(statement["Action"]):
            assert statement["Condition"]["StringEquals"]["cloudwatch:namespace"], name


def test_a_role_is_passed_by_name_to_one_service(resources: dict[str, dict[str, Any]]) -> None:
    passing = {}
    for name, statement in grants(resources):
        if "iam:PassRole" in listed(statement["Action"]):
            assert listed(statement["Action"]) == ["iam:PassRole"]
            assert all(item.endswith("Role.Arn") for item in listed(statement["Resource"]))
            passing.setdefault(name, set()).update(listed(statement["Resource"]))
            service = statement["Condition"]["StringEquals"]["iam:PassedToService"]
            assert service.endswith(".amazonaws.com")
    assert passing == {
        "MeasureRole": {"NeoRole.Arn"},
        "DeployRole": {
            f"{service}Role.Arn" for service in ("Endpoint", "Firehose", "Logs", "Scheduler")
        },
        "PipelineRole": {
            f"{step}Role.Arn" for step in ("Measure", "Deploy", "Arm", "Monitor", "React", "Review")
        },
        "ArmRole": {"SchedulerRole.Arn"},
        "BuildRole": {"PipelineRole.Arn", "EventsRole.Arn"},
    }


def test_each_role_trusts_one_service_of_this_account(
    resources: dict[str, dict[str, Any]],
) -> None:
    for role in roles(resources).values():
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert set(statement["Principal"]) == {"Service"}
        assert set(statement["Condition"]["StringEquals"].values()) == {"123456789012"}


def test_every_role_of_the_configuration_is_made(resources: dict[str, dict[str, Any]]) -> None:
    made = {role["RoleName"] for role in roles(resources).values()}
    config = load_config()
    named = {getattr(config.roles, name).rsplit("/", 1)[-1] for name in RolesConfig.model_fields}
    assert named - made == set()
    assert made - named <= {"seatrial-build", "seatrial-scheduler"}


def test_no_lifecycle_rule_touches_what_may_be_served_again(
    resources: dict[str, dict[str, Any]],
) -> None:
    rules = resources["Bucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    for rule in rules:
        ends = {key for key in rule if "Expiration" in key}
        if ends:
            assert rule["Prefix"].endswith("/")
            for kept in NEVER_EXPIRE:
                assert not f"{kept}/".startswith(rule["Prefix"]), rule["Id"]


def test_runs_outlive_the_cache_that_hands_them_on(resources: dict[str, dict[str, Any]]) -> None:
    rules = resources["Bucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    (days,) = [rule["ExpirationInDays"] for rule in rules if rule["Id"] == "runs"]
    cached = re.fullmatch(r"P(\d+)D", CACHE_FOR)
    assert cached
    assert days > int(cached[1]) + 1


def test_the_bucket_outlives_the_stack_and_speaks_tls_only(
    resources: dict[str, dict[str, Any]],
) -> None:
    assert resources["Bucket"]["DeletionPolicy"] == "RetainExceptOnCreate"
    (statement,) = resources["BucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statement["Resource"] == ["Bucket.Arn", "Bucket.Arn/*"]


def test_keys_and_builds_are_there_only_when_asked_for() -> None:
    bare = read_template(render(load_config()), {}, PLACE)
    assert not {"BuildRole", "BuildProject"} & set(bare.wanted())
    text = str(bare.resolve(list(bare.wanted().values()), "{}.{}".format))
    assert "kms:" not in text
    assert "AES256" in text


def react_role(**reactions: Any) -> dict[str, dict[str, Any]]:
    """What React's role is granted with these reactions, by statement."""
    found = read_template(render(load_config(None, reactions=reactions)), {}, PLACE)
    role = found.resolve(found.wanted()["ReactRole"]["Properties"], "{}.{}".format)
    (policy,) = role["Policies"]
    return {item["Sid"]: item for item in policy["PolicyDocument"]["Statement"]}


def test_react_may_ask_for_a_rollback_only_if_a_verdict_is_to_and_change_nothing() -> None:
    assert not {"AskForRollback", "FollowRollback"} & set(react_role())
    asking = react_role(decay=["notify", "rollback"])
    pipeline = "arn:aws:sagemaker:us-east-1:123456789012:pipeline/seatrial-rollback"
    ask, follow = asking["AskForRollback"], asking["FollowRollback"]
    assert (ask["Action"], ask["Resource"]) == ("sagemaker:StartPipelineExecution", pipeline)
    assert follow["Resource"] == f"{pipeline}/*"
    assert {item.split(":")[1][:4] for item in follow["Action"]} == {"Desc", "List"}
    assert asking.keys() - react_role().keys() == {"AskForRollback", "FollowRollback"}


def test_the_rendered_template_holds_the_configuration() -> None:
    config = load_config(None, project="churn", endpoint={"name": "churn-live"})
    found = read_template(render(config), {}, PLACE).values
    assert found == parameters(config)
    assert (found["ProjectName"], found["EndpointName"]) == ("churn", "churn-live")
    assert len(render(config).encode()) < MAX_TEMPLATE_BYTES


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        pytest.param({"project": "Churn"}, "ProjectName.*'Churn'", id="upper case"),
        pytest.param({"project": "a" * 33}, "ProjectName", id="over 32 characters"),
        pytest.param({"images": {"serving": "docker.io/x/y:1"}}, "images.serving", id="elsewhere"),
    ],
)
def test_what_the_template_cannot_take_is_told_before_aws_is_asked(
    changed: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        render(load_config(None, **changed))


def test_a_project_of_32_characters_is_taken() -> None:
    config: Config = load_config(None, project="a" * 32)
    assert parameters(config)["ProjectName"] in render(config)
