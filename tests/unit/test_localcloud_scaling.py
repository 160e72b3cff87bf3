"""Application Auto Scaling of provisioned concurrency: bounds, schedules, refusals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from seatrial.localcloud.api import AwsError, NotOurs, Place
from seatrial.localcloud.hosting import Deployment
from seatrial.localcloud.scaling import Scaling
from seatrial.localcloud.scaling_rules import DIMENSION, METRIC

START = datetime(2026, 11, 30, 6, tzinfo=UTC).timestamp()  # a Monday
ABOUT = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "endpoint/e/variant/AllTraffic",
    "ScalableDimension": DIMENSION,
}


class Account:
    """One endpoint with provisioned concurrency, and a clock that the test sets."""

    def __init__(self, provisioned: int = 1) -> None:
        self.serving = Deployment(
            config_name="c",
            variant_name="AllTraffic",
            memory_mb=1024,
            max_concurrency=5,
            provisioned=provisioned,
            image_uri="i",
            archive_uri=None,
            environment={},
            role_arn="",
        )
        self.now, self.busy = START, False
        place = Place("us-east-1", "http://127.0.0.1:9", "")
        self.scaling = Scaling(
            place,
            lambda name: self.serving if name == "e" else None,
            self._resize,
            now=lambda: self.now,
        )
        self._handlers = self.scaling.handlers()

    def _resize(self, request: dict[str, Any]) -> dict[str, Any]:
        if self.busy:
            raise AwsError("ValidationException", "Cannot update in-progress endpoint")
        update = request["DesiredWeightsAndCapacities"][0]["ServerlessUpdateConfig"]
        assert update["MaxConcurrency"] == 5
        self.serving = replace(self.serving, provisioned=update["ProvisionedConcurrency"])
        return {}

    def __call__(self, name: str, **request: Any) -> dict[str, Any]:
        return self._handlers[f"AnyScaleFrontendService.{name}"]({**ABOUT, **request})

    def of_sagemaker(self, name: str) -> None:
        self._handlers[f"SageMaker.{name}"]({"EndpointName": "e"})

    def at(self, hour: int, minute: int = 0) -> int:
        """What is provisioned by then, on the Monday."""
        self.now = START + 3600 * (hour - 6) + 60 * minute
        self.scaling.tick()
        return self.serving.provisioned


def hours(name: str, hour: int, low: int, high: int) -> dict[str, Any]:
    return {
        "ScheduledActionName": name,
        "Schedule": f"cron(0 {hour} ? * MON-FRI *)",
        "ScalableTargetAction": {"MinCapacity": low, "MaxCapacity": high},
    }


def test_scheduled_actions_change_what_is_provisioned() -> None:
    account = Account()
    account("RegisterScalableTarget", MinCapacity=1, MaxCapacity=1)
    account("PutScheduledAction", **hours("day", 8, 3, 4))
    account("PutScheduledAction", **hours("night", 18, 1, 1))
    assert [account.at(7, 59), account.at(8), account.at(17, 59), account.at(18)] == [1, 3, 3, 1]
    assert account.at(24 + 8) == 3  # Tuesday
    (target,) = account("DescribeScalableTargets")["ScalableTargets"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (3, 4)


def test_a_change_that_is_under_way_is_waited_for() -> None:
    account = Account()
    account.busy = True
    account("RegisterScalableTarget", MinCapacity=2, MaxCapacity=2)
    assert account.at(7) == 1
    account.busy = False
    assert account.at(7, 1) == 2


def test_what_is_deregistered_takes_its_schedule_along() -> None:
    account = Account()
    account("RegisterScalableTarget", MinCapacity=1, MaxCapacity=1)
    account("PutScheduledAction", **hours("day", 8, 3, 4))
    account("DeregisterScalableTarget")
    assert account.at(9) == 1
    assert account("DescribeScheduledActions")["ScheduledActions"] == []
    for call, more in (
        ("DeregisterScalableTarget", {}),
        ("PutScheduledAction", hours("x", 8, 1, 1)),
    ):
        with pytest.raises(AwsError, match="RegisterScalableTarget"):
            account(call, **more)


def test_an_action_can_be_deleted() -> None:
    account = Account()
    account("RegisterScalableTarget", MinCapacity=1, MaxCapacity=1)
    account("PutScheduledAction", **hours("day", 8, 3, 4))
    account("DeleteScheduledAction", ScheduledActionName="day")
    assert account.at(9) == 1
    with pytest.raises(AwsError, match="no scheduled action"):
        account("DeleteScheduledAction", ScheduledActionName="day")


@pytest.mark.parametrize(
    ("low", "high", "allowed"),
    [
        pytest.param(1, 5, True, id="at the most"),
        pytest.param(1, 6, False, id="over MaxConcurrency"),
        pytest.param(3, 2, False, id="the wrong way round"),
        pytest.param(0, 2, False, id="none"),
    ],
)
def test_bounds_are_within_the_endpoints(low: int, high: int, allowed: bool) -> None:
    account = Account()

    def register() -> Any:
        return account("RegisterScalableTarget", MinCapacity=low, MaxCapacity=high)

    if allowed:
        assert register()["ScalableTargetARN"].startswith("arn:aws:application-autoscaling:")
    else:
        with pytest.raises(AwsError, match=f"MinCapacity is {low}, MaxCapacity {high}"):
            register()


def test_policies_of_target_tracking_are_kept_and_no_others() -> None:
    account = Account()
    account("RegisterScalableTarget", MinCapacity=1, MaxCapacity=2)
    tracking = {
        "TargetValue": 0.7,
        "PredefinedMetricSpecification": {"PredefinedMetricType": METRIC},
    }
    policy = {"PolicyName": "p", "TargetTrackingScalingPolicyConfiguration": tracking}
    account("PutScalingPolicy", PolicyType="TargetTrackingScaling", **policy)
    (kept,) = account("DescribeScalingPolicies")["ScalingPolicies"]
    assert kept["TargetTrackingScalingPolicyConfiguration"] == tracking
    with pytest.raises(AwsError, match="only PolicyType TargetTrackingScaling"):
        account("PutScalingPolicy", PolicyType="StepScaling", PolicyName="q")


@pytest.mark.parametrize(
    ("act", "says"),
    [
        pytest.param(
            lambda account: account("RegisterScalableTarget", ResourceId="table/t"),
            "endpoint/<name>/variant/<name>",
            id="resource",
        ),
        pytest.param(
            lambda account: account(
                "RegisterScalableTarget", ResourceId="endpoint/e/variant/Other"
            ),
            "no endpoint/e/variant/Other",
            id="variant",
        ),
        pytest.param(
            lambda account: account(
                "RegisterScalableTarget", ScalableDimension="sagemaker:variant:DesiredInstanceCount"
            ),
            "only sagemaker:variant:DesiredProvisionedConcurrency",
            id="dimension",
        ),
        pytest.param(
            lambda account: account("RegisterScalableTarget", ScalableDimension="x"),
            "enum value set",
            id="the API model",
        ),
    ],
)
def test_what_cannot_be_scaled_is_refused(act: Callable[[Account], Any], says: str) -> None:
    with pytest.raises(AwsError, match=says):
        act(Account())


def test_a_variant_without_provisioned_concurrency_is_refused() -> None:
    with pytest.raises(AwsError, match="has no ProvisionedConcurrency"):
        Account(provisioned=0)("RegisterScalableTarget", MinCapacity=1, MaxCapacity=1)


def test_an_endpoint_that_is_scaled_is_let_go_of_before_an_update() -> None:
    account = Account()
    with pytest.raises(NotOurs):
        account.of_sagemaker("UpdateEndpoint")
    account("RegisterScalableTarget", MinCapacity=1, MaxCapacity=1)
    with pytest.raises(AwsError, match="deregister it first"):
        account.of_sagemaker("UpdateEndpoint")
    with pytest.raises(NotOurs):
        account.of_sagemaker("DeleteEndpoint")
    assert account("DescribeScalableTargets")["ScalableTargets"] == []


def test_other_namespaces_are_somebody_elses() -> None:
    with pytest.raises(NotOurs):
        Account()("DescribeScalableTargets", ServiceNamespace="dynamodb")
