"""Model packages, the events of a change, and the rules that an event starts pipelines by."""

from __future__ import annotations

import json
import logging
import uuid
from typing import Any

import pytest
from moto.backends import get_backend

from seatrial.localcloud.api import ACCOUNT, AwsError, Place
from seatrial.localcloud.registry import Registry

PIPELINE = "arn:aws:sagemaker:us-east-1:123456789012:pipeline/readiness"
PATTERN = {
    "source": ["aws.sagemaker"],
    "detail-type": ["SageMaker Model Package State Change"],
    "detail": {"ModelPackageGroupName": ["Flights"], "ModelApprovalStatus": ["Approved"]},
}
PARAMETERS = [{"Name": "ModelPackageArn", "Value": "$.detail.ModelPackageArn"}]


class Account:
    """A registry with a rule in moto's EventBridge, and the starts that it caused."""

    def __init__(self) -> None:
        self.started: list[dict[str, Any]] = []
        self.time = 1_700_000_000.0
        place = Place("us-east-1", "http://127.0.0.1:9", "/nowhere")
        self._registry = Registry(place, self._start, now=lambda: self.time)
        self._handlers = self._registry.handlers()
        self.events = get_backend("events")[ACCOUNT]["us-east-1"]

    def _start(self, request: dict[str, Any]) -> dict[str, Any]:
        self.started.append(request)
        if request["PipelineName"].endswith("/gone"):
            raise AwsError("ResourceNotFound", "localcloud: there is no pipeline 'gone'")
        return {"PipelineExecutionArn": "arn"}

    def call(self, name: str, **request: Any) -> dict[str, Any]:
        service = "AWSEvents" if name == "PutEvents" else "SageMaker"
        return self._handlers[f"{service}.{name}"](request)

    def rule(self, *targets: dict[str, Any], pattern: Any = None, state: str = "ENABLED") -> None:
        self.events.put_rule(
            f"rule-{uuid.uuid4()}", event_pattern=json.dumps(pattern or PATTERN), state=state
        )
        name = list(self.events.event_buses["default"].rules)[-1]
        numbered = [{"Id": str(index), **target} for index, target in enumerate(targets)]
        self.events.put_targets(name, None, numbered)

    def register(self, **more: Any) -> str:
        """A new version of the group Flights, pending approval."""
        if not self.call("ListModelPackageGroups")["ModelPackageGroupSummaryList"]:
            self.call("CreateModelPackageGroup", ModelPackageGroupName="Flights")
        created = self.call(
            "CreateModelPackage",
            ModelPackageGroupName="Flights",
            InferenceSpecification={"Containers": [{"Image": "i", "ModelDataUrl": "s3://b/m"}]},
            CustomerMetadataProperties={"seatrial.inputs": "s3://b/inputs.json"},
            **{"ModelApprovalStatus": "PendingManualApproval", **more},
        )
        return str(created["ModelPackageArn"])

    def decide(self, arn: str, status: str) -> None:
        self.call("UpdateModelPackage", ModelPackageArn=arn, ModelApprovalStatus=status)


@pytest.fixture
def account() -> Any:
    found = Account()
    yield found
    found.events.reset()


def pipeline(*parameters: dict[str, str], arn: str = PIPELINE) -> dict[str, Any]:
    given = {"PipelineParameterList": list(parameters or PARAMETERS)}
    return {"Arn": arn, "SageMakerPipelineParameters": given}


def test_an_approval_starts_the_rules_pipeline_with_the_packages_arn(account: Account) -> None:
    account.rule(pipeline())
    arn = account.register()
    assert account.started == []
    account.decide(arn, "Approved")
    given = [{"Name": "ModelPackageArn", "Value": arn}]
    assert account.started == [{"PipelineName": PIPELINE, "PipelineParameters": given}]


def test_each_approval_starts_it_and_nothing_else_does(account: Account) -> None:
    account.rule(pipeline())
    arn = account.register()
    for status in ("Approved", "Approved", "Rejected", "PendingManualApproval", "Approved"):
        account.decide(arn, status)
    assert len(account.started) == 2


