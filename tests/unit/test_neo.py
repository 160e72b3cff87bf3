"""Neo's requests against the service model, and every way that a compilation job can go."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber
from pydantic import ValidationError

from seatrial.errors import CloudError, InputError
from seatrial.optimization.neo_job import Compiled, Waiting, compile_model
from seatrial.optimization.neo_request import NeoModel, NeoPlace, build_request, job_name
from seatrial.optimization.neo_settings import NeoConfig, NeoPlatform
from seatrial.optimization.neo_support import load_neo_support

ROLE = "arn:aws:iam::123456789012:role/seatrial-job"
PLACE = NeoPlace("flights", "s3://bucket/neo/abc", ROLE)
MODEL = NeoModel("s3://bucket/neo/abc/model.tar.gz", "onnx", None, 12, {"x": (1, 24)})
DEVICE = NeoConfig(target_device="ml_c5")
ARTIFACT = "s3://bucket/neo/abc/model-ml_c5.tar.gz"
IMAGE = "785573368785.dkr.ecr.us-east-1.amazonaws.com/sagemaker-inference-onnx:1.7.0-cpu-py3"
THEN = datetime(2026, 11, 24, tzinfo=UTC)


class Clock:
    """Time that passes by sleeping only; `at` does something at that sleep."""

    def __init__(self, at: dict[int, Callable[[], None]] | None = None) -> None:
        self.now, self.sleeps, self._at = 0.0, 0, at or {}

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.sleeps += 1
        self._at.get(self.sleeps, lambda: None)()


def waiting(clock: Clock, **changes: Any) -> Waiting:
    kwargs = {"poll_s": 10, "deadline_s": 100, "sleep": clock.sleep, "clock": lambda: clock.now}
    return Waiting(**{**kwargs, **changes})


def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.fixture
def stub() -> Iterator[Stubber]:
    """A client whose calls and answers are checked against botocore's service model."""
    client = boto3.client(
        "sagemaker",
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",  # noqa: S106 - nothing is called
    )
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def created(stub: Stubber) -> None:
    arn = "arn:aws:sagemaker:us-east-1:123456789012:compilation-job/job"
    stub.add_response("create_compilation_job", {"CompilationJobArn": arn})


def refused(stub: Stubber, code: str) -> None:
    stub.add_client_error("create_compilation_job", code, "no")


def described(stub: Stubber, status: str, **more: Any) -> None:
    request = build_request(MODEL, PLACE, DEVICE)
    answer: dict[str, Any] = {
        "CompilationJobName": request["CompilationJobName"],
        "CompilationJobArn": "arn:aws:sagemaker:us-east-1:123456789012:compilation-job/job",
        "CompilationJobStatus": status,
        "StoppingCondition": request["StoppingCondition"],
        "CreationTime": THEN,
        "LastModifiedTime": THEN,
        "FailureReason": "",
        "ModelArtifacts": {"S3ModelArtifacts": ARTIFACT if status == "COMPLETED" else ""},
        "RoleArn": ROLE,
        "InputConfig": request["InputConfig"],
        "OutputConfig": request["OutputConfig"],
        **more,
    }
    if not answer["ModelArtifacts"]["S3ModelArtifacts"]:
        answer["ModelArtifacts"] = {"S3ModelArtifacts": "s3://none"}
    stub.add_response("describe_compilation_job", answer, {"CompilationJobName": ANY})


def completed(stub: Stubber) -> None:
    described(
        stub, "COMPLETED", InferenceImage=IMAGE, ModelDigests={"ArtifactDigest": "blake2:0a1b"}
    )


def stopped(stub: Stubber) -> None:
    stub.add_response("stop_compilation_job", {}, {"CompilationJobName": ANY})


def run(stub: Stubber, clock: Clock | None = None, **changes: Any) -> Compiled:
    request = build_request(MODEL, PLACE, DEVICE)
    return compile_model(request, stub.client, waiting(clock or Clock(), **changes))


