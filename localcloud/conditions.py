"""The conditions of a Condition step, as SageMaker SDK v3 writes them."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from seatrial.localcloud.api import validation_error
from seatrial.localcloud.expressions import Unresolved

_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "GreaterThan": operator.gt,
    "GreaterThanOrEqualTo": operator.ge,
    "LessThan": operator.lt,
    "LessThanOrEqualTo": operator.le,
}
_FIELDS: dict[str, tuple[str, ...]] = {
    "Equals": ("LeftValue", "RightValue"),
    **dict.fromkeys(_ORDER, ("LeftValue", "RightValue")),
    "In": ("QueryValue", "Values"),
    "Not": ("Condition",),
    "Or": ("Conditions",),
}


def check_conditions(step: str, conditions: list[dict[str, Any]]) -> None:
    """AwsError unless every condition is of a known type and has its fields."""
    for condition in conditions:
        kind = condition.get("Type")
        if kind not in _FIELDS:
            raise validation_error(
                f"condition step {step!r} has a condition of type {kind!r}; allowed are "
                f"{', '.join(_FIELDS)}"
            )
        for field in _FIELDS[kind]:
            if field not in condition:
                raise validation_error(
                    f"condition step {step!r} has a condition {kind} without {field}"
                )
        if kind == "Not":
            check_conditions(step, [condition["Condition"]])
        if kind == "Or":
            check_conditions(step, condition["Conditions"])


def all_hold(conditions: list[dict[str, Any]]) -> bool:
    """True if every condition holds; their expressions have been resolved.

    >>> all_hold([{"Type": "Not", "Condition": {"Type": "In", "QueryValue": 1, "Values": [2, 3]}}])
    True
    """
    return all(_holds(condition) for condition in conditions)


def _holds(condition: dict[str, Any]) -> bool:
    kind = condition["Type"]
    if kind == "Not":
        return not _holds(condition["Condition"])
    if kind == "Or":
        return any(_holds(each) for each in condition["Conditions"])
    if kind == "In":
        return any(_same(condition["QueryValue"], each) for each in condition["Values"])
    left, right = condition["LeftValue"], condition["RightValue"]
    if kind == "Equals":
        return _same(left, right)
    if not (_is_number(left) and _is_number(right)):
        raise Unresolved(f"{kind} compares {left!r} with {right!r}; both must be numbers")
    return _ORDER[kind](left, right)


def _same(left: Any, right: Any) -> bool:
    """Equality in which true is not 1, though Python says so."""
    if _is_number(left) and _is_number(right):
        return bool(left == right)
    return type(left) is type(right) and bool(left == right)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
