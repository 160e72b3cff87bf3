"""EventBridge targets that are SageMaker pipelines: their limits, and the parameters they pass on.

Sources: the botocore service model of EventBridge, and
https://docs.aws.amazon.com/sagemaker/latest/dg/pipeline-eventbridge.html.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from seatrial.localcloud.api import validation_error
from seatrial.localcloud.json_paths import find

NAME_PATTERN = "^[a-zA-Z0-9](-*[a-zA-Z0-9])*$"
MAX_PARAMETERS = 200
MAX_VALUE_CHARACTERS = 1024


def is_pipeline(arn: str) -> bool:
    """True for the ARN of a SageMaker pipeline."""
    return re.match(r"arn:aws[a-z-]*:sagemaker:[^:]*:[^:]*:pipeline/", arn) is not None


def check_targets(targets: Sequence[dict[str, Any]]) -> None:
    """AwsError if a pipeline target is outside of what EventBridge takes; moto takes anything."""
    for target in targets:
        if is_pipeline(target.get("Arn", "")):
            _check_parameters(str(target.get("Id")), _parameters(target))


def start_request(target: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    """StartPipelineExecution's request for the target; PathError if the event lacks a value.

    A Value that starts with `$.` is a path into the event; any other is passed as it is.
    """
    parameters = [
        {"Name": parameter["Name"], "Value": _value(parameter["Value"], event)}
        for parameter in _parameters(target)
    ]
    return {"PipelineName": target["Arn"], "PipelineParameters": parameters}


def _value(value: str, event: dict[str, Any]) -> str:
    if not value.startswith("$."):
        return value
    found = find(event, value)
    return found if isinstance(found, str) else json.dumps(found)


def _parameters(target: dict[str, Any]) -> list[dict[str, str]]:
    settings = target.get("SageMakerPipelineParameters") or {}
    return list(settings.get("PipelineParameterList") or [])


def _check_parameters(target_id: str, parameters: list[dict[str, str]]) -> None:
    if len(parameters) > MAX_PARAMETERS:
        raise validation_error(
            f"target {target_id!r} has {len(parameters)} pipeline parameters; "
            f"{MAX_PARAMETERS} are allowed. Leave out those that have defaults"
        )
    for parameter in parameters:
        if not re.fullmatch(NAME_PATTERN, parameter["Name"]):
            raise validation_error(
                f"target {target_id!r} has a pipeline parameter named {parameter['Name']!r}; "
                f"EventBridge allows {NAME_PATTERN}, so no underscore. Rename the parameter"
            )
        if len(parameter["Value"]) > MAX_VALUE_CHARACTERS:
            raise validation_error(
                f"target {target_id!r} has a value of {len(parameter['Value'])} characters for "
                f"{parameter['Name']!r}; {MAX_VALUE_CHARACTERS} are allowed. Pass an S3 URI instead"
            )