def test_a_request_for_a_device_says_all_that_neo_asks_for() -> None:
    settings = NeoConfig(
        target_device="ml_c5",
        compiler_options={"mcpu": "skylake-avx512"},
        kms_key_id="alias/models",
        max_runtime_s=600,
    )
    request = build_request(MODEL, PLACE, settings)
    assert request == {
        "CompilationJobName": request["CompilationJobName"],
        "RoleArn": ROLE,
        "InputConfig": {
            "S3Uri": MODEL.uri,
            "Framework": "ONNX",
            "DataInputConfig": '{"x": [1, 24]}',
        },
        "OutputConfig": {
            "S3OutputLocation": "s3://bucket/neo/abc",
            "TargetDevice": "ml_c5",
            "CompilerOptions": '{"mcpu": "skylake-avx512"}',
            "KmsKeyId": "alias/models",
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
    }


def test_a_request_for_a_platform_is_valid_too(stub: Stubber) -> None:
    request = build_request(MODEL, PLACE, NeoConfig(target_platform=NeoPlatform()))
    assert request["OutputConfig"]["TargetPlatform"] == {"Os": "LINUX", "Arch": "X86_64"}
    assert "TargetDevice" not in request["OutputConfig"]
    created(stub)
    stub.client.create_compilation_job(**request)


def test_the_name_is_the_content() -> None:
    same, again = build_request(MODEL, PLACE, DEVICE), build_request(MODEL, PLACE, DEVICE)
    other = build_request(MODEL, PLACE, NeoConfig(target_device="ml_m5"))
    assert same == again
    assert same["CompilationJobName"] != other["CompilationJobName"]
    assert same["CompilationJobName"].startswith("flights-neo-")


@pytest.mark.parametrize("length", [1, 41, 42, 43, 63])
def test_a_job_name_keeps_the_services_length(length: int) -> None:
    name = job_name("a" * length, {})
    assert len(name) == min(length + 21, 63)


@pytest.mark.parametrize(
    ("framework", "version", "sent"),
    [
        ("pytorch", "2.0", "2.0"),
        ("pytorch", "2.0.1+cpu", "2.0"),
        ("pytorch", "1.13.1", "1.13"),
        ("tensorflow", "2.9.1", "2.9"),
        ("mxnet", "1.7.0", "1.7.0"),
        ("xgboost", "1.3.3", None),
        ("xgboost", "1.2", None),
        ("onnx", "1.7.0", None),
        ("keras", "2.2.4", None),
    ],
)
def test_a_supported_version_is_sent_as_the_service_lists_it(
    framework: Any, version: str, sent: str | None
) -> None:
    model = NeoModel(MODEL.uri, framework, version, None, {"x": (1, 24)})
    assert build_request(model, PLACE, DEVICE)["InputConfig"].get("FrameworkVersion") == sent


@pytest.mark.parametrize(
    ("framework", "version"),
    [
        ("pytorch", "2.1"),
        ("pytorch", "1.9"),
        ("pytorch", "1.3"),
        ("tensorflow", "2.10"),
        ("tensorflow", "2.8"),
        ("onnx", "1.7.1"),
        ("xgboost", "1.3.4"),
        ("xgboost", "3.1.0"),
        ("keras", "latest"),
    ],
)
def test_another_version_is_refused_before_a_job_is_started(framework: Any, version: str) -> None:
    model = NeoModel(MODEL.uri, framework, version, None, {"x": (1, 24)})
    with pytest.raises(InputError, match=r"allowed .*read 2026-11-24") as refusal:
        build_request(model, PLACE, DEVICE)
    assert refusal.value.got == version


@pytest.mark.parametrize(("opset", "taken"), [(11, True), (12, True), (13, False), (21, False)])
def test_an_onnx_graph_is_known_by_its_operator_set(opset: int, taken: bool) -> None:
    model = NeoModel(MODEL.uri, "onnx", None, opset, {"x": (1, 24)})
    if taken:
        assert build_request(model, PLACE, DEVICE)
    else:
        with pytest.raises(InputError, match=f"opset {opset}.*opset 12 at most"):
            build_request(model, PLACE, DEVICE)


@pytest.mark.parametrize("size", [None, "batch", 0, -1])
def test_a_dynamic_dimension_is_refused_with_the_setting_that_helps(size: Any) -> None:
    model = NeoModel(MODEL.uri, "onnx", None, 12, {"x": (size, 24)})
    with pytest.raises(InputError, match="static shapes only, and input x") as refusal:
        build_request(model, PLACE, DEVICE)
    assert "input_shapes, such as {x: [1, 24]}" in refusal.value.do


def test_shapes_are_needed_but_where_neo_finds_them() -> None:
    def build(framework: Any, version: str) -> dict[str, Any]:
        model = NeoModel(MODEL.uri, framework, version, None, None)
        return build_request(model, PLACE, DEVICE)["InputConfig"]

    assert "DataInputConfig" not in build("xgboost", "1.3.3")
    assert "DataInputConfig" not in build("pytorch", "2.0")
    with pytest.raises(InputError, match="needs the shape of each input"):
        build("pytorch", "1.13")


@pytest.mark.parametrize(("extra", "taken"), [(-1, True), (0, True), (1, False)])
def test_compiler_options_have_1024_characters(extra: int, taken: bool) -> None:
    value = "x" * (1024 - len('{"mcpu": ""}') + extra)
    settings = NeoConfig(target_device="ml_c5", compiler_options={"mcpu": value})
    if taken:
        options = build_request(MODEL, PLACE, settings)["OutputConfig"]["CompilerOptions"]
        assert json.loads(options) == {"mcpu": value}
    else:
        with pytest.raises(InputError, match="got '1025 characters"):
            build_request(MODEL, PLACE, settings)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "target_device or target_platform"),
        ({"target_device": "ml_c5", "target_platform": {}}, "and not both"),
        ({"target_device": "ml_p3"}, "ml_c5"),
        ({"target_platform": {"arch": "ARM64"}}, "X86_64"),
        ({"target_platform": {"accelerator": "NVIDIA"}}, "accelerator"),
        ({"target_device": "ml_c5", "framework": "xgboost"}, "needs model_uri"),
        ({"target_device": "ml_c5", "model_uri": "s3://b/m.tar.gz"}, "framework_version"),
        ({"target_device": "ml_c5", "model_uri": "s3://b/m.zip"}, "model_uri"),
        ({"target_device": "ml_c5", "max_runtime_s": 0}, "max_runtime_s"),
    ],
)
def test_settings_that_cannot_work_are_refused_when_read(
    settings: dict[str, Any], told: str
) -> None:
    with pytest.raises(ValidationError, match=told):
        NeoConfig.model_validate(settings)


