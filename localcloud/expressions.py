"""The expressions in a pipeline definition: Get, Std:Join and Std:JsonGet."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from seatrial.localcloud import json_paths

EXECUTION_VARIABLES = (
    "StartDateTime",
    "CurrentDateTime",
    "PipelineName",
    "PipelineArn",
    "PipelineExecutionId",
    "PipelineExecutionArn",
    "ProcessingJobName",
)
_PROPERTY_FILES = "PropertyFiles"


class Unresolved(Exception):  # noqa: N818 - says what became of the expression
    """An expression has no value in this execution; the text says why, for a FailureReason."""


@dataclass(frozen=True)
class Reference:
    """What a Get names: ("Parameters", "Rows", ""), ("Steps", "Judge", "ExitMessage") …"""

    kind: str
    name: str
    path: str

    @property
    def property_file(self) -> str | None:
        """The property file's name, if it is one."""
        head, _, name = self.path.partition(".")
        return name if self.kind == "Steps" and head == _PROPERTY_FILES else None


@dataclass(frozen=True)
class Scope:
    """The values that an execution has so far.

    `steps` holds the properties of steps that succeeded; `read_file` gives a step's property file
    and `read_uri` an object in S3, both as parsed JSON.
    """

    parameters: Mapping[str, Any]
    execution: Mapping[str, str]
    steps: Mapping[str, Mapping[str, Any]]
    read_file: Callable[[str, str], Any]
    read_uri: Callable[[str], Any]


def resolve(value: Any, scope: Scope) -> Any:
    """`value` with every expression in it replaced by what it stands for."""
    if isinstance(value, list):
        return [resolve(item, scope) for item in value]
    if not isinstance(value, dict):
        return value
    if _is(value, "Get"):
        return _get(read_reference(value["Get"]), scope)
    if _is(value, "Std:Join"):
        join = value["Std:Join"]
        return join["On"].join(as_text(resolve(item, scope)) for item in join["Values"])
    if _is(value, "Std:JsonGet"):
        return _json_get(value["Std:JsonGet"], scope)
    return {key: resolve(item, scope) for key, item in value.items()}


def as_text(value: Any) -> str:
    """A value inside of a Join: text as it is, true and 3 as JSON writes them."""
    return value if isinstance(value, str) else json.dumps(value)


def references(value: Any) -> Iterator[Reference]:
    """Everything that a Get in `value` names."""
    if isinstance(value, list):
        for item in value:
            yield from references(item)
    elif isinstance(value, dict):
        if _is(value, "Get"):
            yield read_reference(value["Get"])
        else:
            yield from references(list(value.values()))


def referenced_steps(value: Any) -> set[str]:
    """The names of the steps whose properties or files `value` uses."""
    return {found.name for found in references(value) if found.kind == "Steps"}


def read_reference(text: str) -> Reference:
    """The parts of a Get's text."""
    kind, _, rest = text.partition(".")
    name, _, path = rest.partition(".")
    return Reference(kind, name, path)


def _is(value: dict[str, Any], function: str) -> bool:
    return len(value) == 1 and function in value


def _get(reference: Reference, scope: Scope) -> Any:
    if reference.kind == "Parameters":
        return scope.parameters[reference.name]
    if reference.kind == "Execution":
        try:
            return scope.execution[reference.name]
        except KeyError:
            raise Unresolved(f"Execution.{reference.name} has no value in this step") from None
    try:
        return json_paths.find(scope.steps[reference.name], reference.path)
    except json_paths.PathError as error:
        raise Unresolved(f"Steps.{reference.name}.{reference.path}: {error}") from error


def _json_get(arguments: dict[str, Any], scope: Scope) -> Any:
    if "S3Uri" in arguments:
        source = as_text(resolve(arguments["S3Uri"], scope))
        document = scope.read_uri(source)
    else:
        reference = read_reference(arguments["PropertyFile"]["Get"])
        source = f"property file {reference.property_file} of step {reference.name}"
        document = scope.read_file(reference.name, reference.property_file or "")
    try:
        value = json_paths.find(document, arguments["Path"])
    except json_paths.PathError as error:
        raise Unresolved(f"JsonGet from {source}: {error}") from error
    if isinstance(value, dict | list) or value is None:
        raise Unresolved(
            f"JsonGet from {source}: {arguments['Path']!r} is {json.dumps(value)[:80]}; "
            "it must be text, a number, true or false"
        )
    return value
