"""A pipeline definition's JSON as values: parameters, and steps with what each must wait for.

The JSON is what the SageMaker SDK's `Pipeline.definition()` gives and CreatePipeline takes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from seatrial.localcloud.api import validation_error
from seatrial.localcloud.durations import read_duration
from seatrial.localcloud.expressions import referenced_steps

STEP_TYPES = ("Processing", "Condition", "Fail")


@dataclass(frozen=True)
class Parameter:
    """A pipeline parameter; `default` is None if a start must give it."""

    name: str
    type: str
    default: str | int | float | bool | None
    allowed: tuple[Any, ...]


@dataclass(frozen=True)
class Branch:
    """The side of a condition step that a step is on."""

    condition: str
    outcome: bool


@dataclass(frozen=True)
class RetryPolicy:
    """When and how often a step is tried again; exactly one of the two bounds is given."""

    faults: frozenset[str]
    interval_s: float
    backoff_rate: float
    max_retries: int | None
    expire_after_s: float | None


@dataclass(frozen=True)
class Cache:
    """How old a result may be to be used again; None: of any age."""

    max_age: timedelta | None


@dataclass(frozen=True)
class PropertyFile:
    """A JSON file in an output of a Processing step."""

    output: str
    path: str


@dataclass(frozen=True)
class Step:
    """One step; `needs` are the steps that must have succeeded before it starts."""

    name: str
    type: str
    arguments: dict[str, Any]
    needs: frozenset[str]
    branch: Branch | None = None
    property_files: Mapping[str, PropertyFile] = field(default_factory=dict)
    cache: Cache | None = None
    retry_policies: tuple[RetryPolicy, ...] = ()
    display_name: str | None = None
    description: str | None = None


@dataclass(frozen=True)
class Definition:
    """A parsed definition; `steps` holds those of branches too, in the order of the text."""

    text: str
    parameters: Mapping[str, Parameter]
    steps: Mapping[str, Step]


def read_definition(text: str) -> Definition:
    """Parse the JSON; AwsError for what does not run here, KeyError for a missing field."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise validation_error(f"the pipeline definition is not JSON: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("Steps"), list):
        raise validation_error("the pipeline definition is not an object with a list of Steps")
    parameters = [_parameter(item) for item in document.get("Parameters") or []]
    steps = list(_steps(document["Steps"], branch=None))
    _refuse_twice("parameter", [parameter.name for parameter in parameters])
    _refuse_twice("step", [step.name for step in steps])
    return Definition(
        text,
        {parameter.name: parameter for parameter in parameters},
        {step.name: step for step in steps},
    )


def _parameter(item: dict[str, Any]) -> Parameter:
    return Parameter(
        name=item["Name"],
        type=item["Type"],
        default=item.get("DefaultValue"),
        allowed=tuple(item.get("EnumValues") or ()),
    )


def _steps(items: list[dict[str, Any]], *, branch: Branch | None) -> Iterator[Step]:
    for item in items:
        if item["Type"] not in STEP_TYPES:
            raise validation_error(
                f"step {item['Name']!r} is of type {item['Type']!r}; localcloud runs "
                f"{', '.join(STEP_TYPES)}. Do it in a Processing step"
            )
        if item["Type"] == "Condition" and branch is not None:
            raise validation_error(
                f"condition step {item['Name']!r} is inside of condition step "
                f"{branch.condition!r}; they cannot be nested"
            )
        yield _step(item, branch)
        if item["Type"] == "Condition":
            for key, outcome in (("IfSteps", True), ("ElseSteps", False)):
                inside = item["Arguments"].get(key) or []
                yield from _steps(inside, branch=Branch(item["Name"], outcome))


def _step(item: dict[str, Any], branch: Branch | None) -> Step:
    arguments = dict(item["Arguments"])
    for key in ("IfSteps", "ElseSteps"):
        arguments.pop(key, None)
    needs = {*_depends_on(item), *referenced_steps(arguments)}
    if branch is not None:
        needs.add(branch.condition)
    files = {
        file["PropertyFileName"]: PropertyFile(file["OutputName"], file["FilePath"])
        for file in item.get("PropertyFiles") or []
    }
    return Step(
        name=item["Name"],
        type=item["Type"],
        arguments=arguments,
        needs=frozenset(needs),
        branch=branch,
        property_files=files,
        cache=_cache(item.get("CacheConfig") or {}),
        retry_policies=tuple(_retry_policy(policy) for policy in item.get("RetryPolicies") or []),
        display_name=item.get("DisplayName"),
        description=item.get("Description"),
    )


def _depends_on(item: dict[str, Any]) -> list[str]:
    names = item.get("DependsOn") or []
    for name in names:
        if not isinstance(name, str):
            raise validation_error(
                f"step {item['Name']!r} depends on {name!r}; localcloud knows dependencies on the "
                "success of a step only, given by its name"
            )
    return list(names)


def _cache(config: dict[str, Any]) -> Cache | None:
    if not config.get("Enabled"):
        return None
    expire_after = config.get("ExpireAfter")
    return Cache(read_duration(expire_after) if expire_after else None)


def _retry_policy(item: dict[str, Any]) -> RetryPolicy:
    minutes = item.get("ExpireAfterMin")
    if (minutes is None) == (item.get("MaxAttempts") is None):
        raise validation_error(
            f"the retry policy {item!r} must have one of MaxAttempts and ExpireAfterMin"
        )
    return RetryPolicy(
        faults=frozenset(item["ExceptionType"]),
        interval_s=item.get("IntervalSeconds", 1),
        backoff_rate=item.get("BackoffRate", 2.0),
        max_retries=item.get("MaxAttempts"),
        expire_after_s=None if minutes is None else minutes * 60,
    )


def _refuse_twice(kind: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise validation_error(
                f"there are {names.count(name)} {kind}s named {name!r}; names must differ, and a "
                "step can be in one branch only"
            )
