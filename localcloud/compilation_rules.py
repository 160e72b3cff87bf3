"""What CreateCompilationJob refuses beyond what its API model says, as its documentation has it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from seatrial.localcloud.api import validation_error

# "This API field is only supported for the MXNet, PyTorch, TensorFlow and TensorFlow Lite
# frameworks", says the service model of FrameworkVersion.
VERSIONED = ("MXNET", "PYTORCH", "TENSORFLOW", "TFLITE")
# "highly recommended" for CPUs and for these "required", says the service model of CompilerOptions
NEED_OPTIONS = ("NVIDIA",)


def check_compilation(request: dict[str, Any]) -> None:
    """AwsError unless the service could take the request, which its API model allows."""
    for problem in _problems(request):
        raise validation_error(problem)


def _problems(request: dict[str, Any]) -> Iterator[str]:
    if ("InputConfig" in request) == ("ModelPackageVersionArn" in request):
        yield "give InputConfig or ModelPackageVersionArn, and not both"
    if "InputConfig" in request:
        yield from _input_problems(request["InputConfig"])
    yield from _output_problems(request["OutputConfig"])


def _input_problems(config: dict[str, Any]) -> Iterator[str]:
    if not config["S3Uri"].endswith(".tar.gz"):
        yield f"S3Uri is {config['S3Uri']!r}; it must be a single .tar.gz"
    framework = config["Framework"]
    if "FrameworkVersion" in config and framework not in VERSIONED:
        yield f"FrameworkVersion is for {', '.join(VERSIONED)} only, not for {framework}"
    yield from _json_problems("DataInputConfig", config.get("DataInputConfig"))


def _output_problems(config: dict[str, Any]) -> Iterator[str]:
    if ("TargetDevice" in config) == ("TargetPlatform" in config):
        yield "give TargetDevice or TargetPlatform, and not both"
    accelerator = config.get("TargetPlatform", {}).get("Accelerator")
    if accelerator in NEED_OPTIONS and "CompilerOptions" not in config:
        yield f"CompilerOptions are required for {accelerator}"
    yield from _json_problems("CompilerOptions", config.get("CompilerOptions"))


def _json_problems(what: str, text: str | None) -> Iterator[str]:
    if text is None:
        return
    try:
        json.loads(text)
    except ValueError as error:
        yield f"{what} is not JSON: {error}"
