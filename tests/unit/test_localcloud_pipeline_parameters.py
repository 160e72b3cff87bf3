"""The parameters that an execution is started with, and durations in a cache's configuration."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from seatrial.localcloud.api import AwsError
from seatrial.localcloud.durations import read_duration
from seatrial.localcloud.pipeline_definition import Parameter
from seatrial.localcloud.pipeline_parameters import parameter_values


def values(parameter: Parameter, **given: str) -> dict[str, Any]:
    items = [{"Name": name, "Value": value} for name, value in given.items()]
    return parameter_values({parameter.name: parameter}, items)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("String", "7", "7"),
        ("Integer", "7", 7),
        ("Float", "7", 7.0),
        ("Boolean", "True", True),
        ("Boolean", "false", False),
    ],
)
def test_values_get_their_type(kind: str, text: str, value: object) -> None:
    found = values(Parameter("X", kind, None, ()), X=text)["X"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(("kind", "text"), [("Integer", "7.5"), ("Float", "x"), ("Boolean", "1")])
def test_what_is_not_of_the_type_is_refused(kind: str, text: str) -> None:
    with pytest.raises(AwsError, match=f"'X' is '{text}', which is no {kind}"):
        values(Parameter("X", kind, None, ()), X=text)


def test_a_default_stands_in() -> None:
    assert values(Parameter("X", "Integer", 0, ())) == {"X": 0}


def test_no_default_and_no_value_is_refused() -> None:
    with pytest.raises(AwsError, match="'X' has no default and was not given"):
        values(Parameter("X", "String", None, ()))


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(AwsError, match="no parameter 'Y'; it has X"):
        values(Parameter("X", "String", "", ()), Y="1")


@pytest.mark.parametrize(("text", "allowed"), [("a", True), ("c", False)])
def test_enum_values(text: str, allowed: bool) -> None:
    parameter = Parameter("X", "String", None, ("a", "b"))
    if allowed:
        assert values(parameter, X=text) == {"X": text}
    else:
        with pytest.raises(AwsError, match="'X' is 'c'; allowed are a, b"):
            values(parameter, X=text)


def test_a_value_of_exactly_1024_characters_passes_and_one_more_does_not() -> None:
    parameter = Parameter("X", "String", None, ())
    assert values(parameter, X="v" * 1024) == {"X": "v" * 1024}
    with pytest.raises(AwsError, match="1025 characters; 1024 are allowed"):
        values(parameter, X="v" * 1025)


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("P30D", timedelta(days=30)),
        ("p30d", timedelta(days=30)),
        ("P4DT12H", timedelta(days=4, hours=12)),
        ("T12H", timedelta(hours=12)),
        ("PT5M30S", timedelta(minutes=5, seconds=30)),
        ("P1Y2M1W", timedelta(days=365 + 60 + 7)),
    ],
)
def test_durations(text: str, duration: timedelta) -> None:
    assert read_duration(text) == duration


@pytest.mark.parametrize("text", ["", "P", "PT", "P0D", "30 days", "P1.5D", "PT1H2"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(AwsError, match="is not an ISO 8601 duration"):
        read_duration(text)
