"""What CreateCompilationJob refuses. Limits: the botocore service model and its documentation."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from seatrial.localcloud.api import validation_error

ROLE_PATTERN = r"arn:aws[a-z\-]*:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+"
VERSION_PATTERN = r"[0-9]\.[A-Za-z0-9.]+"
MAX_URI_CHARACTERS = 1024
MAX_DATA_INPUT_CHARACTERS = 16384
MAX_OPTIONS_CHARACTERS = 1024
MIN_OPTIONS_CHARACTERS = 3
FRAMEWORKS = (
    *("TENSORFLOW", "KERAS", "MXNET", "ONNX", "PYTORCH"),
    *("XGBOOST", "TFLITE", "DARKNET", "SKLEARN"),
)
# "This API field is only supported for the MXNet, PyTorch, TensorFlow and TensorFlow Lite
# frameworks", says the service model of FrameworkVersion.
VERSIONED = ("MXNET", "PYTORCH", "TENSORFLOW", "TFLITE")
SYSTEMS = ("ANDROID", "LINUX")
ARCHITECTURES = ("X86_64", "X86", "ARM64", "ARM_EABI", "ARM_EABIHF")
# "highly recommended" for CPUs and for these "required", says the service model of CompilerOptions
NEED_OPTIONS = ("NVIDIA",)


def check_compilation(request: dict[str, Any]) -> None:
    """AwsError unless the service could take the request."""
    try:
        for problem in _problems(request):
            raise validation_error(problem)
    except (KeyError, TypeError, AttributeError) as error:
        raise validation_error(
            f"the compilation job lacks or misuses a field: {error!r}"
        ) from error


def _problems(request: dict[str, Any]) -> Iterator[str]:
    if not re.fullmatch(ROLE_PATTERN, request["RoleArn"]):
        yield f"RoleArn is {request['RoleArn']!r}, which is not an IAM role's"
    if ("InputConfig" in request) == ("ModelPackageVersionArn" in request):
        yield "give InputConfig or ModelPackageVersionArn, and not both"
    if "InputConfig" in request:
        yield from _input_problems(request["InputConfig"])
    yield from _output_problems(request["OutputConfig"])
    seconds = request["StoppingCondition"].get("MaxRuntimeInSeconds", 1)
    if seconds < 1:
        yield f"MaxRuntimeInSeconds is {seconds}; it must be 1 at least"


def _input_problems(config: dict[str, Any]) -> Iterator[str]:
    yield from _uri_problems("S3Uri", config["S3Uri"])
    if not config["S3Uri"].endswith(".tar.gz"):
        yield f"S3Uri is {config['S3Uri']!r}; it must be a single .tar.gz"
    framework = config["Framework"]
    if framework not in FRAMEWORKS:
        yield f"Framework is {framework!r}; it must be one of {', '.join(FRAMEWORKS)}"
    version = config.get("FrameworkVersion")
    if version is not None and framework not in VERSIONED:
        yield f"FrameworkVersion is for {', '.join(VERSIONED)} only, not for {framework}"
    if version is not None and not re.fullmatch(VERSION_PATTERN, version):
        yield f"FrameworkVersion is {version!r}; it must match {VERSION_PATTERN}"
    yield from _json_problems(
        "DataInputConfig", config.get("DataInputConfig"), 1, MAX_DATA_INPUT_CHARACTERS
    )


def _output_problems(config: dict[str, Any]) -> Iterator[str]:
    yield from _uri_problems("S3OutputLocation", config["S3OutputLocation"])
    if ("TargetDevice" in config) == ("TargetPlatform" in config):
        yield "give TargetDevice or TargetPlatform, and not both"
    platform = config.get("TargetPlatform")
    if platform is not None:
        if platform["Os"] not in SYSTEMS:
            yield f"TargetPlatform.Os is {platform['Os']!r}; it must be one of {SYSTEMS}"
        if platform["Arch"] not in ARCHITECTURES:
            yield f"TargetPlatform.Arch is {platform['Arch']!r}; it must be one of {ARCHITECTURES}"
        if platform.get("Accelerator") in NEED_OPTIONS and "CompilerOptions" not in config:
            yield f"CompilerOptions are required for {platform['Accelerator']}"
    yield from _json_problems(
        "CompilerOptions",
        config.get("CompilerOptions"),
        MIN_OPTIONS_CHARACTERS,
        MAX_OPTIONS_CHARACTERS,
    )


def _uri_problems(what: str, uri: str) -> Iterator[str]:
    if not re.fullmatch(r"(https|s3)://[^/]+/?.*", uri) or len(uri) > MAX_URI_CHARACTERS:
        yield f"{what} is {uri!r}; it must be s3://bucket/key, {MAX_URI_CHARACTERS} characters"


def _json_problems(what: str, text: str | None, shortest: int, longest: int) -> Iterator[str]:
    if text is None:
        return
    if not shortest <= len(text) <= longest:
        yield f"{what} has {len(text)} characters; {shortest} to {longest} are allowed"
    try:
        json.loads(text)
    except ValueError as error:
        yield f"{what} is not JSON: {error}"
