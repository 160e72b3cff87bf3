"""What CreatePipeline and UpdatePipeline refuse.

Limits: the botocore service model and https://docs.aws.amazon.com/general/latest/gr/sagemaker.html.
"""

from __future__ import annotations

import graphlib
import re
from typing import Any

from seatrial.localcloud import json_paths
from seatrial.localcloud.api import AwsError, validation_error
from seatrial.localcloud.conditions import check_conditions
from seatrial.localcloud.expressions import EXECUTION_VARIABLES, Reference, references
from seatrial.localcloud.pipeline_definition import Definition, Step, read_definition
from seatrial.localcloud.processing_rules import check_job

MAX_DEFINITION_CHARACTERS = 1_048_576
MAX_STEPS = 50
MAX_PARAMETERS = 200
MAX_ERROR_MESSAGE_CHARACTERS = 3072
STEP_NAME_PATTERN = "[A-Za-z0-9_-]{1,64}"
PARAMETER_NAME_PATTERN = "[A-Za-z0-9_-]{1,256}"
PARAMETER_TYPES = ("String", "Integer", "Float", "Boolean")
# What DescribeProcessingJob has beside what the job was created with.
_JOB_FIELDS = (
    "ProcessingJobName",
    "ProcessingJobArn",
    "ProcessingJobStatus",
    "ExitMessage",
    "FailureReason",
    "CreationTime",
    "ProcessingStartTime",
    "ProcessingEndTime",
    "LastModifiedTime",
)


def accept_definition(text: str) -> Definition:
    """The parsed definition; AwsError if it breaks a limit or cannot run as it is."""
    if not 1 <= len(text) <= MAX_DEFINITION_CHARACTERS:
        raise validation_error(
            f"the pipeline definition has {len(text)} characters; 1 to "
            f"{MAX_DEFINITION_CHARACTERS} are allowed. Use fewer or smaller steps"
        )
    try:
        definition = read_definition(text)
        _check(definition)
    except (KeyError, TypeError, AttributeError) as error:
        raise validation_error(
            f"the pipeline definition lacks or misuses a field: {error!r}; the SageMaker SDK's "
            "Pipeline.definition() writes what is expected"
        ) from error
    return definition


def _check(definition: Definition) -> None:
    _check_count("steps", len(definition.steps), MAX_STEPS)
    _check_count("parameters", len(definition.parameters), MAX_PARAMETERS)
    for parameter in definition.parameters.values():
        _check_name("parameter", parameter.name, PARAMETER_NAME_PATTERN)
        if parameter.type not in PARAMETER_TYPES:
            raise validation_error(
                f"parameter {parameter.name!r} is of type {parameter.type!r}; allowed are "
                f"{', '.join(PARAMETER_TYPES)}"
            )
    for step in definition.steps.values():
        _check_step(step, definition)
    _check_order(definition)


def _check_step(step: Step, definition: Definition) -> None:
    _check_name("step", step.name, STEP_NAME_PATTERN)
    for name in sorted(step.needs):
        needed = definition.steps.get(name)
        if needed is None:
            raise validation_error(
                f"step {step.name!r} needs step {name!r}, which is not there; there are "
                f"{', '.join(definition.steps)}"
            )
        if needed.type == "Fail":
            raise AwsError("ValidationException", f"{step.name} can not depends on {name}")
    for reference in references(step.arguments):
        _check_reference(step, reference, definition)
    for name, file in step.property_files.items():
        _check_output(step, file.output, f"property file {name!r}")
    if step.type == "Processing":
        check_job(step.arguments, where=f"step {step.name!r}: ", resolved=False)
    if step.type == "Condition":
        check_conditions(step.name, step.arguments.get("Conditions", []))
    if step.type == "Fail":
        _check_error_message(step)


def _check_reference(step: Step, reference: Reference, definition: Definition) -> None:
    if reference.kind == "Parameters":
        known: Any = definition.parameters
    elif reference.kind == "Execution":
        known = EXECUTION_VARIABLES
    elif reference.kind == "Steps":
        _check_property(step, reference, definition.steps[reference.name])
        return
    else:
        known = ()
    if reference.name not in known:
        raise validation_error(
            f"step {step.name!r} gets {reference.kind}.{reference.name}, which is not there; "
            f"there are {', '.join(known) or 'Parameters, Execution and Steps only'}"
        )


def _check_property(step: Step, reference: Reference, of: Step) -> None:
    if reference.property_file is not None:
        if reference.property_file not in of.property_files:
            raise validation_error(
                f"step {step.name!r} gets property file {reference.property_file!r} of "
                f"{of.name!r}, which has {', '.join(of.property_files) or 'none'}"
            )
        return
    properties = {"Outcome": ""}
    if of.type == "Processing":
        properties = {**dict.fromkeys(_JOB_FIELDS, ""), **of.arguments}
    try:
        json_paths.find(properties, reference.path)
    except json_paths.PathError as error:
        raise validation_error(
            f"step {step.name!r} gets Steps.{of.name}.{reference.path}: {error}"
        ) from error


def _check_output(step: Step, output: str, user: str) -> None:
    outputs = (step.arguments.get("ProcessingOutputConfig") or {}).get("Outputs", [])
    names = [item["OutputName"] for item in outputs]
    if output not in names:
        raise validation_error(
            f"{user} of step {step.name!r} is in output {output!r}; the step has "
            f"{', '.join(names) or 'no outputs'}"
        )


def _check_error_message(step: Step) -> None:
    message = step.arguments.get("ErrorMessage", "")
    if isinstance(message, str) and len(message) > MAX_ERROR_MESSAGE_CHARACTERS:
        raise validation_error(
            f"the ErrorMessage of step {step.name!r} has {len(message)} characters; "
            f"{MAX_ERROR_MESSAGE_CHARACTERS} are allowed. Shorten it"
        )


def _check_order(definition: Definition) -> None:
    graph = {step.name: step.needs for step in definition.steps.values()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        circle = " → ".join(reversed(error.args[1]))
        raise validation_error(
            f"the steps wait for each other: {circle}. Break the circle"
        ) from error


def _check_count(what: str, count: int, allowed: int) -> None:
    if count > allowed:
        raise validation_error(f"the pipeline has {count} {what}; {allowed} are allowed")


def _check_name(kind: str, name: str, pattern: str) -> None:
    if not re.fullmatch(pattern, name):
        raise validation_error(f"the {kind} name {name!r} does not match {pattern}. Rename it")
