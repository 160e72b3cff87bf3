"""The candidate that Neo's artefact becomes: taken over, and honest about what was not measured."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import onnx
import pytest
from botocore.exceptions import ClientError
from onnx import TensorProto, helper

from seatrial.aws import split_s3_uri
from seatrial.contracts import Candidate
from seatrial.optimization.neo import neo_candidate, read_graph
from seatrial.optimization.neo_request import NeoPlace
from seatrial.optimization.neo_settings import NeoConfig

PLACE = NeoPlace("flights", "s3://bucket/neo", "arn:aws:iam::123456789012:role/seatrial-job")
ARTIFACT = "s3://bucket/neo/model-ml_c5.tar.gz"
IMAGE = "785573368785.dkr.ecr.us-east-1.amazonaws.com/sagemaker-neo:1"


class FakeS3:
    """Objects in a dict; as much of a client as `seatrial.aws.S3` uses."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def upload_file(self, path: str, bucket: str, key: str) -> None:
        self.objects[f"s3://{bucket}/{key}"] = Path(path).read_bytes()

    def download_file(self, bucket: str, key: str, path: str) -> None:
        Path(path).write_bytes(self.objects[f"s3://{bucket}/{key}"])

    def get_paginator(self, _: str) -> FakeS3:
        return self

    def paginate(self, *, Bucket: str, Prefix: str) -> list[dict[str, Any]]:  # noqa: N803
        found = [split_s3_uri(uri) for uri in self.objects]
        keys = [key for bucket, key in found if bucket == Bucket and key.startswith(Prefix)]
        return [{"Contents": [{"Key": key} for key in keys]}]


class FakeSageMaker:
    """A Neo that completes at once, or refuses."""

    def __init__(self, s3: FakeS3, *, image: str | None = IMAGE, refusal: str = "") -> None:
        self.requests: list[dict[str, Any]] = []
        self._s3, self._image, self._refusal = s3, image, refusal

    def create_compilation_job(self, **request: Any) -> None:
        if self._refusal:
            answer: Any = {"Error": {"Code": self._refusal, "Message": "no"}}
            raise ClientError(answer, "CreateCompilationJob")
        self.requests.append(request)
        self._s3.objects[ARTIFACT] = b"compiled"

    def describe_compilation_job(self, **_: Any) -> dict[str, Any]:
        return {
            "CompilationJobStatus": "COMPLETED",
            "ModelArtifacts": {"S3ModelArtifacts": ARTIFACT},
            "ModelDigests": {"ArtifactDigest": "0a1b"},
            "InferenceImage": self._image,
        }


def graph(folder: Path, *, batch: int | str | None = 1, opset: int = 12) -> Path:
    """y = x · w, with the weight listed among the inputs, as old exporters do."""
    weight = helper.make_tensor("w", TensorProto.FLOAT, [24, 2], b"\0" * 192, raw=True)
    described = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("x", [batch, 24]), ("w", [24, 2]), ("y", [batch, 2]))
    ]
    made = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "product",
        described[:2],
        described[2:],
        [weight],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=7)
    path = folder / "graph.onnx"
    onnx.save(model, str(path))
    return path


def compiled(
    folder: Path, path: Path, *, sagemaker: Any = None, s3: FakeS3 | None = None, **settings: Any
) -> Candidate:
    s3 = s3 or FakeS3()
    return neo_candidate(
        path,
        NeoConfig(**({"target_device": "ml_c5"} | settings)),
        PLACE,
        folder / "candidates",
        s3=s3,
        sagemaker=sagemaker or FakeSageMaker(s3),
    )


