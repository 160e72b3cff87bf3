"""Compilation jobs: what the service refuses is refused, and nothing is said to be compiled."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from seatrial.localcloud.api import AwsError, Place
from seatrial.localcloud.compilation import REASON, STARTING_S, CompilationJobs
from seatrial.localcloud.tags import Tags

ROLE = "arn:aws:iam::123456789012:role/neo"
PACKAGE = "arn:aws:sagemaker:us-east-1:123456789012:model-package/flights/1"
REQUEST: dict[str, Any] = {
    "CompilationJobName": "job",
    "RoleArn": ROLE,
    "InputConfig": {
        "S3Uri": "s3://bucket/model.tar.gz",
        "Framework": "ONNX",
        "DataInputConfig": '{"x": [1, 24]}',
    },
    "OutputConfig": {"S3OutputLocation": "s3://bucket/out", "TargetDevice": "ml_c5"},
    "StoppingCondition": {"MaxRuntimeInSeconds": 900},
}


class Account:
    """The compilation jobs of an account whose clock stands still until it is moved."""

    def __init__(self) -> None:
        self.now, self.tags = 1_800_000_000.0, Tags()
        place = Place("us-east-1", "http://127.0.0.1:9", "/nowhere")
        jobs = CompilationJobs(place, self.tags, now=lambda: self.now)
        self._handlers = jobs.handlers()

    def __call__(self, call: str, **request: Any) -> dict[str, Any]:
        return self._handlers[f"SageMaker.{call}"](request)

    def create(self, name: str = "job", **more: Any) -> dict[str, Any]:
        return self("CreateCompilationJob", **{**REQUEST, "CompilationJobName": name, **more})

    def status(self, name: str = "job") -> str:
        found = self("DescribeCompilationJob", CompilationJobName=name)
        status: str = found["CompilationJobStatus"]
        return status


@pytest.fixture
def account() -> Account:
    return Account()


def changed(path: str, value: Any) -> dict[str, Any]:
    """The request with the field at `path` set, or dropped if the value is None."""
    request = copy.deepcopy(REQUEST)
    *parents, last = path.split(".")
    place = request
    for name in parents:
        place = place.setdefault(name, {})
    if value is None:
        del place[last]
    else:
        place[last] = value
    return request


@pytest.mark.parametrize(
    ("after_s", "status"),
    [(0, "STARTING"), (STARTING_S - 0.01, "STARTING"), (STARTING_S, "FAILED"), (1e6, "FAILED")],
)
def test_a_job_starts_and_then_fails_with_the_reason(
    account: Account, after_s: float, status: str
) -> None:
    account.create()
    account.now += after_s
    found = account("DescribeCompilationJob", CompilationJobName="job")
    assert found["CompilationJobStatus"] == status
    assert found["FailureReason"] == (REASON if status == "FAILED" else "")
    assert ("CompilationEndTime" in found) is (status == "FAILED")
    assert found["ModelArtifacts"] == {"S3ModelArtifacts": ""}
    assert found["InputConfig"] == REQUEST["InputConfig"]
    assert REASON.startswith("localcloud: Neo compiles on AWS only")


def test_a_name_is_used_once(account: Account) -> None:
    account.create()
    with pytest.raises(AwsError, match="already exists") as refusal:
        account.create()
    assert refusal.value.code == "ResourceInUse"


def test_a_stopped_job_stays_stopped_and_can_be_deleted(account: Account) -> None:
    account.create(Tags=[{"Key": "a", "Value": "b"}])
    with pytest.raises(AwsError, match="stop it first"):
        account("DeleteCompilationJob", CompilationJobName="job")
    account("StopCompilationJob", CompilationJobName="job")
    account.now += 10
    assert account.status() == "STOPPED"
    account("DeleteCompilationJob", CompilationJobName="job")
    account.create()
    assert account.status() == "STARTING"


def test_a_job_that_has_ended_cannot_be_stopped(account: Account) -> None:
    account.create()
    account.now += STARTING_S
    with pytest.raises(AwsError, match="is FAILED and cannot be stopped"):
        account("StopCompilationJob", CompilationJobName="job")


@pytest.mark.parametrize("call", ["Describe", "Stop", "Delete"])
def test_an_unknown_job_is_not_found(account: Account, call: str) -> None:
    with pytest.raises(AwsError, match="no compilation job 'nobody'") as refusal:
        account(f"{call}CompilationJob", CompilationJobName="nobody")
    assert refusal.value.code == "ResourceNotFound"


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("CompilationJobName", "a_b", "compilationJobName"),
        ("CompilationJobName", "a" * 64, "compilationJobName"),
        ("RoleArn", "neo", "'roleArn' failed"),
        ("InputConfig", None, "InputConfig or ModelPackageVersionArn"),
        ("ModelPackageVersionArn", PACKAGE, "InputConfig or ModelPackageVersionArn"),
        ("InputConfig.S3Uri", "bucket/model.tar.gz", "inputConfig.s3Uri' failed"),
        ("InputConfig.S3Uri", "s3://b/" + "k" * 1011 + ".tar.gz", "inputConfig.s3Uri' failed"),
        ("InputConfig.S3Uri", "s3://bucket/model.onnx", "single .tar.gz"),
        ("InputConfig.Framework", "JAX", "'inputConfig.framework' failed"),
        ("InputConfig.FrameworkVersion", "1.7.0", "not for ONNX"),
        ("InputConfig.DataInputConfig", "x", "DataInputConfig is not JSON"),
        ("InputConfig.DataInputConfig", "1" * 16385, "less than or equal to 16384"),
        ("OutputConfig.S3OutputLocation", "out", "outputConfig.s3OutputLocation' failed"),
        ("OutputConfig.TargetDevice", None, "TargetDevice or TargetPlatform"),
        ("OutputConfig.TargetPlatform", {"Os": "LINUX", "Arch": "X86_64"}, "and not both"),
        ("OutputConfig.CompilerOptions", "{}", "greater than or equal to 3"),
        ("OutputConfig.CompilerOptions", '"' + "x" * 1023 + '"', "less than or equal to 1024"),
        ("OutputConfig.CompilerOptions", "{'mcpu': 'x'}", "not JSON"),
        ("StoppingCondition", None, "stoppingCondition"),
        ("StoppingCondition.MaxRuntimeInSeconds", 0, "greater than or equal to 1"),
        ("OutputConfig", None, "outputConfig"),
    ],
)
def test_what_the_service_refuses_is_refused(
    account: Account, path: str, value: Any, told: str
) -> None:
    with pytest.raises(AwsError, match=told) as refusal:
        account("CreateCompilationJob", **changed(path, value))
    assert refusal.value.code == "ValidationException"
    assert account("ListCompilationJobs")["CompilationJobSummaries"] == []


@pytest.mark.parametrize(
    "output",
    [
        {"TargetPlatform": {"Os": "LINUX", "Arch": "X86_64"}},
        {"TargetDevice": "ml_c5", "CompilerOptions": '"' + "x" * 1022 + '"'},
        {"TargetDevice": "ml_c5", "KmsKeyId": "alias/key"},
    ],
)
def test_what_the_service_takes_is_taken(account: Account, output: dict[str, Any]) -> None:
    account.create(OutputConfig={"S3OutputLocation": "s3://bucket/out", **output})
    assert account.status() == "STARTING"


@pytest.mark.parametrize(
    ("platform", "told"),
    [
        ({"Os": "WINDOWS", "Arch": "X86_64"}, "targetPlatform.os' failed"),
        ({"Os": "LINUX", "Arch": "RISCV"}, "targetPlatform.arch' failed"),
        ({"Os": "LINUX", "Arch": "X86_64", "Accelerator": "NVIDIA"}, "required for NVIDIA"),
    ],
)
def test_a_platform_must_be_one_that_there_is(
    account: Account, platform: dict[str, str], told: str
) -> None:
    output = {"S3OutputLocation": "s3://bucket/out", "TargetPlatform": platform}
    with pytest.raises(AwsError, match=told):
        account.create(OutputConfig=output)


def test_jobs_are_listed_by_name_state_and_time(account: Account) -> None:
    for name in ("beta", "alpha"):
        account.create(name)
        account.now += STARTING_S

    def names(**request: Any) -> list[str]:
        found = account("ListCompilationJobs", **request)["CompilationJobSummaries"]
        return [item["CompilationJobName"] for item in found]

    account.create("gamma")
    assert names() == ["beta", "alpha", "gamma"]
    assert names(SortBy="Name", SortOrder="Descending") == ["gamma", "beta", "alpha"]
    assert names(StatusEquals="FAILED") == ["beta", "alpha"]
    assert names(NameContains="am") == ["gamma"]
    assert names(CreationTimeAfter=account.now - 0.1) == ["gamma"]
    first = account("ListCompilationJobs", MaxResults=2)
    assert names(NextToken=first["NextToken"]) == ["gamma"]
    (summary,) = account("ListCompilationJobs", NameContains="gam")["CompilationJobSummaries"]
    assert summary["CompilationTargetDevice"] == "ml_c5"
    assert "CompilationTargetPlatformOs" not in summary
