"""What InvokeEndpoint refuses of a request to a serverless endpoint before a model sees it.

The limits are those of SageMaker Runtime's API model, which boto3 does not check.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from seatrial.localcloud.api import AwsError
from seatrial.localcloud.api_model import constraint_text, constraints_error


@dataclass(frozen=True)
class _Limits:
    """Of a header's value, under the name that the API has for it."""

    member: str
    least: int
    most: int
    pattern: str = r"\p{ASCII}*"


_LIMITS = {
    "content-type": _Limits("contentType", 0, 1024),
    "accept": _Limits("accept", 0, 1024),
    "x-amzn-sagemaker-custom-attributes": _Limits("customAttributes", 0, 1024),
    "x-amzn-sagemaker-inference-id": _Limits("inferenceId", 1, 64, r"\A\S[\p{Print}]*\z"),
}
_NOT_SERVERLESS = {
    "x-amzn-sagemaker-target-model": ("TargetModel", "several models"),
    "x-amzn-sagemaker-target-container-hostname": ("TargetContainerHostname", "several containers"),
    "x-amzn-sagemaker-inference-component": ("InferenceComponentName", "inference components"),
    "x-amzn-sagemaker-session-id": ("SessionId", "sessions"),
    "x-amzn-sagemaker-enable-explanations": ("EnableExplanations", "explanations"),
}


def check_headers(headers: Mapping[str, str]) -> None:
    """AwsError for a value that the API does not allow, or an option that serverless has not."""
    broken = [text for name in _LIMITS if name in headers for text in _broken(name, headers[name])]
    if broken:
        raise constraints_error(broken, "ValidationError")
    for name, (member, feature) in _NOT_SERVERLESS.items():
        if name in headers:
            raise AwsError(
                "ValidationError",
                f"localcloud: {member} {headers[name]!r}; a serverless endpoint does not have "
                f"{feature}. Leave it out",
            )


def _broken(name: str, value: str) -> Iterator[str]:
    limits = _LIMITS[name]
    if len(value) < limits.least:
        constraint = f"Member must have length greater than or equal to {limits.least}"
        yield constraint_text(value, limits.member, constraint)
    if len(value) > limits.most:
        constraint = f"Member must have length less than or equal to {limits.most}"
        yield constraint_text(value, limits.member, constraint)
    # A header's value has no space around it, and so begins with none.
    if not value.isascii():
        constraint = f"Member must satisfy regular expression pattern: {limits.pattern}"
        yield constraint_text(value, limits.member, constraint)
