"""What AWS knows of an endpoint's last weeks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from seatrial.aws import explained
from seatrial.contracts.review import PackageScan, Usage
from seatrial.contracts.verdicts import WindowVerdict
from seatrial.endpoint import CHANGE_DEADLINE_S
from seatrial.errors import InputError
from seatrial.review.images import ImageFacts

INVOCATIONS, RESOURCES = "AWS/SageMaker", "/aws/sagemaker/Endpoints"
DAY_S = 86_400


@dataclass(frozen=True)
class Deployed:
    """The endpoint as it is configured, and when it and its model were made.

    `changed_at`: since when it is configured so; None if it always was.
    """

    variant_name: str
    memory_size_mb: int
    max_concurrency: int
    provisioned_concurrency: int | None
    model_created_at: datetime
    image: str
    created_at: datetime
    changed_at: datetime | None


def read_deployed(endpoint_name: str, sagemaker: Any) -> Deployed:
    """InputError for an endpoint that is not there, or has no serverless variant."""
    from seatrial.endpoint import get_endpoint

    state = get_endpoint(endpoint_name, sagemaker)
    with explained(f"the configuration of {endpoint_name}", do="Allow sagemaker:Describe*"):
        config = sagemaker.describe_endpoint_config(EndpointConfigName=state.endpoint_config_name)
        variant = config["ProductionVariants"][0]
        serverless = variant.get("ServerlessConfig")
        if serverless is None:
            raise InputError(
                f"{endpoint_name} is not serverless",
                got=variant.get("InstanceType"),
                allowed="an endpoint with a ServerlessConfig",
                do="Review it with the tools for instances",
            )
        model = sagemaker.describe_model(ModelName=variant["ModelName"])
        current = sagemaker.describe_endpoint(EndpointName=endpoint_name)
    # changed in place, the configuration still has the old figures
    now = current["ProductionVariants"][0].get("CurrentServerlessConfig", serverless)
    return Deployed(
        variant_name=variant["VariantName"],
        memory_size_mb=now["MemorySizeInMB"],
        max_concurrency=now["MaxConcurrency"],
        provisioned_concurrency=now.get("ProvisionedConcurrency"),
        model_created_at=model["CreationTime"],
        image=model["PrimaryContainer"]["Image"],
        created_at=current["CreationTime"],
        changed_at=_changed_at(current, config["CreationTime"], in_place=now != serverless),
    )


def _changed_at(
    current: Mapping[str, Any], configured_at: datetime, *, in_place: bool
) -> datetime | None:
    """When it was changed after it was made; making it takes a while, and counts as one with it."""
    made_at, modified_at = current["CreationTime"], current["LastModifiedTime"]
    later = modified_at - made_at > timedelta(seconds=CHANGE_DEADLINE_S)
    changed: datetime | None = modified_at if later or in_place or configured_at > made_at else None
    return changed


@dataclass(frozen=True)
class Metrics:
    """CloudWatch's daily figures of one variant, of a period that begins at a whole minute."""

    cloudwatch: Any
    endpoint_name: str
    variant_name: str
    start: datetime
    end: datetime

    def since(self, moment: datetime | None) -> Metrics:
        """The same from the first whole minute after that moment on, if it is in the period."""
        if moment is None or moment < self.start:
            return self
        minute = moment.replace(second=0, microsecond=0) + timedelta(minutes=1)
        return replace(self, start=min(minute, self.end - timedelta(minutes=1)))

    def total(self, name: str) -> float:
        """The sum over all days."""
        return float(sum(day["Sum"] for day in self._days(INVOCATIONS, name, "Sum")))

    def mean(self, name: str) -> float | None:
        """Over all data points; None without any."""
        days = self._days(INVOCATIONS, name, "Sum", "SampleCount")
        samples = sum(day["SampleCount"] for day in days)
        return sum(day["Sum"] for day in days) / samples if samples else None

    def count(self, name: str) -> int:
        """The number of data points."""
        return int(sum(day["SampleCount"] for day in self._days(INVOCATIONS, name, "SampleCount")))

    def largest(self, name: str, namespace: str = INVOCATIONS) -> float | None:
        """The largest data point; None without any."""
        return max((day["Maximum"] for day in self._days(namespace, name, "Maximum")), default=None)

    def worst_p95(self, name: str) -> float | None:
        """The 95th percentile of the day on which it was largest."""
        days = self._get(INVOCATIONS, name, ExtendedStatistics=["p95"])
        return max((day["ExtendedStatistics"]["p95"] for day in days), default=None)

    def _days(self, namespace: str, name: str, *statistics: str) -> list[dict[str, Any]]:
        return self._get(namespace, name, Statistics=list(statistics))

    def _get(self, namespace: str, name: str, **wanted: Any) -> list[dict[str, Any]]:
        with explained(
            f"{name} of {self.endpoint_name}", do="Allow cloudwatch:GetMetricStatistics"
        ):
            answer = self.cloudwatch.get_metric_statistics(
                Namespace=namespace,
                MetricName=name,
                Dimensions=[
                    {"Name": "EndpointName", "Value": self.endpoint_name},
                    {"Name": "VariantName", "Value": self.variant_name},
                ],
                StartTime=self.start,
                EndTime=self.end,
                Period=DAY_S,
                **wanted,
            )
        points: list[dict[str, Any]] = answer["Datapoints"]
        return points


def read_usage(
    metrics: Metrics,
    deployed: Deployed,
    history: Sequence[WindowVerdict],
    image: ImageFacts,
    packages: PackageScan,
) -> Usage:
    """The period's figures, in the units of the contract."""
    now = metrics.end
    latency_us, p95_us = metrics.mean("ModelLatency"), metrics.worst_p95("ModelLatency")
    setup_us, setup_max_us = metrics.mean("ModelSetupTime"), metrics.largest("ModelSetupTime")
    # shares of a tier and of a MaxConcurrency that are no more say nothing of those that are
    present = metrics.since(deployed.changed_at)
    windows = [item for item in history if item.ended_at > metrics.start]
    return Usage(
        requests=int(metrics.total("Invocations")),
        errors_4xx=int(metrics.total("Invocation4XXErrors")),
        errors_5xx=int(metrics.total("Invocation5XXErrors")),
        latency_mean_ms=None if latency_us is None else latency_us / 1000,
        latency_p95_ms=None if p95_us is None else p95_us / 1000,
        cold_starts=metrics.count("ModelSetupTime"),
        setup_mean_s=None if setup_us is None else setup_us / 1e6,
        setup_max_s=None if setup_max_us is None else setup_max_us / 1e6,
        memory_max_percent=present.largest("MemoryUtilization", RESOURCES),
        concurrency_max_ratio=present.largest("ServerlessConcurrentExecutionsUtilization"),
        model_age_days=(now - deployed.model_created_at).total_seconds() / DAY_S,
        image_age_days=None
        if image.pushed_at is None
        else (now - image.pushed_at).total_seconds() / DAY_S,
        vulnerabilities=image.vulnerabilities,
        packages=packages,
        windows=len(windows),
        alerting_windows=sum(bool(item.ailments) for item in windows),
        ailments=dict(Counter(name for item in windows for name in item.ailments)),
    )