def test_every_listed_version_is_one_that_the_api_takes(stub: Stubber) -> None:
    for framework, row in load_neo_support().frameworks.items():
        for version in row.versions:
            model = NeoModel(MODEL.uri, framework, version, None, {"x": (1, 24)})
            created(stub)
            stub.client.create_compilation_job(**build_request(model, PLACE, DEVICE))


def test_a_completed_job_gives_its_artefact_digest_and_image(stub: Stubber) -> None:
    created(stub)
    for status in ("STARTING", "INPROGRESS", "INPROGRESS"):
        described(stub, status)
    completed(stub)
    told: list[str] = []
    clock = Clock()
    found = run(stub, clock, tell=told.append)
    assert (found.artifact_uri, found.digest, found.inference_image) == (
        ARTIFACT,
        "blake2:0a1b",
        IMAGE,
    )
    assert clock.now == 30
    assert [line.split(": ")[1] for line in told] == ["STARTING", "INPROGRESS", "COMPLETED"]


def test_a_platform_target_gives_no_image(stub: Stubber) -> None:
    created(stub)
    described(stub, "COMPLETED")
    assert run(stub).inference_image is None


def test_neos_reason_for_a_failure_is_shown(stub: Stubber) -> None:
    created(stub)
    described(stub, "FAILED", FailureReason="ClientError: operator Loop is not supported")
    with pytest.raises(CloudError, match="FAILED: ClientError: operator Loop is not supported"):
        run(stub)


