"""SageMaker Neo as a backend: the ONNX graph, or an archive of the user's, compiled on AWS.

What comes back runs in Neo's own inference image and nowhere else, so neither optimize_model (in
the serving interpreter) nor profile_model (in the serving image) can measure it. What was not
measured does not survive: the candidate is reported with its artefact and image, and rejected.
To let one survive, on AWS: start an endpoint or a Processing job of that image on the artefact,
predict the validation rows, compare with the original's predictions, and run profile_model there.

Neo's output on serverless endpoints is undocumented, and this path has not been run on AWS.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from seatrial.archives import pack
from seatrial.aws import S3, sha256_of
from seatrial.contracts import MB, Candidate
from seatrial.errors import InputError, SeatrialError
from seatrial.optimization.neo_job import Compiled, Waiting, compile_model
from seatrial.optimization.neo_request import NeoModel, NeoPlace, build_request
from seatrial.optimization.neo_settings import Dimension, NeoConfig

NEO = "neo"


def neo_candidate(
    graph: Path,
    settings: NeoConfig,
    place: NeoPlace,
    output: Path,
    *,
    s3: Any,
    sagemaker: Any,
    tell: Callable[[str], None] = lambda _: None,
) -> Candidate:
    """Compile, and take over the artefact into `output`/neo; a rejected candidate whatever happens.

    `graph` is the ONNX fp32 graph before ONNX Runtime optimised it: that one has operators which
    only ONNX Runtime knows. `place.output_uri` is the prefix for archive and artefact.
    """
    files = S3(s3)
    waiting = Waiting(settings.poll_s, settings.deadline_s, tell=tell)
    try:
        model = _model(graph, settings, place, files)
        compiled = compile_model(build_request(model, place, settings), sagemaker, waiting)
        archive = files.download(compiled.artifact_uri, output / NEO / "model.tar.gz")
    except SeatrialError as error:
        return _candidate(settings, rejection=str(error))
    return _candidate(
        settings,
        rejection=_not_measured(compiled),
        detail=f"job {compiled.job_name}, artefact {compiled.artifact_uri}, "
        f"digest {compiled.digest or 'not given'}",
        archive=archive.relative_to(output).as_posix(),
        archive_sha256=sha256_of(archive),
        archive_size_mb=archive.stat().st_size / MB,
        inference_image=compiled.inference_image,
    )


def _candidate(settings: NeoConfig, *, rejection: str, **found: Any) -> Candidate:
    target = settings.target_device or "a platform, LINUX X86_64"
    unknown = dict.fromkeys(("archive", "archive_sha256", "archive_size_mb", "model_size_mb"))
    return Candidate.model_validate(
        {
            "name": NEO,
            "backend": NEO,
            "precision": "fp32",  # Neo does not quantize for CPUs
            "graph_optimization": f"Neo for {target}",
            "agreement": None,
            "quality": {},
            "rejection": rejection,
            **unknown,
            **found,
        }
    )


def _not_measured(compiled: Compiled) -> str:
    if compiled.inference_image is None:
        return (
            "not measured: Neo names no inference image for a target_platform, so nothing here can "
            "run its artefact. Compile for a target_device"
        )
    return (
        f"not measured: it runs in Neo's own image only ({compiled.inference_image}), not in the "
        "serving image. On AWS, compare its predictions and profile it in that image"
    )


def _model(graph: Path, settings: NeoConfig, place: NeoPlace, files: S3) -> NeoModel:
    """What is to be compiled, in S3 by content; what Neo does not take is refused before that."""
    version, shapes = settings.framework_version, settings.input_shapes
    if settings.model_uri is not None:
        return NeoModel(settings.model_uri, settings.framework, version, None, shapes)
    opset, declared = read_graph(graph)
    local = NeoModel("s3://bucket/model.tar.gz", "onnx", version, opset, shapes or declared)
    build_request(local, place, settings)
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        folder.mkdir()
        shutil.copyfile(graph, folder / "model.onnx")
        archive = pack(folder, Path(scratch) / "model.tar.gz")
        uri = files.upload_by_content(archive, place.output_uri)
    return NeoModel(uri, "onnx", version, opset, shapes or declared)


def read_graph(graph: Path) -> tuple[int, dict[str, tuple[Dimension, ...]]]:
    """The graph's operator set, and the declared shape of each input that is not a weight."""
    import onnx

    model = onnx.load(str(graph), load_external_data=False)
    opsets = [item.version for item in model.opset_import if item.domain in ("", "ai.onnx")]
    if model.graph.initializer and any(
        item.data_location == onnx.TensorProto.EXTERNAL for item in model.graph.initializer
    ):
        raise InputError(
            "Neo takes one ONNX file, and this graph has its weights beside it",
            got=graph.name,
            allowed="a file with its weights, 2 GB at most",
            do="Leave optimization.neo out",
        )
    weights = {item.name for item in model.graph.initializer}
    return max(opsets, default=1), {
        item.name: tuple(_size(dimension) for dimension in item.type.tensor_type.shape.dim)
        for item in model.graph.input
        if item.name not in weights
    }


def _size(dimension: Any) -> Dimension:
    if dimension.HasField("dim_value"):
        return int(dimension.dim_value)
    return dimension.dim_param or None
