"""The Neo backend against localcloud with boto3, and localcloud's answers to any other client."""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import Any

import onnx
import pytest
from botocore.exceptions import ClientError
from onnx import TensorProto, helper

from seatrial.config import load_config
from seatrial.errors import CloudError
from seatrial.optimization.compiling import neo_compiler
from seatrial.optimization.neo_job import Waiting, compile_model
from seatrial.optimization.neo_request import NeoModel, NeoPlace, build_request
from seatrial.optimization.neo_settings import NeoConfig

pytestmark = pytest.mark.flow

ROLE = "arn:aws:iam::123456789012:role/seatrial-job"


@pytest.fixture
def sagemaker(cloud: Any) -> Any:
    return cloud.client("sagemaker")


@pytest.fixture
def request_() -> dict[str, Any]:
    prefix = f"s3://bucket/{uuid.uuid4().hex}"
    model = NeoModel(f"{prefix}/model.tar.gz", "onnx", None, 12, {"x": (1, 24)})
    settings = NeoConfig(target_device="ml_c5", compiler_options={"mcpu": "skylake-avx512"})
    return build_request(model, NeoPlace("flights", prefix, ROLE), settings)


def test_our_backend_is_told_that_nothing_compiles_here(
    sagemaker: Any, request_: dict[str, Any]
) -> None:
    told: list[str] = []
    waiting = Waiting(poll_s=0.1, deadline_s=20, tell=told.append)
    with pytest.raises(CloudError, match="FAILED: localcloud: Neo compiles on AWS only"):
        compile_model(request_, sagemaker, waiting)
    with pytest.raises(CloudError, match="FAILED: localcloud"):  # again, by a job of its own
        compile_model(request_, sagemaker, waiting)
    assert [line.split(": ")[1].split(";")[0] for line in told] == [
        "STARTING",
        "FAILED",
        "is there already",
        "FAILED",
        "was FAILED",
        "STARTING",
        "FAILED",
    ]


def test_a_job_is_described_listed_stopped_and_deleted(
    sagemaker: Any, request_: dict[str, Any]
) -> None:
    name = request_["CompilationJobName"]
    tags = [{"Key": "a", "Value": "b"}]
    arn = sagemaker.create_compilation_job(**request_, Tags=tags)["CompilationJobArn"]
    assert arn.endswith(f":compilation-job/{name}")
    sagemaker.stop_compilation_job(CompilationJobName=name)
    found = sagemaker.describe_compilation_job(CompilationJobName=name)
    assert found["CompilationJobStatus"] == "STOPPED"
    assert found["InputConfig"] == request_["InputConfig"]
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == tags
    listed = sagemaker.list_compilation_jobs(NameContains=name)["CompilationJobSummaries"]
    assert [item["CompilationJobStatus"] for item in listed] == ["STOPPED"]
    sagemaker.delete_compilation_job(CompilationJobName=name)
    with pytest.raises(sagemaker.exceptions.ResourceNotFound):
        sagemaker.describe_compilation_job(CompilationJobName=name)


def test_an_invalid_request_is_refused_and_a_name_is_used_once(
    sagemaker: Any, request_: dict[str, Any]
) -> None:
    both = {**request_["OutputConfig"], "TargetPlatform": {"Os": "LINUX", "Arch": "X86_64"}}
    with pytest.raises(ClientError, match="TargetDevice or TargetPlatform"):
        sagemaker.create_compilation_job(**{**request_, "OutputConfig": both})
    sagemaker.create_compilation_job(**request_)
    with pytest.raises(sagemaker.exceptions.ResourceInUse):
        sagemaker.create_compilation_job(**request_)
    time.sleep(0.6)
    found = sagemaker.describe_compilation_job(CompilationJobName=request_["CompilationJobName"])
    assert found["CompilationJobStatus"] == "FAILED"
    assert "ModelArtifacts" not in found or not found["ModelArtifacts"]["S3ModelArtifacts"]


def test_optimize_reports_neo_as_a_candidate_that_was_not_compiled(
    cloud: Any, tmp_path: Path
) -> None:
    described = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", 1]) for name in ("x", "y")
    ]
    made = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["y"])], "twice", described[:1], described[1:]
    )
    opset = [helper.make_opsetid("", 12)]
    onnx.save(helper.make_model(made, opset_imports=opset), str(tmp_path / "model.onnx"))
    bucket = f"bucket-{uuid.uuid4().hex}"
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=bucket)
    neo = {"target_device": "ml_c5", "input_shapes": {"x": [4, 1]}, "poll_s": 0.1}
    config = load_config(None, bucket=bucket, optimization={"neo": neo})
    compile_graph = neo_compiler(config, tmp_path / "candidates", lambda _: None)
    assert compile_graph is not None
    found = compile_graph(tmp_path / "model.onnx")
    assert "localcloud: Neo compiles on AWS only" in (found.rejection or "")
    assert not found.survivor
    (uploaded,) = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert uploaded["Key"].startswith("neo/")
