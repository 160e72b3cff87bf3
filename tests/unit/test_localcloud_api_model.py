"""Requests are held to the API model, in the service's generic texts."""

from __future__ import annotations

from typing import Any

import pytest

from seatrial.localcloud.api import AwsError
from seatrial.localcloud.api_model import check_request, checked

ROLE = "arn:aws:iam::123456789012:role/test"


def refusal(operation: str, **request: Any) -> AwsError:
    with pytest.raises(AwsError) as caught:
        check_request(operation, request)
    return caught.value


def container(**environment: str) -> dict[str, Any]:
    return {"Image": "image", "Environment": environment}


def test_what_the_model_allows_passes_with_members_that_it_does_not_know() -> None:
    check_request(
        "CreateModel",
        {
            "ModelName": "a-b",
            "ExecutionRoleArn": ROLE,
            "PrimaryContainer": container(A_1="x"),
            "Tags": [{"Key": "k", "Value": "v"}],
            "EnableNetworkIsolation": True,
            "Newer": {"than": "this"},
        },
    )
    check_request("ListEndpoints", {"CreationTimeAfter": 1.5, "MaxResults": 1})


def test_what_is_missing_is_null() -> None:
    assert refusal("CreateEndpoint", EndpointName="e").message == (
        "1 validation error detected: Value null at 'endpointConfigName' failed to satisfy "
        "constraint: Member must not be null"
    )


def test_all_that_is_wrong_is_told_at_once() -> None:
    error = refusal("ListEndpoints", SortBy="Age", StatusEquals="Gone")
    assert error.code == "ValidationException"
    assert error.message.startswith("2 validation errors detected: Value 'Age' at 'sortBy' failed")
    assert "Member must satisfy enum value set: [Name, CreationTime, Status]; " in error.message


@pytest.mark.parametrize(
    ("length", "allowed"),
    [
        pytest.param(62, True, id="under"),
        pytest.param(63, True, id="exactly-at-limit"),
        pytest.param(64, False, id="over"),
    ],
)
def test_length_of_a_name(length: int, allowed: bool) -> None:
    if allowed:
        check_request("DescribeModel", {"ModelName": "a" * length})
    else:
        message = refusal("DescribeModel", ModelName="a" * length).message
        assert message.endswith("Member must have length less than or equal to 63")


@pytest.mark.parametrize(
    ("number", "constraint"),
    [
        pytest.param(0, "Member must have value greater than or equal to 1", id="under-the-least"),
        pytest.param(1, None, id="least"),
        pytest.param(100, None, id="most"),
        pytest.param(101, "Member must have value less than or equal to 100", id="over-the-most"),
    ],
)
def test_range_of_a_number(number: int, constraint: str | None) -> None:
    if constraint is None:
        check_request("ListModels", {"MaxResults": number})
    else:
        message = refusal("ListModels", MaxResults=number).message
        expected = f"Value '{number}' at 'maxResults' failed to satisfy constraint: {constraint}"
        assert message.endswith(expected)


def test_path_leads_to_the_value() -> None:
    variant = {
        "VariantName": "a_b",
        "ModelName": "m",
        "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 201},
    }
    message = refusal(
        "CreateEndpointConfig", EndpointConfigName="c", ProductionVariants=[variant]
    ).message
    where = "productionVariants.1.member"
    assert f"Value 'a_b' at '{where}.variantName' failed" in message
    assert f"Value '201' at '{where}.serverlessConfig.maxConcurrency' failed" in message


@pytest.mark.parametrize(
    ("environment", "constraint"),
    [
        pytest.param(
            {"1": "x"}, "Map keys must satisfy constraint: [Member must satisfy reg", id="key"
        ),
        pytest.param(
            {"A": "x" * 1025}, "Map value must satisfy constraint: [Member must have", id="value"
        ),
        pytest.param(
            {f"A{number}": "" for number in range(101)},
            "Member must have length less than or equal to 100",
            id="number",
        ),
    ],
)
def test_environment_of_a_container(environment: dict[str, str], constraint: str) -> None:
    wanted = container(**environment)
    message = refusal("CreateModel", ModelName="m", PrimaryContainer=wanted).message
    assert "at 'primaryContainer.environment' failed to satisfy constraint: " in message
    assert constraint in message


@pytest.mark.parametrize("value", ["5", True, 5.5, [5], None])
def test_types_are_held_to_before_the_rest(value: Any) -> None:
    if value is None:
        check_request("ListModels", {"MaxResults": value})  # as if it were not there
        return
    error = refusal("ListModels", MaxResults=value)
    assert error.code == "SerializationException"
    assert error.message == f"localcloud: maxResults is {value!r}; its type must be integer"


def test_a_handler_sees_only_what_is_allowed() -> None:
    seen: list[dict[str, Any]] = []
    handlers = checked({"SageMaker.DescribeModel": lambda request: seen.append(request) or {}})
    handlers["SageMaker.DescribeModel"]({"ModelName": "m"})
    with pytest.raises(AwsError):
        handlers["SageMaker.DescribeModel"]({"ModelName": "m_"})
    assert seen == [{"ModelName": "m"}]
