"""Which faults a step's retry policies cover, and how long to wait before the next attempt.

https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-retry-policy.html. A program that ends
with an error is no fault of these kinds: it would fail again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seatrial.localcloud.api import AwsError
from seatrial.localcloud.pipeline_definition import RetryPolicy

SERVICE_FAULT = "Step.SERVICE_FAULT"
THROTTLING = "Step.THROTTLING"
JOB_INTERNAL_ERROR = "SageMaker.JOB_INTERNAL_ERROR"
CAPACITY_ERROR = "SageMaker.CAPACITY_ERROR"
RESOURCE_LIMIT = "SageMaker.RESOURCE_LIMIT"

_THROTTLING_CODES = ("ThrottlingException", "Throttling", "TooManyRequestsException")
_SERVER_ERRORS_FROM = 500
_FAULT_OF_REASON = {
    "InternalServerError": JOB_INTERNAL_ERROR,
    "CapacityError": CAPACITY_ERROR,
}


def fault_of_error(error: AwsError) -> str | None:
    """The fault that a refused CreateProcessingJob is, None if trying again is no use."""
    if error.code in _THROTTLING_CODES:
        return THROTTLING
    if error.code == "ResourceLimitExceeded":
        return RESOURCE_LIMIT
    return SERVICE_FAULT if error.status >= _SERVER_ERRORS_FROM else None


def fault_of_job(job: dict[str, Any]) -> str | None:
    """The fault that a failed job is, by the first word of its FailureReason."""
    return _FAULT_OF_REASON.get(job.get("FailureReason", "").split(":")[0])


def delay_before_retry(
    policies: Sequence[RetryPolicy], fault: str | None, *, retries: int, elapsed_s: float
) -> float | None:
    """Seconds to wait before attempt `retries` + 2; None if no policy covers it, or no longer.

    `retries` counts those made for this fault, `elapsed_s` the time since the step began.
    """
    for policy in policies:
        if fault not in policy.faults:
            continue
        delay = policy.interval_s * policy.backoff_rate**retries
        if policy.max_retries is not None and retries >= policy.max_retries:
            return None
        if policy.expire_after_s is not None and elapsed_s + delay > policy.expire_after_s:
            return None
        return delay
    return None
