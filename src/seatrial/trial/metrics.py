"""What CloudWatch says of an endpoint; its data points come minutes after the requests."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from seatrial.aws import explained
from seatrial.contracts.trial import ServiceMetric
from seatrial.errors import CloudError

INVOCATIONS, RESOURCES = "AWS/SageMaker", "/aws/sagemaker/Endpoints"
# Names and units: SageMaker developer guide, "Monitoring a serverless endpoint".
METRICS: Mapping[str, tuple[str, str]] = {
    "ModelSetupTime": (INVOCATIONS, "Microseconds"),
    "ModelLatency": (INVOCATIONS, "Microseconds"),
    "OverheadLatency": (INVOCATIONS, "Microseconds"),
    "MemoryUtilization": (RESOURCES, "Percent"),
    "ServerlessConcurrentExecutionsUtilization": (INVOCATIONS, "None"),
}
# Every answered request has one data point of it.
COUNTED = "ModelLatency"
PERIOD_S = 60


@dataclass(frozen=True)
class Observed:
    """The metrics, and whether all answered requests were in them when time was over."""

    metrics: tuple[ServiceMetric, ...]
    complete: bool


def observe(
    endpoint_name: str,
    variant_name: str,
    cloudwatch: Any,
    *,
    since: datetime,
    answered: int,
    deadline_s: float,
    now: Callable[[], datetime],
    sleep: Callable[[float], None] = time.sleep,
) -> Observed:
    """Read the metrics until they hold `answered` requests, or for `deadline_s` at most."""
    until = now() + timedelta(seconds=deadline_s)
    dimensions = [
        {"Name": "EndpointName", "Value": endpoint_name},
        {"Name": "VariantName", "Value": variant_name},
    ]
    while True:
        with explained(
            f"the metrics of {endpoint_name}", do="Allow cloudwatch:GetMetricStatistics"
        ):
            found = [
                merge(name, unit, _points(cloudwatch, namespace, name, dimensions, since, now()))
                for name, (namespace, unit) in METRICS.items()
            ]
        metrics = tuple(item for item in found if item is not None)
        counted = next((item.samples for item in metrics if item.name == COUNTED), 0)
        if counted >= answered or now() >= until:
            return Observed(metrics, counted >= answered)
        sleep(min(10.0, max(0.5, deadline_s / 20)))


def setups(observed: Observed) -> int:
    """How many sandboxes were started; CloudError if CloudWatch has not seen all requests yet."""
    if not observed.complete:
        raise CloudError(
            "CloudWatch does not show every request, so nobody knows which found a sandbox",
            got="fewer data points than requests",
            allowed="all of them before trial.metrics_deadline_s is over",
            do="Raise trial.metrics_deadline_s, and try again",
        )
    return next((item.samples for item in observed.metrics if item.name == "ModelSetupTime"), 0)


def _points(
    cloudwatch: Any,
    namespace: str,
    name: str,
    dimensions: Sequence[Mapping[str, str]],
    since: datetime,
    until: datetime,
) -> list[dict[str, Any]]:
    answer = cloudwatch.get_metric_statistics(
        Namespace=namespace,
        MetricName=name,
        Dimensions=dimensions,
        StartTime=since.replace(second=0, microsecond=0),
        EndTime=until + timedelta(seconds=PERIOD_S),
        Period=PERIOD_S,
        Statistics=["SampleCount", "Sum", "Maximum"],
    )
    points: list[dict[str, Any]] = answer["Datapoints"]
    return points


def merge(name: str, unit: str, points: Sequence[Mapping[str, Any]]) -> ServiceMetric | None:
    """One figure of many periods; None without data. Percentiles could not be merged."""
    samples = sum(point["SampleCount"] for point in points)
    if not samples:
        return None
    return ServiceMetric(
        name=name,
        unit=unit,
        samples=int(samples),
        average=sum(point["Sum"] for point in points) / samples,
        maximum=max(point["Maximum"] for point in points),
    )
