"""The request of a compilation job, from values alone; its name says its content.

Limits: the botocore service model of CreateCompilationJob.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seatrial.errors import InputError
from seatrial.optimization.neo_settings import Dimension, NeoConfig, NeoFramework
from seatrial.optimization.neo_support import (
    NeoSupport,
    check_opset,
    check_version,
    load_neo_support,
    shapes_needed,
)

MAX_COMPILER_OPTIONS_CHARACTERS = 1024
MAX_DATA_INPUT_CHARACTERS = 16384
MAX_NAME_CHARACTERS = 63
HASH_CHARACTERS = 16

Shapes = Mapping[str, Sequence[Dimension]]


@dataclass(frozen=True)
class NeoModel:
    """An archive in S3 by content: `uri` has one .tar.gz, of the framework's own format."""

    uri: str
    framework: NeoFramework
    version: str | None  # None: an ONNX graph that is known by its opset
    opset: int | None
    shapes: Shapes | None


@dataclass(frozen=True)
class NeoPlace:
    """Where a job puts its artefact, and as whom it runs."""

    project: str
    output_uri: str
    role_arn: str


def build_request(
    model: NeoModel, place: NeoPlace, settings: NeoConfig, support: NeoSupport | None = None
) -> dict[str, Any]:
    """What CreateCompilationJob is called with; InputError for what Neo is known not to take."""
    request = {
        "RoleArn": place.role_arn,
        "InputConfig": _input(model, support or load_neo_support()),
        "OutputConfig": _output(place.output_uri, settings),
        "StoppingCondition": {"MaxRuntimeInSeconds": settings.max_runtime_s},
    }
    return {"CompilationJobName": job_name(place.project, request), **request}


def job_name(project: str, request: Mapping[str, Any]) -> str:
    """`<project>-neo-<hash>`: the same content is the same job, so that it runs once.

    >>> job_name("p" * 63, {})[-21:], len(job_name("p" * 63, {}))
    ('-neo-44136fa355b3678a', 63)
    """
    text = json.dumps(request, sort_keys=True)
    tail = f"-neo-{hashlib.sha256(text.encode()).hexdigest()[:HASH_CHARACTERS]}"
    return project[: MAX_NAME_CHARACTERS - len(tail)].rstrip("-") + tail


def _input(model: NeoModel, support: NeoSupport) -> dict[str, str]:
    row = support.frameworks[model.framework]
    fields = {"S3Uri": model.uri, "Framework": row.api_name}
    if model.opset is not None:
        check_opset(model.opset, support)
    version = model.version
    if version is not None:
        version = check_version(model.framework, version, support)
        if row.sends_version:
            fields["FrameworkVersion"] = version
    needed = shapes_needed(model.framework, version or row.versions[-1], support)
    if model.shapes or needed:
        fields["DataInputConfig"] = _data_input(model.shapes or {})
    return fields


def _data_input(shapes: Shapes) -> str:
    """The shapes in the graph's order, all static: Neo compiles for one batch size."""
    for name, shape in shapes.items():
        if not all(isinstance(size, int) and size > 0 for size in shape):
            ones = [size if isinstance(size, int) and size > 0 else 1 for size in shape]
            raise InputError(
                f"Neo compiles static shapes only, and input {name} has a dynamic one",
                got=list(shape),
                allowed="a whole number of at least 1 for each dimension, the batch size too",
                do=f"Set optimization.neo.input_shapes, such as {{{name}: {ones}}}; "
                "the compiled model then takes exactly that many rows a request",
            )
    text = json.dumps({name: list(shape) for name, shape in shapes.items()})
    if not shapes or len(text) > MAX_DATA_INPUT_CHARACTERS:
        raise InputError(
            "Neo needs the shape of each input",
            got=f"{len(shapes)} inputs, {len(text)} characters of JSON",
            allowed=f"1 input at least, {MAX_DATA_INPUT_CHARACTERS} characters at most",
            do="Set optimization.neo.input_shapes",
        )
    return text


def _output(output_uri: str, settings: NeoConfig) -> dict[str, Any]:
    fields: dict[str, Any] = {"S3OutputLocation": output_uri}
    if settings.target_device is not None:
        fields["TargetDevice"] = settings.target_device
    if settings.target_platform is not None:
        platform = settings.target_platform
        fields["TargetPlatform"] = {"Os": platform.os, "Arch": platform.arch}
    if settings.compiler_options:
        fields["CompilerOptions"] = _compiler_options(settings)
    if settings.kms_key_id is not None:
        fields["KmsKeyId"] = settings.kms_key_id
    return fields


def _compiler_options(settings: NeoConfig) -> str:
    text = json.dumps(settings.model_dump(mode="json")["compiler_options"], sort_keys=True)
    if len(text) > MAX_COMPILER_OPTIONS_CHARACTERS:
        raise InputError(
            "Neo's compiler options are too long",
            got=f"{len(text)} characters of JSON",
            allowed=f"{MAX_COMPILER_OPTIONS_CHARACTERS} at most",
            do="Shorten optimization.neo.compiler_options",
        )
    return text