def test_a_version_that_is_registered_as_approved_starts_it(account: Account) -> None:
    account.rule(pipeline())
    account.register(ModelApprovalStatus="Approved")
    assert len(account.started) == 1


def test_rules_say_which_fields_must_have_changed(account: Account) -> None:
    detail = {**PATTERN["detail"], "UpdatedModelPackageFields": ["ModelApprovalStatus"]}  # type: ignore[dict-item]
    account.rule(pipeline(), pattern={**PATTERN, "detail": detail})
    arn = account.register()
    account.decide(arn, "Approved")
    account.call("UpdateModelPackage", ModelPackageArn=arn, ApprovalDescription="twice")
    assert len(account.started) == 1


def test_another_groups_rules_and_disabled_ones_are_not_for_us(account: Account) -> None:
    account.rule(pipeline(), state="DISABLED")
    account.rule(pipeline(), pattern={**PATTERN, "detail": {"ModelPackageGroupName": ["Trains"]}})
    account.decide(account.register(), "Approved")
    assert account.started == []


def test_values_are_paths_into_the_event_or_themselves(account: Account) -> None:
    account.rule(
        pipeline(
            {"Name": "Version", "Value": "$.detail.ModelPackageVersion"},
            {"Name": "Url", "Value": "$.detail.InferenceSpecification.Containers[0].ModelDataUrl"},
            {"Name": "Resource", "Value": "$.resources[0]"},
            {"Name": "Time", "Value": "$.time"},
            {"Name": "Fixed", "Value": "$5"},
        )
    )
    arn = account.register()
    account.decide(arn, "Approved")
    values = {item["Name"]: item["Value"] for item in account.started[0]["PipelineParameters"]}
    assert values == {
        "Version": "1",
        "Url": "s3://b/m",
        "Resource": arn,
        "Time": "2023-11-14T22:13:20Z",
        "Fixed": "$5",
    }


def test_what_goes_wrong_at_a_target_is_logged_and_the_next_is_served(
    account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    account.rule(
        pipeline({"Name": "X", "Value": "$.detail.Nothing"}),
        pipeline(arn=PIPELINE.replace("readiness", "gone")),
        {"Arn": "arn:aws:lambda:us-east-1:123456789012:function:f"},
        pipeline(),
    )
    with caplog.at_level(logging.WARNING):
        account.decide(account.register(), "Approved")
    assert account.started[-1]["PipelineName"] == PIPELINE
    assert "there is no 'Nothing'" in caplog.text
    assert "no pipeline 'gone'" in caplog.text
    assert "moto cannot deliver events to arn:aws:lambda" in caplog.text


def test_other_targets_are_served_by_moto(account: Account) -> None:
    queues = get_backend("sqs")[ACCOUNT]["us-east-1"]
    queues.create_queue("watch", {})
    account.rule(pipeline(), {"Arn": "arn:aws:sqs:us-east-1:123456789012:watch"})
    account.decide(account.register(), "Approved")
    (message,) = queues.receive_message("watch", 10, 0, 30)
    assert json.loads(message.body)["detail"]["ModelApprovalStatus"] == "Approved"
    assert len(account.started) == 1
    queues.reset()


def test_put_events_reaches_pipelines_too(account: Account) -> None:
    account.rule(pipeline({"Name": "X", "Value": "$.detail.x"}), pattern={"source": ["mine"]})
    entry = {"Source": "mine", "DetailType": "d", "Detail": '{"x": "1"}'}
    answer = account.call("PutEvents", Entries=[entry, {**entry, "Source": "other"}])
    assert answer["FailedEntryCount"] == 0
    assert len({item["EventId"] for item in answer["Entries"]}) == 2
    assert account.started[0]["PipelineParameters"] == [{"Name": "X", "Value": "1"}]
    assert len(account.started) == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"Source": ""}, "InvalidArgument"),
        ({"Detail": "{"}, "MalformedDetail"),
        ({"Detail": "[]"}, "MalformedDetail"),
    ],
)
def test_entries_that_are_no_events_get_an_error_each(
    account: Account, change: dict[str, str], code: str
) -> None:
    entry = {"Source": "mine", "DetailType": "d", "Detail": "{}"}
    answer = account.call("PutEvents", Entries=[{**entry, **change}, entry])
    assert answer["FailedEntryCount"] == 1
    assert answer["Entries"][0]["ErrorCode"] == code


