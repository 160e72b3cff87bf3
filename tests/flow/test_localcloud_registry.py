"""An approval starts a pipeline, over HTTP: registry, EventBridge and pipelines together."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = pytest.mark.flow

ROLE = "arn:aws:iam::123456789012:role/events"


@pytest.fixture
def sagemaker(cloud: Any) -> Any:
    return cloud.client("sagemaker")


@pytest.fixture
def group(sagemaker: Any) -> str:
    name = f"Flights-{uuid.uuid4().hex[:8]}"
    sagemaker.create_model_package_group(ModelPackageGroupName=name)
    return name


@pytest.fixture
def pipeline(cloud: Any, sagemaker: Any, group: str) -> Any:
    """A pipeline whose only step fails with its parameter, and the rule that starts it."""
    name = f"readiness-{uuid.uuid4().hex[:8]}"
    definition = {
        "Parameters": [{"Name": "ModelPackageArn", "Type": "String"}],
        "Steps": [
            {
                "Name": "Say",
                "Type": "Fail",
                "Arguments": {"ErrorMessage": {"Get": "Parameters.ModelPackageArn"}},
            }
        ],
    }
    created = sagemaker.create_pipeline(
        PipelineName=name, RoleArn=ROLE, PipelineDefinition=json.dumps(definition)
    )
    events = cloud.client("events")
    pattern = {
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker Model Package State Change"],
        "detail": {
            "ModelPackageGroupName": [group],
            "ModelApprovalStatus": ["Approved"],
            "UpdatedModelPackageFields": ["ModelApprovalStatus"],
        },
    }
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    put_target(events, name, created["PipelineArn"], "ModelPackageArn")
    yield name
    events.remove_targets(Rule=name, Ids=["pipeline"])
    events.delete_rule(Name=name)


def put_target(events: Any, rule: str, arn: str, parameter: str) -> Any:
    value = {"Name": parameter, "Value": "$.detail.ModelPackageArn"}
    target = {
        "Id": "pipeline",
        "Arn": arn,
        "RoleArn": ROLE,
        "SageMakerPipelineParameters": {"PipelineParameterList": [value]},
    }
    return events.put_targets(Rule=rule, Targets=[target])


def register(sagemaker: Any, group: str) -> str:
    created = sagemaker.create_model_package(
        ModelPackageGroupName=group,
        ModelApprovalStatus="PendingManualApproval",
        InferenceSpecification={
            "Containers": [
                {"Image": "i", "ModelDataUrl": "s3://b/model.tar.gz", "Environment": {"A": "1"}}
            ],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
        CustomerMetadataProperties={"seatrial.inputs": "s3://b/inputs.json"},
    )
    return str(created["ModelPackageArn"])


def started(sagemaker: Any, pipeline: str) -> list[str]:
    """What the ended executions were started for, oldest first."""
    listed = sagemaker.list_pipeline_executions(PipelineName=pipeline, SortOrder="Ascending")
    arns = []
    for item in listed["PipelineExecutionSummaries"]:
        execution = item["PipelineExecutionArn"]
        deadline = time.monotonic() + 10
        while "FailureReason" not in (
            described := sagemaker.describe_pipeline_execution(PipelineExecutionArn=execution)
        ):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        arns.append(described["FailureReason"].split("Say: ")[1])
    return arns


def test_approving_twice_with_a_rejection_between_starts_two_executions(
    sagemaker: Any, group: str, pipeline: str
) -> None:
    arn = register(sagemaker, group)
    assert started(sagemaker, pipeline) == []
    for status in ("Approved", "Rejected", "Approved"):
        sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus=status)
    assert started(sagemaker, pipeline) == [arn, arn]


def test_an_approved_package_is_described_with_all_that_it_was_registered_with(
    sagemaker: Any, group: str
) -> None:
    arn = register(sagemaker, group)
    sagemaker.update_model_package(
        ModelPackageArn=arn, ModelApprovalStatus="Approved", ApprovalDescription="good"
    )
    package = sagemaker.describe_model_package(ModelPackageName=arn)
    assert package["ModelApprovalStatus"] == "Approved"
    assert package["ApprovalDescription"] == "good"
    assert package["ModelPackageVersion"] == 1
    assert package["CustomerMetadataProperties"] == {"seatrial.inputs": "s3://b/inputs.json"}
    (container,) = package["InferenceSpecification"]["Containers"]
    assert container["ModelDataUrl"] == "s3://b/model.tar.gz"
    assert container["Environment"] == {"A": "1"}
    assert package["CreationTime"].year > 2000


def test_a_package_that_is_not_there_is_a_clear_error(sagemaker: Any, group: str) -> None:
    arn = register(sagemaker, group).replace("/1", "/9")
    with pytest.raises(ClientError, match="localcloud: there is no model package"):
        sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")


def test_a_parameter_name_with_an_underscore_is_refused(cloud: Any, pipeline: str) -> None:
    arn = f"arn:aws:sagemaker:us-east-1:123456789012:pipeline/{pipeline}"
    with pytest.raises(ClientError, match="so no underscore"):
        put_target(cloud.client("events"), pipeline, arn, "model_package_arn")


def test_put_events_starts_a_pipeline(
    cloud: Any, sagemaker: Any, group: str, pipeline: str
) -> None:
    detail = {
        "ModelPackageGroupName": group,
        "ModelApprovalStatus": "Approved",
        "UpdatedModelPackageFields": ["ModelApprovalStatus"],
        "ModelPackageArn": "by-hand",
    }
    answer = cloud.client("events").put_events(
        Entries=[
            {
                "Source": "aws.sagemaker",
                "DetailType": "SageMaker Model Package State Change",
                "Detail": json.dumps(detail),
            }
        ]
    )
    assert answer["FailedEntryCount"] == 0
    assert started(sagemaker, pipeline) == ["by-hand"]
