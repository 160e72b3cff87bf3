"""What the registry and EventBridge targets refuse."""

from __future__ import annotations

from typing import Any

import pytest

from seatrial.localcloud.api import AwsError
from seatrial.localcloud.package_rules import check_package, check_update
from seatrial.localcloud.pipeline_targets import check_targets, is_pipeline


def test_metadata_may_have_50_entries_and_not_51() -> None:
    check_update({"CustomerMetadataProperties": {f"k{number}": "v" for number in range(50)}})
    with pytest.raises(AwsError, match="51 CustomerMetadataProperties; 50 are allowed"):
        check_update({"CustomerMetadataProperties": {f"k{number}": "v" for number in range(51)}})


@pytest.mark.parametrize(("key", "value"), [("k" * 127, "v" * 255), ("k" * 128, "v" * 256)])
def test_metadata_up_to_its_limits_is_taken(key: str, value: str) -> None:
    check_update({"CustomerMetadataProperties": {key: value}})


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("k" * 129, "v", "has 129 characters; 1 to 128 are allowed"),
        ("", "v", "has 0 characters"),
        ("k", "v" * 257, "has 257 characters; 1 to 256 are allowed"),
    ],
)
def test_metadata_over_its_limits_is_refused(key: str, value: str, message: str) -> None:
    with pytest.raises(AwsError, match=message):
        check_update({"CustomerMetadataProperties": {key: value}})


@pytest.mark.parametrize(("count", "taken"), [(0, False), (1, True), (15, True), (16, False)])
def test_containers_are_1_to_15(count: int, taken: bool) -> None:
    package = {"InferenceSpecification": {"Containers": [{}] * count}}
    if taken:
        check_update(package)
    else:
        with pytest.raises(AwsError, match=f"{count} Containers; 1 to 15 are allowed"):
            check_update(package)


def test_a_status_is_one_of_three() -> None:
    with pytest.raises(AwsError, match="'approved'; allowed are Approved, Rejected, Pending"):
        check_update({"ModelApprovalStatus": "approved"})


@pytest.mark.parametrize("names", [(), ("ModelPackageName", "ModelPackageGroupName")])
def test_a_package_is_a_version_or_by_itself(names: tuple[str, ...]) -> None:
    with pytest.raises(AwsError, match="and not both"):
        check_package(dict.fromkeys(names, "x"))


def target(*parameters: tuple[str, str]) -> dict[str, Any]:
    given = [{"Name": name, "Value": value} for name, value in parameters]
    return {
        "Id": "1",
        "Arn": "arn:aws:sagemaker:us-east-1:123456789012:pipeline/p",
        "SageMakerPipelineParameters": {"PipelineParameterList": given},
    }


@pytest.mark.parametrize("name", ["ModelPackageArn", "a-b", "a--b1", "X"])
def test_names_that_eventbridge_takes(name: str) -> None:
    check_targets([target((name, "v"))])


@pytest.mark.parametrize("name", ["model_package_arn", "-a", "a-", "", "a b"])
def test_names_that_eventbridge_refuses(name: str) -> None:
    with pytest.raises(AwsError, match="so no underscore"):
        check_targets([target((name, "v"))])


def test_a_value_may_have_1024_characters_and_not_1025() -> None:
    check_targets([target(("X", "v" * 1024))])
    with pytest.raises(AwsError, match="1025 characters for 'X'; 1024 are allowed"):
        check_targets([target(("X", "v" * 1025))])


def test_parameters_may_be_200_and_not_201() -> None:
    check_targets([target(*[("X", "v")] * 200)])
    with pytest.raises(AwsError, match="201 pipeline parameters; 200 are allowed"):
        check_targets([target(*[("X", "v")] * 201)])


def test_other_targets_are_not_looked_at() -> None:
    check_targets([{"Id": "1", "Arn": "arn:aws:sqs:us-east-1:123456789012:q"}])
    assert not is_pipeline("arn:aws:sagemaker:us-east-1:123456789012:endpoint/pipeline/x")
    assert is_pipeline("arn:aws-cn:sagemaker:cn-north-1:123456789012:pipeline/x")
