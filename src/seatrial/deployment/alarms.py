"""CloudWatch alarms of an endpoint: what a deployment is watched through for a while.

They are seatrial's own and tell nobody. Names derive from the endpoint, and they go when it goes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from seatrial.aws import explained
from seatrial.config import Config
from seatrial.contracts import Action
from seatrial.deployment.operator import Operator
from seatrial.deployment.target import ENDPOINT_TAG, PROJECT_TAG, Target
from seatrial.errors import DeploymentError

_INVOCATIONS, _RESOURCES = "AWS/SageMaker", "/aws/sagemaker/Endpoints"


@dataclass(frozen=True)
class _Alarm:
    """In breach when the statistic of a minute is over the threshold, in the metric's own unit."""

    metric: str
    namespace: str
    statistic: str
    threshold: Callable[[Config], float]


# An answer counts 0 or 1 in the error metrics: their average is a rate. Times are microseconds.
_ALARMS = (
    _Alarm("Invocation5XXErrors", _INVOCATIONS, "Average", lambda _: 0.01),
    # Callers make mistakes of their own; one in twenty is taken for the model's.
    _Alarm("Invocation4XXErrors", _INVOCATIONS, "Average", lambda _: 0.05),
    _Alarm(
        "ModelSetupTime",
        _INVOCATIONS,
        "Maximum",
        lambda config: config.objectives.cold_start_s * 1e6,
    ),
    _Alarm(
        "ModelLatency", _INVOCATIONS, "p95", lambda config: config.objectives.latency_p95_ms * 1e3
    ),
    # Half of the headroom is used up.
    _Alarm(
        "MemoryUtilization",
        _RESOURCES,
        "Maximum",
        lambda config: 100 * (1 - config.objectives.memory_headroom_ratio / 2),
    ),
    # At 1 the next request is throttled.
    _Alarm("ServerlessConcurrentExecutionsUtilization", _INVOCATIONS, "Average", lambda _: 0.9),
)


def plan_alarms(target: Target, config: Config, cloudwatch: Any) -> list[Action]:
    """The alarms that are missing or have another threshold; none without a bake time."""
    if not config.deployment.bake_s:
        return []
    there = {
        item["AlarmName"]: item["Threshold"] for item in _find(target.endpoint_name, cloudwatch)
    }
    wanted = [_parameters(alarm, target, config) for alarm in _ALARMS]
    return [
        Action(service="cloudwatch", method="put_metric_alarm", parameters=parameters)
        for parameters in wanted
        if there.get(parameters["AlarmName"]) != parameters["Threshold"]
    ]


def plan_removal(endpoint_name: str, cloudwatch: Any) -> list[Action]:
    """The deletion of all of them that are there."""
    names = sorted(item["AlarmName"] for item in _find(endpoint_name, cloudwatch))
    if not names:
        return []
    return [Action(service="cloudwatch", method="delete_alarms", parameters={"AlarmNames": names})]


def bake(operator: Operator, bake_s: float, *, since_s: float) -> None:
    """Watch the alarms for that long; DeploymentError if one goes off.

    One that has been in alarm since before `since_s` (seconds since 1970) is not this deployment's.
    """
    until_s = operator.pace.clock() + bake_s
    while bake_s:
        raised = [
            f"{item['AlarmName']}: {item['StateReason']}"
            for item in _find(operator.endpoint_name, operator.clients["cloudwatch"])
            if item["StateValue"] == "ALARM"
            and item["StateUpdatedTimestamp"].timestamp() >= since_s
        ]
        if raised:
            raise DeploymentError(
                f"{operator.endpoint_name} raised an alarm while it was watched",
                got="; ".join(raised),
                allowed=f"no alarm for {bake_s:g} s (deployment.bake_s)",
                do=f"Look at its metrics, and into the log group of {operator.endpoint_name}",
            )
        if operator.pace.clock() >= until_s:
            return
        operator.pause(operator.pace.poll_s)


def alarm_name(endpoint_name: str, metric: str) -> str:
    """The name of the endpoint's alarm on that metric."""
    return f"seatrial-{endpoint_name}-{metric}"


def _find(endpoint_name: str, cloudwatch: Any) -> list[dict[str, Any]]:
    names = [alarm_name(endpoint_name, alarm.metric) for alarm in _ALARMS]
    with explained("the endpoint's alarms", do="Allow cloudwatch:DescribeAlarms"):
        found: list[dict[str, Any]] = cloudwatch.describe_alarms(AlarmNames=names)["MetricAlarms"]
    return found


def _parameters(alarm: _Alarm, target: Target, config: Config) -> dict[str, Any]:
    kind = "ExtendedStatistic" if alarm.statistic.startswith("p") else "Statistic"
    tags = {ENDPOINT_TAG: target.endpoint_name, PROJECT_TAG: config.project}
    return {
        "AlarmName": alarm_name(target.endpoint_name, alarm.metric),
        "AlarmDescription": "Watched by seatrial after a deployment",
        "Namespace": alarm.namespace,
        "MetricName": alarm.metric,
        "Dimensions": [
            {"Name": "EndpointName", "Value": target.endpoint_name},
            {"Name": "VariantName", "Value": target.variant_name},
        ],
        kind: alarm.statistic,
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": alarm.threshold(config),
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
        "Tags": [{"Key": key, "Value": value} for key, value in sorted(tags.items())],
    }
