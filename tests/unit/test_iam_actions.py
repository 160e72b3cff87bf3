"""A boto3 call, as it goes over the wire, is what AWS's Service Authorization Reference says."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config

from seatrial.localcloud.api import Place
from seatrial.localcloud.audit import Audit
from seatrial.localcloud.audited_calls import AuditedCalls
from seatrial.localcloud.moto_bridge import HttpRequest

PLACE = Place("us-east-1", "http://127.0.0.1:1", "/nowhere")
ROLE = "arn:aws:iam::123456789012:role/r"
OTHER = "arn:aws:iam::123456789012:role/other"
SM = "arn:aws:sagemaker:us-east-1:123456789012"
SCHEDULER = "arn:aws:scheduler:us-east-1:123456789012:schedule/default"
LOGS = "arn:aws:logs:us-east-1:123456789012:log-group"
ALARM = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:a"


class Stopped(Exception):  # noqa: N818 - a way out, not an error
    """The request went no further than to here."""


def seen(service: str, method: str, **parameters: Any) -> set[tuple[str, str]]:
    """What is kept of the call, by the role that makes it."""
    audit = Audit()
    keys = audit.keys(ROLE, "sagemaker")
    client: Any = boto3.client(
        service,  # type: ignore[call-overload]
        region_name="us-east-1",
        endpoint_url=PLACE.endpoint_url,
        aws_access_key_id=keys.access_key_id,
        aws_secret_access_key=keys.secret_access_key,
        aws_session_token=keys.session_token,
        config=Config(s3={"addressing_style": "path"}),
    )
    calls = AuditedCalls(audit, PLACE)

    def stop(request: Any, **_: Any) -> AWSResponse:
        path, _, query = request.url.removeprefix(PLACE.endpoint_url).partition("?")
        headers = tuple(
            (name, value.decode() if isinstance(value, bytes) else value)
            for name, value in request.headers.items()
        )
        body = request.body or b""
        if hasattr(body, "read"):
            body = body.read()
        body = body.encode() if isinstance(body, str) else bytes(body)
        calls.saw(HttpRequest(request.method, path, query, headers, body))
        raise Stopped

    client.meta.events.register("before-send", stop)
    with pytest.raises(Stopped):
        getattr(client, method)(**parameters)
    return {
        (item["action"], item["resource"])
        for item in calls.shown()
        if item["action"] != "sts:AssumeRole"
    }


@pytest.mark.parametrize(
    ("service", "method", "parameters", "wanted"),
    [
        (
            "s3",
            "head_object",
            {"Bucket": "b", "Key": "k/1"},
            {("s3:GetObject", "arn:aws:s3:::b/k/1")},
        ),
        (
            "s3",
            "get_object",
            {"Bucket": "b", "Key": "a b"},
            {("s3:GetObject", "arn:aws:s3:::b/a b")},
        ),
        (
            "s3",
            "put_object",
            {"Bucket": "b", "Key": "k", "Body": b"x"},
            {("s3:PutObject", "arn:aws:s3:::b/k")},
        ),
        (
            "s3",
            "create_multipart_upload",
            {"Bucket": "b", "Key": "k"},
            {("s3:PutObject", "arn:aws:s3:::b/k")},
        ),
        (
            "s3",
            "abort_multipart_upload",
            {"Bucket": "b", "Key": "k", "UploadId": "1"},
            {("s3:AbortMultipartUpload", "arn:aws:s3:::b/k")},
        ),
        (
            "s3",
            "delete_object",
            {"Bucket": "b", "Key": "k"},
            {("s3:DeleteObject", "arn:aws:s3:::b/k")},
        ),
        (
            "s3",
            "copy_object",
            {"Bucket": "b", "Key": "k", "CopySource": "c/o"},
            {("s3:PutObject", "arn:aws:s3:::b/k"), ("s3:GetObject", "arn:aws:s3:::c/o")},
        ),
        (
            "s3",
            "put_object_tagging",
            {"Bucket": "b", "Key": "k", "Tagging": {"TagSet": []}},
            {("s3:PutObjectTagging", "arn:aws:s3:::b/k")},
        ),
        (
            "s3",
            "list_objects_v2",
            {"Bucket": "b", "Prefix": "p"},
            {("s3:ListBucket", "arn:aws:s3:::b")},
        ),
        ("s3", "head_bucket", {"Bucket": "b"}, {("s3:ListBucket", "arn:aws:s3:::b")}),
        (
            "sagemaker",
            "create_endpoint",
            {"EndpointName": "E", "EndpointConfigName": "c"},
            {
                ("sagemaker:CreateEndpoint", f"{SM}:endpoint/e"),
                ("sagemaker:CreateEndpoint", f"{SM}:endpoint-config/c"),
            },
        ),
        (
            "sagemaker",
            "create_model",
            {"ModelName": "m", "ExecutionRoleArn": OTHER, "Tags": [{"Key": "k", "Value": "v"}]},
            {
                ("sagemaker:CreateModel", f"{SM}:model/m"),
                ("sagemaker:AddTags", f"{SM}:model/m"),
                ("iam:PassRole", OTHER),
            },
        ),
        (
            "logs",
            "create_log_group",
            {"logGroupName": "g", "tags": {"k": "v"}},
            {("logs:CreateLogGroup", f"{LOGS}:g"), ("logs:TagResource", f"{LOGS}:g")},
        ),
        (
            "cloudwatch",
            "put_metric_alarm",
            {
                "AlarmName": "a",
                "MetricName": "m",
                "Namespace": "n",
                "Period": 60,
                "EvaluationPeriods": 1,
                "ComparisonOperator": "GreaterThanThreshold",
                "Tags": [{"Key": "k", "Value": "v"}],
            },
            {("cloudwatch:PutMetricAlarm", ALARM), ("cloudwatch:TagResource", ALARM)},
        ),
        (
            "sagemaker",
            "start_pipeline_execution",
            {"PipelineName": "p", "ClientRequestToken": "t" * 32},
            {("sagemaker:StartPipelineExecution", f"{SM}:pipeline/p")},
        ),
        (
            "sagemaker",
            "describe_model_package",
            {"ModelPackageName": f"{SM}:model-package/g/1"},
            {("sagemaker:DescribeModelPackage", f"{SM}:model-package/g/1")},
        ),
        ("sagemaker", "list_endpoints", {}, {("sagemaker:ListEndpoints", "*")}),
        (
            "scheduler",
            "create_schedule",
            {
                "Name": "s",
                "ScheduleExpression": "rate(1 hour)",
                "FlexibleTimeWindow": {"Mode": "OFF"},
                "Target": {"Arn": "arn:x", "RoleArn": OTHER},
            },
            {
                ("scheduler:CreateSchedule", f"{SCHEDULER}/s"),
                ("iam:PassRole", OTHER),
            },
        ),
        ("scheduler", "get_schedule", {"Name": "s"}, {("scheduler:GetSchedule", f"{SCHEDULER}/s")}),
        (
            "application-autoscaling",
            "deregister_scalable_target",
            {
                "ServiceNamespace": "sagemaker",
                "ResourceId": "endpoint/e/variant/v",
                "ScalableDimension": "sagemaker:variant:DesiredProvisionedConcurrency",
            },
            {
                (
                    "application-autoscaling:DeregisterScalableTarget",
                    "arn:aws:application-autoscaling:us-east-1:123456789012:scalable-target/*",
                )
            },
        ),
        (
            "application-autoscaling",
            "describe_scalable_targets",
            {"ServiceNamespace": "sagemaker"},
            {("application-autoscaling:DescribeScalableTargets", "*")},
        ),
        (
            "sagemaker-runtime",
            "invoke_endpoint",
            {"EndpointName": "e", "Body": b"1"},
            {("sagemaker:InvokeEndpoint", f"{SM}:endpoint/e")},
        ),
        (
            "logs",
            "put_subscription_filter",
            {
                "logGroupName": "g",
                "filterName": "f",
                "filterPattern": "",
                "destinationArn": "arn:x",
                "roleArn": OTHER,
            },
            {
                ("logs:PutSubscriptionFilter", "arn:aws:logs:us-east-1:123456789012:log-group:g"),
                ("iam:PassRole", OTHER),
            },
        ),
        (
            "firehose",
            "create_delivery_stream",
            {
                "DeliveryStreamName": "s",
                "ExtendedS3DestinationConfiguration": {
                    "RoleARN": OTHER,
                    "BucketARN": "arn:aws:s3:::b",
                },
            },
            {
                (
                    "firehose:CreateDeliveryStream",
                    "arn:aws:firehose:us-east-1:123456789012:deliverystream/s",
                ),
                ("iam:PassRole", OTHER),
            },
        ),
        (
            "events",
            "put_targets",
            {"Rule": "r", "Targets": [{"Id": "1", "Arn": "arn:x", "RoleArn": OTHER}]},
            {
                ("events:PutTargets", "arn:aws:events:us-east-1:123456789012:rule/r"),
                ("iam:PassRole", OTHER),
            },
        ),
        ("sns", "publish", {"TopicArn": "arn:t", "Message": "m"}, {("sns:Publish", "arn:t")}),
        (
            "cloudwatch",
            "put_metric_data",
            {"Namespace": "n", "MetricData": [{"MetricName": "m", "Value": 1}]},
            {("cloudwatch:PutMetricData", "*")},
        ),
        (
            "cloudwatch",
            "delete_alarms",
            {"AlarmNames": ["a", "b"]},
            {
                ("cloudwatch:DeleteAlarms", f"arn:aws:cloudwatch:us-east-1:123456789012:alarm:{n}")
                for n in "ab"
            },
        ),
        (
            "ecr",
            "describe_images",
            {"repositoryName": "serving"},
            {("ecr:DescribeImages", "arn:aws:ecr:us-east-1:123456789012:repository/serving")},
        ),
        ("ecr", "get_authorization_token", {}, {("ecr:GetAuthorizationToken", "*")}),
        ("dynamodb", "list_tables", {}, {("dynamodb:ListTables", "*")}),
    ],
)
def test_a_call_is_kept_as_what_iam_checks(
    service: str, method: str, parameters: dict[str, Any], wanted: set[tuple[str, str]]
) -> None:
    assert seen(service, method, **parameters) == wanted


def test_a_key_that_no_role_has_is_a_persons() -> None:
    assert Audit().role_of("localcloud") is None
    assert Audit(lambda key: ROLE if key == "ASIAX" else None).role_of("ASIAX") == ROLE


def test_the_context_that_conditions_look_at_is_kept() -> None:
    audit = Audit()
    audit.keys(ROLE, "sagemaker")
    (trust,) = audit.shown()
    assert trust["context"] == {"service": "sagemaker.amazonaws.com"}