def test_a_job_that_somebody_stopped_is_said_to_be(stub: Stubber) -> None:
    created(stub)
    described(stub, "STOPPING")
    described(stub, "STOPPED")
    with pytest.raises(CloudError, match="STOPPED: no reason given"):
        run(stub)


def test_at_the_deadline_the_job_is_stopped(stub: Stubber) -> None:
    created(stub)
    for _ in range(4):
        described(stub, "INPROGRESS")
    stopped(stub)
    clock = Clock()
    with pytest.raises(CloudError, match=r"INPROGRESS after 35 s.*It was stopped"):
        run(stub, clock, deadline_s=35)
    assert clock.now == 30


def test_ctrl_c_stops_the_job(stub: Stubber) -> None:
    created(stub)
    described(stub, "INPROGRESS")
    stopped(stub)
    with pytest.raises(KeyboardInterrupt):
        run(stub, Clock({1: interrupt}))


def test_a_stop_that_is_refused_does_not_hide_why_it_was_asked_for(stub: Stubber) -> None:
    created(stub)
    described(stub, "INPROGRESS")
    stub.add_client_error("stop_compilation_job", "ResourceNotFound", "gone")
    with pytest.raises(KeyboardInterrupt):
        run(stub, Clock({1: interrupt}))


def test_a_running_job_of_the_same_content_is_adopted_and_not_stopped(stub: Stubber) -> None:
    refused(stub, "ResourceInUse")
    described(stub, "INPROGRESS")
    with pytest.raises(KeyboardInterrupt):  # no stop: the stub would miss its answer
        run(stub, Clock({1: interrupt}))
    refused(stub, "ResourceInUse")
    described(stub, "INPROGRESS")
    with pytest.raises(CloudError, match="started by another run and goes on"):
        run(stub, deadline_s=5)
    refused(stub, "ResourceInUse")
    completed(stub)
    assert run(stub).artifact_uri == ARTIFACT


@pytest.mark.parametrize(
    ("status", "reason"), [("STOPPED", ""), ("FAILED", "InternalServerError: try again")]
)
def test_an_old_job_that_failed_by_itself_is_run_again(
    stub: Stubber, status: str, reason: str
) -> None:
    refused(stub, "ResourceInUse")
    described(stub, status, FailureReason=reason)
    stub.add_response("delete_compilation_job", {}, {"CompilationJobName": ANY})
    created(stub)
    completed(stub)
    assert run(stub).artifact_uri == ARTIFACT


def test_an_old_job_that_failed_by_the_model_stays_failed(stub: Stubber) -> None:
    refused(stub, "ResourceInUse")
    described(stub, "FAILED", FailureReason="ClientError: not a model")
    with pytest.raises(CloudError, match="not a model"):
        run(stub)


def test_a_place_in_the_account_is_waited_for(stub: Stubber) -> None:
    refused(stub, "ResourceLimitExceeded")
    refused(stub, "ResourceLimitExceeded")
    created(stub)
    completed(stub)
    clock = Clock()
    run(stub, clock)
    assert clock.now == 20


def test_no_place_until_the_deadline_is_an_error(stub: Stubber) -> None:
    for _ in range(3):
        refused(stub, "ResourceLimitExceeded")
    with pytest.raises(CloudError, match="ResourceLimitExceeded"):
        run(stub, deadline_s=25)


def test_a_refused_request_is_the_services_word(stub: Stubber) -> None:
    refused(stub, "AccessDeniedException")
    with pytest.raises(CloudError, match="AccessDeniedException"):
        run(stub)


def test_losing_sight_of_the_job_stops_it(stub: Stubber) -> None:
    created(stub)
    stub.add_client_error("describe_compilation_job", "AccessDeniedException", "no")
    stopped(stub)
    with pytest.raises(CloudError, match="the state of the compilation job"):
        run(stub)
