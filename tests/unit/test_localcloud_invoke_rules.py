"""Headers of InvokeEndpoint: their limits, and options that serverless endpoints do not have."""

from __future__ import annotations

import pytest

from seatrial.localcloud.api import AwsError
from seatrial.localcloud.invoke_rules import check_headers

ATTRIBUTES, INFERENCE_ID = "x-amzn-sagemaker-custom-attributes", "x-amzn-sagemaker-inference-id"


@pytest.mark.parametrize(
    ("header", "size", "constraint"),
    [
        pytest.param(ATTRIBUTES, 0, None, id="no-attributes"),
        pytest.param(ATTRIBUTES, 1024, None, id="attributes-exactly-at-limit"),
        pytest.param(ATTRIBUTES, 1025, "less than or equal to 1024", id="attributes-over"),
        pytest.param("accept", 1025, "less than or equal to 1024", id="accept-over"),
        pytest.param("content-type", 1025, "less than or equal to 1024", id="content-type-over"),
        pytest.param(INFERENCE_ID, 0, "greater than or equal to 1", id="no-id"),
        pytest.param(INFERENCE_ID, 64, None, id="id-exactly-at-limit"),
        pytest.param(INFERENCE_ID, 65, "less than or equal to 64", id="id-over"),
    ],
)
def test_length_of_a_header(header: str, size: int, constraint: str | None) -> None:
    if constraint is None:
        check_headers({header: "x" * size})
        return
    with pytest.raises(AwsError, match=f"Member must have length {constraint}") as caught:
        check_headers({header: "x" * size})
    assert caught.value.code == "ValidationError"


def test_headers_are_ascii() -> None:
    with pytest.raises(AwsError, match=r"'é' at 'customAttributes' .* regular expression"):
        check_headers({ATTRIBUTES: "é"})


@pytest.mark.parametrize(
    ("header", "member"),
    [
        ("target-model", "TargetModel"),
        ("target-container-hostname", "TargetContainerHostname"),
        ("inference-component", "InferenceComponentName"),
        ("session-id", "SessionId"),
        ("enable-explanations", "EnableExplanations"),
    ],
)
def test_what_serverless_does_not_have_is_refused(header: str, member: str) -> None:
    with pytest.raises(AwsError, match=f"localcloud: {member} 'x'; a serverless endpoint does not"):
        check_headers({f"x-amzn-sagemaker-{header}": "x"})


def test_other_headers_are_nobodys_business() -> None:
    check_headers({"x-amzn-sagemaker-target-variant": "v", "authorization": "é" * 2000})
