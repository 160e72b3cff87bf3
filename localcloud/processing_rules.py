"""What CreateProcessingJob refuses: the service's limits, and what localcloud cannot do.

Limits: the botocore service model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from seatrial.localcloud.api import validation_error

JOB_NAME_PATTERN = "[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"
VARIABLE_NAME_PATTERN = "[a-zA-Z_][a-zA-Z0-9_]*"
MAX_TEXT_CHARACTERS = 256
MAX_IMAGE_URI_CHARACTERS = 255
MAX_TEXTS = 100
MAX_INPUTS = 10
ROOT = "/opt/ml/"


def check_job(request: dict[str, Any], *, where: str = "", resolved: bool = True) -> None:
    """AwsError unless the job can run; `where` is put before the message.

    With `resolved` false, values that are still pipeline expressions are passed over.
    """
    try:
        for problem in _problems(request, resolved):
            raise validation_error(f"{where}{problem}")
    except (KeyError, TypeError, AttributeError) as error:
        raise validation_error(
            f"{where}the processing job lacks or misuses a field: {error!r}"
        ) from error


def check_job_name(name: str) -> None:
    """AwsError unless `name` can be a processing job's."""
    if not re.fullmatch(JOB_NAME_PATTERN, name):
        raise validation_error(
            f"ProcessingJobName is {name!r}; allowed is {JOB_NAME_PATTERN}. Rename the job"
        )


def _problems(request: dict[str, Any], resolved: bool) -> Iterator[str]:
    application = request["AppSpecification"]
    for field in ("ContainerEntrypoint", "ContainerArguments"):
        texts = application.get(field) or []
        yield from _too_many(field, len(texts), MAX_TEXTS)
        for index, text in enumerate(texts):
            yield from _text_problems(f"{field}[{index}]", text, resolved)
    variables = request.get("Environment") or {}
    yield from _too_many("Environment", len(variables), MAX_TEXTS)
    for name, value in variables.items():
        if not re.fullmatch(VARIABLE_NAME_PATTERN, name):
            yield f"the Environment name {name!r} does not match {VARIABLE_NAME_PATTERN}. Rename it"
        yield from _text_problems(f"Environment {name}", value, resolved)
    yield from _text_problems(
        "ImageUri", application["ImageUri"], resolved, allowed=MAX_IMAGE_URI_CHARACTERS
    )
    if not application.get("ContainerEntrypoint"):
        yield "ContainerEntrypoint is missing; name the program, as an image here has none"
    inputs = request.get("ProcessingInputs") or []
    yield from _too_many("ProcessingInputs", len(inputs), MAX_INPUTS)
    for item in inputs:
        yield from _input_problems(item, resolved)
    for item in (request.get("ProcessingOutputConfig") or {}).get("Outputs", []):
        yield from _output_problems(item, resolved)


def _too_many(what: str, count: int, allowed: int) -> Iterator[str]:
    if count > allowed:
        yield f"{what} has {count} entries; {allowed} are allowed"


def _text_problems(
    what: str, value: Any, resolved: bool, *, allowed: int = MAX_TEXT_CHARACTERS
) -> Iterator[str]:
    if isinstance(value, dict) and not resolved:
        return
    if not isinstance(value, str):
        yield f"{what} is {value!r}, not text; make it text with .to_string() in the pipeline"
    elif len(value) > allowed:
        yield (
            f"{what} has {len(value)} characters; {allowed} are allowed. Put it into a "
            "file and pass that as a ProcessingInput"
        )


def _input_problems(item: dict[str, Any], resolved: bool) -> Iterator[str]:
    name = item["InputName"]
    if "S3Input" not in item:
        yield f"input {name!r} has no S3Input; localcloud knows no other kind"
        return
    source = item["S3Input"]
    for field, known in (
        ("S3DataType", "S3Prefix"),
        ("S3InputMode", "File"),
        ("S3CompressionType", "None"),
    ):
        if source.get(field, known) != known:
            yield f"input {name!r} has {field} {source[field]!r}; localcloud knows {known!r} only"
    yield from _place_problems(f"input {name!r}", source, resolved)


def _output_problems(item: dict[str, Any], resolved: bool) -> Iterator[str]:
    name = item["OutputName"]
    if "S3Output" not in item:
        yield f"output {name!r} has no S3Output; localcloud knows no other kind"
        return
    target = item["S3Output"]
    if target.get("S3UploadMode", "EndOfJob") != "EndOfJob":
        yield (
            f"output {name!r} has S3UploadMode {target['S3UploadMode']!r}; localcloud uploads "
            "EndOfJob only"
        )
    yield from _place_problems(f"output {name!r}", target, resolved)


def _place_problems(what: str, place: dict[str, Any], resolved: bool) -> Iterator[str]:
    uri, path = place["S3Uri"], place.get("LocalPath", "")
    if isinstance(uri, str) and not re.match("s3://[^/]+", uri):
        yield f"{what} has S3Uri {uri!r}; it must be s3://bucket/key"
    if not isinstance(uri, str) and resolved:
        yield f"{what} has S3Uri {uri!r}, which is not text"
    if not path.startswith(ROOT) or ".." in path.split("/"):
        yield f"{what} has LocalPath {path!r}; it must be below {ROOT}"
