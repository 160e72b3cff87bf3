"""CloudWatch metrics of serverless endpoints: AWS's names, namespaces, dimensions and units.

Kept as distributions per minute, which is how SageMaker publishes them, and put in bulk: a request
costs next to nothing here, and memory grows with minutes, not with requests.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from seatrial.localcloud.percentiles import cell_value

INVOCATION_NAMESPACE = "AWS/SageMaker"
RESOURCE_NAMESPACE = "/aws/sagemaker/Endpoints"
_US_PER_S = 1_000_000
_MINUTE_S = 60


@dataclass(frozen=True)
class Invocation:
    """One request that reached a sandbox; `status` is the model's, 500 if it gave none."""

    endpoint_name: str
    variant_name: str
    status: int
    model_s: float
    overhead_s: float
    setup_s: float | None
    in_flight_ratio: float
    memory_ratio: float
    provisioned: ProvisionedUse | None = None  # of an endpoint that has provisioned concurrency
    sent: bool = True  # False: no sandbox was to be had
    memory_mb: int = 0
    bytes_in: int = 0
    bytes_out: int = 0


@dataclass(frozen=True)
class ProvisionedUse:
    """What of the provisioned concurrency was in use; `spilled`: it was not enough."""

    executions: int
    concurrency: int
    spilled: bool


@dataclass
class _Statistics:
    count: int = 0
    total: float = 0.0
    lowest: float = float("inf")
    highest: float = float("-inf")
    cells: dict[float, int] = field(default_factory=dict)

    def add(self, value: float) -> None:
        self.count += 1
        self.total += value
        self.lowest, self.highest = min(self.lowest, value), max(self.highest, value)
        cell = cell_value(value)
        self.cells[cell] = self.cells.get(cell, 0) + 1

    def as_datum(self) -> dict[str, Any]:
        statistics = {
            "SampleCount": self.count,
            "Sum": self.total,
            "Minimum": self.lowest,
            "Maximum": self.highest,
        }
        return {
            "StatisticValues": statistics,
            "Values": list(self.cells),
            "Counts": list(self.cells.values()),
        }


@dataclass(frozen=True)
class _Series:
    namespace: str
    name: str
    unit: str
    endpoint_name: str
    variant_name: str
    minute: int  # its first second since 1970


PutMetrics = Callable[[str, list[dict[str, Any]]], None]


class Metrics:
    """Collects; `flush` puts what has been collected. `now` is seconds since 1970."""

    def __init__(self, put: PutMetrics, now: Callable[[], float]) -> None:
        self._put, self._now = put, now
        self._lock = threading.Lock()
        self._collected: dict[_Series, _Statistics] = {}

    def record(self, invocation: Invocation) -> None:
        """Take one request into account."""
        minute = int(self._now() // _MINUTE_S) * _MINUTE_S
        with self._lock:
            for namespace, name, unit, value in _values(invocation):
                series = _Series(
                    namespace,
                    name,
                    unit,
                    invocation.endpoint_name,
                    invocation.variant_name,
                    minute,
                )
                self._collected.setdefault(series, _Statistics()).add(value)

    def flush(self) -> None:
        """Put what has been collected since the last time."""
        with self._lock:
            collected, self._collected = self._collected, {}
        by_namespace: dict[str, list[dict[str, Any]]] = {}
        for series, statistics in collected.items():
            by_namespace.setdefault(series.namespace, []).append(_datum(series, statistics))
        for namespace, data in by_namespace.items():
            self._put(namespace, data)


def _values(invocation: Invocation) -> Iterator[tuple[str, str, str, float]]:
    status = invocation.status
    # Errors are 0 for the others, so that an average is a rate.
    yield INVOCATION_NAMESPACE, "Invocations", "None", 1.0
    yield INVOCATION_NAMESPACE, "Invocation4XXErrors", "None", float(400 <= status < 500)
    yield INVOCATION_NAMESPACE, "Invocation5XXErrors", "None", float(status >= 500)
    yield INVOCATION_NAMESPACE, "ModelLatency", "Microseconds", invocation.model_s * _US_PER_S
    yield INVOCATION_NAMESPACE, "OverheadLatency", "Microseconds", invocation.overhead_s * _US_PER_S
    if invocation.setup_s is not None:
        yield INVOCATION_NAMESPACE, "ModelSetupTime", "Microseconds", invocation.setup_s * _US_PER_S
    yield (
        INVOCATION_NAMESPACE,
        "ServerlessConcurrentExecutionsUtilization",
        "None",
        invocation.in_flight_ratio,
    )
    yield RESOURCE_NAMESPACE, "MemoryUtilization", "Percent", 100 * invocation.memory_ratio
    if invocation.provisioned is not None:
        for name, unit, value in _provisioned_values(invocation.provisioned):
            yield INVOCATION_NAMESPACE, f"ServerlessProvisionedConcurrency{name}", unit, value


def _provisioned_values(used: ProvisionedUse) -> Iterator[tuple[str, str, float]]:
    yield "Executions", "Count", used.executions
    yield "Utilization", "None", used.executions / used.concurrency
    yield "Invocations", "None", float(not used.spilled)
    yield "SpilloverInvocations", "None", float(used.spilled)


def _datum(series: _Series, statistics: _Statistics) -> dict[str, Any]:
    return {
        "MetricName": series.name,
        "Unit": series.unit,
        "Timestamp": datetime.fromtimestamp(series.minute, UTC),
        "Dimensions": [
            {"Name": "EndpointName", "Value": series.endpoint_name},
            {"Name": "VariantName", "Value": series.variant_name},
        ],
        **statistics.as_datum(),
    }
