"""Alarms: which are made, when a bake ends, and the states that localcloud gives them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from seatrial.config import load_config
from seatrial.contracts import ServerlessConfiguration
from seatrial.deployment.alarms import bake, plan_alarms, plan_removal
from seatrial.deployment.operator import Operator, Pace
from seatrial.deployment.target import Target
from seatrial.errors import DeploymentError
from seatrial.localcloud.alarm_states import evaluate
from seatrial.localcloud.metric_samples import Sample

CONFIG = load_config(deployment={"bake_s": 60})
TARGET = Target(
    endpoint_name="flights",
    variant_name="AllTraffic",
    image="image",
    role="role",
    model_data_url="s3://b/models/abc/model.tar.gz",
    baseline_uri="s3://b/baselines/def",
    records_uri="s3://b/predictions/flights/AllTraffic",
    model_package_arn="arn:1",
    serverless=ServerlessConfiguration(
        memory_size_mb=1024, max_concurrency=5, provisioned_concurrency=None
    ),
    environment={},
)


@dataclass
class FakeCloudWatch:
    """Alarms as they were put; `raised` are in alarm since that second of 1970."""

    alarms: dict[str, dict[str, Any]] = field(default_factory=dict)
    raised: dict[str, float] = field(default_factory=dict)

    def put_metric_alarm(self, **parameters: Any) -> None:
        self.alarms[parameters["AlarmName"]] = parameters

    def describe_alarms(self, *, AlarmNames: list[str]) -> dict[str, Any]:  # noqa: N803 - boto3's
        shown = [
            {
                **alarm,
                "StateValue": "ALARM" if name in self.raised else "OK",
                "StateReason": "1 datapoint",
                "StateUpdatedTimestamp": datetime.fromtimestamp(self.raised.get(name, 0), UTC),
            }
            for name, alarm in self.alarms.items()
            if name in AlarmNames
        ]
        return {"MetricAlarms": shown}


def test_the_six_alarms_are_planned_once_and_again_for_another_threshold() -> None:
    cloudwatch = FakeCloudWatch()
    planned = plan_alarms(TARGET, CONFIG, cloudwatch)
    thresholds = {item.parameters["MetricName"]: item.parameters["Threshold"] for item in planned}
    assert thresholds == {
        "Invocation5XXErrors": 0.01,
        "Invocation4XXErrors": 0.05,
        "ModelSetupTime": 10_000_000,
        "ModelLatency": 500_000,
        "MemoryUtilization": 90,
        "ServerlessConcurrentExecutionsUtilization": 0.9,
    }
    for action in planned:
        cloudwatch.put_metric_alarm(**action.parameters)
    assert plan_alarms(TARGET, CONFIG, cloudwatch) == []
    stricter = load_config(deployment={"bake_s": 60}, objectives={"latency_p95_ms": 400})
    (again,) = plan_alarms(TARGET, stricter, cloudwatch)
    assert again.parameters["AlarmName"] == "seatrial-flights-ModelLatency"
    (removal,) = plan_removal("flights", cloudwatch)
    assert removal.parameters["AlarmNames"] == sorted(cloudwatch.alarms)


def test_without_a_bake_there_are_no_alarms() -> None:
    assert plan_alarms(TARGET, load_config(), FakeCloudWatch()) == []
    assert plan_removal("flights", FakeCloudWatch()) == []


@pytest.mark.parametrize(
    ("raised_at_s", "is_ours"),
    [
        pytest.param(999, False, id="before the deployment"),
        pytest.param(1000, True, id="exactly at its start"),
        pytest.param(1001, True, id="after it"),
    ],
)
def test_an_alarm_since_the_deployment_began_ends_it(raised_at_s: float, is_ours: bool) -> None:
    cloudwatch = FakeCloudWatch()
    for action in plan_alarms(TARGET, CONFIG, cloudwatch):
        cloudwatch.put_metric_alarm(**action.parameters)
    cloudwatch.raised = {"seatrial-flights-ModelLatency": raised_at_s}
    slept: list[float] = []
    pace = Pace(10, sleep=slept.append, clock=lambda: 1000 + sum(slept))
    lease: Any = SimpleNamespace(keep=lambda: None)
    operator = Operator("flights", {"cloudwatch": cloudwatch}, lease, pace)
    if is_ours:
        with pytest.raises(DeploymentError, match="seatrial-flights-ModelLatency: 1 datapoint"):
            bake(operator, 60, since_s=1000)
    else:
        bake(operator, 60, since_s=1000)
        assert sum(slept) == 60


def alarm(**changes: Any) -> Any:
    values = {
        "name": "a",
        "namespace": "AWS/SageMaker",
        "metric_name": "ModelLatency",
        "dimensions": [],
        "period": 60,
        "evaluation_periods": 1,
        "datapoints_to_alarm": None,
        "statistic": "Maximum",
        "extended_statistic": None,
        "threshold": 5.0,
        "comparison_operator": "GreaterThanThreshold",
        "treat_missing_data": "notBreaching",
        "state_value": "OK",
    }
    made = SimpleNamespace(**(values | changes))
    made.update_state = lambda *said: setattr(made, "state_value", said[-1])
    return made


@pytest.mark.parametrize(
    ("value", "changes", "state"),
    [
        pytest.param(4.9, {}, "OK", id="under"),
        pytest.param(5.0, {}, "OK", id="exactly at"),
        pytest.param(5.1, {}, "ALARM", id="over"),
        pytest.param(
            5.0, {"comparison_operator": "GreaterThanOrEqualToThreshold"}, "ALARM", id="or equal"
        ),
        pytest.param(None, {"state_value": "ALARM"}, "OK", id="no data is no breach"),
        pytest.param(None, {"treat_missing_data": "missing"}, "INSUFFICIENT_DATA", id="missing"),
        pytest.param(
            None, {"treat_missing_data": "ignore", "state_value": "ALARM"}, "ALARM", id="ignored"
        ),
        pytest.param(9.0, {"evaluation_periods": 2}, "OK", id="one of two datapoints"),
        pytest.param(9.0, {"metric_name": None}, "OK", id="metric math is left alone"),
    ],
)
def test_localcloud_gives_an_alarm_the_state_of_its_metric(
    value: float | None, changes: dict[str, Any], state: str
) -> None:
    one = alarm(**changes)
    samples = [] if value is None else [Sample(1200, "None", 1, value, value, value)]
    evaluate(SimpleNamespace(alarms={"a": one}), lambda *_: samples, now=1230)
    assert one.state_value == state


def test_an_alarm_forgets_what_is_older_than_its_periods() -> None:
    one = alarm(state_value="ALARM")
    old = Sample(1000, "None", 1, 9.0, 9.0, 9.0)
    evaluate(SimpleNamespace(alarms={"a": one}), lambda *_: [old], now=1230)
    assert one.state_value == "OK"
