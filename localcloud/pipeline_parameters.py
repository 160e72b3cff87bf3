"""The parameters of one execution: what StartPipelineExecution gives, and defaults for the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from seatrial.localcloud.api import validation_error
from seatrial.localcloud.pipeline_definition import Parameter

MAX_VALUE_CHARACTERS = 1024

Value = str | int | float | bool


def parameter_values(
    parameters: Mapping[str, Parameter], given: Sequence[dict[str, str]]
) -> dict[str, Value]:
    """A value of the right type for every parameter; AwsError for what cannot be one."""
    texts: dict[str, str] = {}
    for item in given:
        if item["Name"] not in parameters:
            raise validation_error(
                f"the pipeline has no parameter {item['Name']!r}; it has "
                f"{', '.join(parameters) or 'none'}"
            )
        texts[item["Name"]] = item["Value"]
    return {
        parameter.name: _value(parameter, texts.get(parameter.name))
        for parameter in parameters.values()
    }


def _value(parameter: Parameter, text: str | None) -> Value:
    if text is None:
        if parameter.default is None:
            raise validation_error(
                f"parameter {parameter.name!r} has no default and was not given; add it to "
                "PipelineParameters"
            )
        return parameter.default
    if len(text) > MAX_VALUE_CHARACTERS:
        raise validation_error(
            f"the value of parameter {parameter.name!r} has {len(text)} characters; "
            f"{MAX_VALUE_CHARACTERS} are allowed. Pass an S3 URI instead"
        )
    value = _converted(parameter, text)
    if parameter.allowed and value not in parameter.allowed:
        raise validation_error(
            f"parameter {parameter.name!r} is {text!r}; allowed are "
            f"{', '.join(map(str, parameter.allowed))}"
        )
    return value


def _converted(parameter: Parameter, text: str) -> Value:
    try:
        value: Value = _CONVERTERS[parameter.type](text)
    except (ValueError, KeyError) as error:
        raise validation_error(
            f"parameter {parameter.name!r} is {text!r}, which is no {parameter.type}"
        ) from error
    return value


_CONVERTERS: dict[str, Callable[[str], Any]] = {
    "String": str,
    "Integer": int,
    "Float": float,
    "Boolean": lambda text: {"true": True, "false": False}[text.lower()],
}