def test_put_events_takes_ten_entries_and_not_eleven(account: Account) -> None:
    entry = {"Source": "mine", "DetailType": "d", "Detail": "{}"}
    assert len(account.call("PutEvents", Entries=[entry] * 10)["Entries"]) == 10
    with pytest.raises(AwsError, match="11 entries; 1 to 10 are allowed"):
        account.call("PutEvents", Entries=[entry] * 11)


def test_an_update_keeps_what_it_does_not_name(account: Account) -> None:
    arn = account.register()
    account.time += 10
    account.decide(arn, "Approved")
    package = account.call("DescribeModelPackage", ModelPackageName=arn)
    assert package["ModelApprovalStatus"] == "Approved"
    assert package["CustomerMetadataProperties"] == {"seatrial.inputs": "s3://b/inputs.json"}
    assert package["InferenceSpecification"]["Containers"][0]["ModelDataUrl"] == "s3://b/m"
    assert package["LastModifiedTime"] == package["CreationTime"] + 10


def test_metadata_is_added_to_and_taken_from(account: Account) -> None:
    arn = account.register()
    account.call("UpdateModelPackage", ModelPackageArn=arn, CustomerMetadataProperties={"a": "1"})
    account.call(
        "UpdateModelPackage",
        ModelPackageArn=arn,
        CustomerMetadataPropertiesToRemove=["seatrial.inputs"],
    )
    package = account.call("DescribeModelPackage", ModelPackageName=arn)
    assert package["CustomerMetadataProperties"] == {"a": "1"}


def test_versions_count_up_and_are_never_given_twice(account: Account) -> None:
    first, second = account.register(), account.register()
    assert [arn.split("/")[-1] for arn in (first, second)] == ["1", "2"]
    account.call("DeleteModelPackage", ModelPackageName=second)
    assert account.register().endswith("/3")


def test_packages_are_listed_by_group_and_status(account: Account) -> None:
    first, second = account.register(), account.register()
    account.decide(first, "Approved")

    def listed(**request: Any) -> list[str]:
        answer = account.call("ListModelPackages", **request)
        return [item["ModelPackageArn"] for item in answer["ModelPackageSummaryList"]]

    assert listed(ModelPackageGroupName="Flights") == [second, first]
    assert listed(ModelPackageGroupName="Flights", ModelApprovalStatus="Approved") == [first]
    assert listed(ModelPackageGroupName="Trains") == []
    assert listed() == []  # those by themselves, of which there are none
    assert listed(ModelPackageType="Both") == [second, first]


def test_a_group_with_versions_cannot_be_deleted(account: Account) -> None:
    arn = account.register()
    with pytest.raises(AwsError, match="still has 1 versions; delete them first"):
        account.call("DeleteModelPackageGroup", ModelPackageGroupName="Flights")
    account.call("DeleteModelPackage", ModelPackageName=arn)
    account.call("DeleteModelPackageGroup", ModelPackageGroupName="Flights")
    with pytest.raises(AwsError, match=r"ModelPackageGroup .*/flights does not exist"):
        account.call("DescribeModelPackageGroup", ModelPackageGroupName="Flights")


def test_what_is_not_there_is_named(account: Account) -> None:
    with pytest.raises(AwsError, match=r"there is no model package arn:.*/flights/9"):
        account.call("DescribeModelPackage", ModelPackageName="Flights/9")
    with pytest.raises(AwsError, match="does not exist"):
        account.call("CreateModelPackage", ModelPackageGroupName="Trains")