def test_the_artefact_is_taken_over_with_its_image_and_is_not_a_survivor(tmp_path: Path) -> None:
    s3 = FakeS3()
    neo = FakeSageMaker(s3)
    found = compiled(tmp_path, graph(tmp_path), sagemaker=neo, s3=s3)
    assert (found.backend, found.precision, found.inference_image) == ("neo", "fp32", IMAGE)
    assert found.archive == "neo/model.tar.gz"
    assert (tmp_path / "candidates" / found.archive).read_bytes() == b"compiled"
    assert "digest 0a1b" in (found.detail or "")
    assert found.agreement is None
    assert not found.survivor
    assert (found.rejection or "").startswith("not measured: it runs in Neo's own image only")


def test_the_graph_goes_up_by_content_as_one_file(tmp_path: Path) -> None:
    s3 = FakeS3()
    neo = FakeSageMaker(s3)
    for _ in range(2):
        compiled(tmp_path, graph(tmp_path), sagemaker=neo, s3=s3)
    first, second = neo.requests
    assert first == second
    uri = first["InputConfig"]["S3Uri"]
    assert uri.startswith("s3://bucket/neo/")
    with tarfile.open(fileobj=io.BytesIO(s3.objects[uri])) as archive:
        assert archive.getnames() == ["model.onnx"]
    assert first["InputConfig"]["DataInputConfig"] == '{"x": [1, 24]}'


def test_without_an_image_it_says_what_to_compile_for(tmp_path: Path) -> None:
    s3 = FakeS3()
    neo = FakeSageMaker(s3, image=None)
    settings: dict[str, Any] = {"target_device": None, "target_platform": {}}
    found = compiled(tmp_path, graph(tmp_path), sagemaker=neo, s3=s3, **settings)
    assert "Compile for a target_device" in (found.rejection or "")
    assert found.archive is not None


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        pytest.param({"batch": None}, "static shapes only", id="a-dynamic-batch"),
        pytest.param({"batch": "rows"}, "static shapes only", id="a-named-batch"),
        pytest.param({"opset": 13}, "opset 13", id="a-new-operator-set"),
    ],
)
def test_what_neo_is_known_not_to_take_is_rejected_before_any_call(
    tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    s3 = FakeS3()
    neo = FakeSageMaker(s3)
    found = compiled(tmp_path, graph(tmp_path, **changes), sagemaker=neo, s3=s3)
    assert told in (found.rejection or "")
    assert found.archive is None
    assert not neo.requests
    assert not s3.objects


def test_a_static_shape_in_the_configuration_takes_the_place_of_a_dynamic_one(
    tmp_path: Path,
) -> None:
    found = compiled(tmp_path, graph(tmp_path, batch=None), input_shapes={"x": (8, 24)})
    assert found.archive is not None


def test_a_refusal_of_the_service_is_the_reason(tmp_path: Path) -> None:
    s3 = FakeS3()
    neo = FakeSageMaker(s3, refusal="AccessDeniedException")
    found = compiled(tmp_path, graph(tmp_path), sagemaker=neo, s3=s3)
    assert "AccessDeniedException" in (found.rejection or "")


def test_an_archive_of_the_users_own_is_compiled_as_it_is(tmp_path: Path) -> None:
    s3 = FakeS3()
    neo = FakeSageMaker(s3)
    uri = "s3://models/churn.tar.gz"
    settings = {"model_uri": uri, "framework": "xgboost", "framework_version": "1.3.3"}
    compiled(tmp_path, tmp_path / "none", sagemaker=neo, s3=s3, **settings)
    assert neo.requests[0]["InputConfig"] == {"S3Uri": uri, "Framework": "XGBOOST"}


def test_weights_beside_the_graph_are_refused(tmp_path: Path) -> None:
    path = graph(tmp_path)
    onnx.save(
        onnx.load(str(path)), str(path), save_as_external_data=True, size_threshold=0, location="w"
    )
    assert "weights beside it" in (compiled(tmp_path, path).rejection or "")


def test_shapes_are_those_of_the_inputs_that_are_no_weights(tmp_path: Path) -> None:
    assert read_graph(graph(tmp_path, batch="rows")) == (12, {"x": ("rows", 24)})
