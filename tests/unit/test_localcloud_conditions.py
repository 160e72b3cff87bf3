"""Conditions as the SageMaker SDK writes them."""

from __future__ import annotations

from typing import Any

import pytest

from seatrial.localcloud.api import AwsError
from seatrial.localcloud.conditions import all_hold, check_conditions
from seatrial.localcloud.expressions import Unresolved


def compare(kind: str, left: Any, right: Any) -> dict[str, Any]:
    return {"Type": kind, "LeftValue": left, "RightValue": right}


@pytest.mark.parametrize(
    ("kind", "below", "same", "above"),
    [
        ("Equals", False, True, False),
        ("GreaterThan", False, False, True),
        ("GreaterThanOrEqualTo", False, True, True),
        ("LessThan", True, False, False),
        ("LessThanOrEqualTo", True, True, False),
    ],
)
def test_comparisons(kind: str, below: bool, same: bool, above: bool) -> None:
    assert [all_hold([compare(kind, left, 5)]) for left in (4.5, 5.0, 5.5)] == [below, same, above]


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        pytest.param(True, True, True, id="true"),
        pytest.param(True, 1, False, id="true is not 1"),
        pytest.param("true", True, False, id="text is not true"),
        pytest.param("1", 1, False, id="text is not a number"),
        pytest.param(1, 1.0, True, id="an integer is its float"),
        pytest.param("a", "a", True, id="text"),
    ],
)
def test_equality_keeps_types_apart(left: Any, right: Any, equal: bool) -> None:
    assert all_hold([compare("Equals", left, right)]) is equal


@pytest.mark.parametrize(("value", "found"), [("a", True), ("c", False)])
def test_in_and_not(value: str, found: bool) -> None:
    condition = {"Type": "In", "QueryValue": value, "Values": ["a", "b"]}
    assert all_hold([condition]) is found
    assert all_hold([{"Type": "Not", "Condition": condition}]) is not found


def test_a_list_is_anded_and_or_is_not() -> None:
    yes, no = compare("Equals", 1, 1), compare("Equals", 1, 2)
    assert all_hold([])
    assert not all_hold([yes, no])
    assert all_hold([{"Type": "Or", "Conditions": [no, yes]}])
    assert not all_hold([{"Type": "Or", "Conditions": [no, no]}])


def test_text_has_no_order() -> None:
    with pytest.raises(Unresolved, match="'high' with 3; both must be numbers"):
        all_hold([compare("GreaterThan", "high", 3)])


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        pytest.param({"Type": "NotEquals"}, "type 'NotEquals'; allowed are Equals", id="unknown"),
        pytest.param({"Type": "In", "QueryValue": 1}, "In without Values", id="field missing"),
        pytest.param(
            {"Type": "Not", "Condition": {"Type": "Maybe"}}, "type 'Maybe'", id="inside of Not"
        ),
        pytest.param(
            {"Type": "Or", "Conditions": [{"Type": "Maybe"}]}, "type 'Maybe'", id="inside of Or"
        ),
    ],
)
def test_unknown_conditions_are_refused(condition: dict[str, Any], message: str) -> None:
    with pytest.raises(AwsError, match=message):
        check_conditions("IsReady", [condition])
