"""What AWS may only not see yet is tried again for a minute; all else is not."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from seatrial.contracts import Action
from seatrial.deployment.performing import perform
from seatrial.deployment.visibility import WAITS_S
from seatrial.errors import CloudError

MODEL = Action(service="sagemaker", method="create_model", parameters={"ModelName": "m"})
NOT_YET = "Could not assume role arn:aws:iam::1:role/r. Please ensure that the role exists"


class FakeSageMaker:
    """Refuses so many times, with those words."""

    def __init__(self, refusals: int, said: str) -> None:
        self.left, self.said, self.calls = refusals, said, 0

    def create_model(self, **_: Any) -> None:
        self.calls += 1
        if self.left:
            self.left -= 1
            raise self._error("CreateModel", self.said)

    def describe_model(self, **_: Any) -> None:
        raise self._error("DescribeModel", "Could not find model")

    def _error(self, operation: str, said: str) -> ClientError:
        answer: Any = {"Error": {"Code": "ValidationException", "Message": said}}
        return ClientError(answer, operation)


def slept(sagemaker: FakeSageMaker) -> list[float]:
    waits: list[float] = []
    perform(MODEL, {"sagemaker": sagemaker}, sleep=waits.append)
    return waits


@pytest.mark.parametrize("refusals", [0, 1, len(WAITS_S)])
def test_a_role_that_is_seen_later_is_waited_for(refusals: int) -> None:
    assert slept(FakeSageMaker(refusals, NOT_YET)) == list(WAITS_S[:refusals])


def test_one_that_is_never_seen_ends_with_what_aws_said_last() -> None:
    sagemaker, waits = FakeSageMaker(100, NOT_YET), []
    with pytest.raises(CloudError, match=r"7 times in 60 s.*Could not assume role.*trust policy"):
        perform(MODEL, {"sagemaker": sagemaker}, sleep=waits.append)
    assert (sagemaker.calls, waits) == (len(WAITS_S) + 1, list(WAITS_S))


def test_any_other_refusal_is_final() -> None:
    sagemaker = FakeSageMaker(100, "Value at 'modelName' failed to satisfy constraint")
    with pytest.raises(CloudError, match="constraint"):
        slept(sagemaker)
    assert sagemaker.calls == 1
