"""Metrics are put under AWS's names and units, once each, however many requests there were."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from seatrial.localcloud.metrics import Invocation, Metrics, ProvisionedUse
from seatrial.localcloud.moto_metrics import Distributions


def invocation(
    status: int = 200, *, setup_s: float | None = None, provisioned: ProvisionedUse | None = None
) -> Invocation:
    return Invocation(
        endpoint_name="e",
        variant_name="v",
        status=status,
        model_s=0.002,
        overhead_s=0.001,
        setup_s=setup_s,
        in_flight_ratio=0.5,
        memory_ratio=0.25,
        provisioned=provisioned,
    )


class Put:
    """Keeps what was put."""

    def __init__(self) -> None:
        self.data: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, namespace: str, data: list[dict[str, Any]]) -> None:
        self.data.extend((namespace, datum) for datum in data)

    def sums(self) -> dict[str, float]:
        return {datum["MetricName"]: datum["StatisticValues"]["Sum"] for _, datum in self.data}


def test_requests_of_one_minute_are_one_datum() -> None:
    put, seconds = Put(), iter((60.0, 75.0, 100.5, 119.9))
    metrics = Metrics(put, now=lambda: next(seconds))
    for status in (200, 200, 400, 500):
        metrics.record(invocation(status))
    metrics.flush()
    assert {datum["Timestamp"].timestamp() for _, datum in put.data} == {60.0}
    assert put.sums() == {
        "Invocations": 4,
        "Invocation4XXErrors": 1,
        "Invocation5XXErrors": 1,
        "ModelLatency": 8000,
        "OverheadLatency": 4000,
        "ServerlessConcurrentExecutionsUtilization": 2,
        "MemoryUtilization": 100,
    }


def test_names_units_and_dimensions_are_the_services() -> None:
    put = Put()
    metrics = Metrics(put, now=lambda: 100.5)
    metrics.record(invocation(setup_s=0.3))
    metrics.flush()
    described = {datum["MetricName"]: (space, datum["Unit"]) for space, datum in put.data}
    assert described["ModelSetupTime"] == ("AWS/SageMaker", "Microseconds")
    assert described["ModelLatency"] == ("AWS/SageMaker", "Microseconds")
    assert described["Invocations"] == ("AWS/SageMaker", "None")
    assert described["MemoryUtilization"] == ("/aws/sagemaker/Endpoints", "Percent")
    assert put.sums()["ModelSetupTime"] == 300_000
    assert put.data[0][1]["Dimensions"] == [
        {"Name": "EndpointName", "Value": "e"},
        {"Name": "VariantName", "Value": "v"},
    ]


def test_provisioned_concurrency_has_metrics_of_its_own_where_there_is_some() -> None:
    put = Put()
    metrics = Metrics(put, now=lambda: 100.5)
    metrics.record(invocation(provisioned=ProvisionedUse(1, 2, spilled=False)))
    metrics.record(invocation(provisioned=ProvisionedUse(2, 2, spilled=True)))
    metrics.flush()
    prefix = "ServerlessProvisionedConcurrency"
    sums = {name: value for name, value in put.sums().items() if name.startswith(prefix)}
    assert sums == {
        f"{prefix}Executions": 3,
        f"{prefix}Utilization": 1.5,
        f"{prefix}Invocations": 1,
        f"{prefix}SpilloverInvocations": 1,
    }


def test_a_datum_says_how_often_it_saw_which_value() -> None:
    put = Put()
    metrics = Metrics(put, now=lambda: 100.5)
    for status in (200, 200, 400):
        metrics.record(invocation(status))
    metrics.flush()
    found = {datum["MetricName"]: datum for _, datum in put.data}
    errors = found["Invocation4XXErrors"]
    assert dict(zip(errors["Values"], errors["Counts"], strict=True)) == {0.0: 2, 1.0: 1}
    assert found["ModelLatency"]["Counts"] == [3]


def test_nothing_is_put_twice() -> None:
    put = Put()
    metrics = Metrics(put, now=lambda: 100.5)
    metrics.record(invocation())
    metrics.flush()
    seen = len(put.data)
    metrics.flush()
    assert len(put.data) == seen


class Backend(SimpleNamespace):
    """As much of moto's CloudWatch as holds data."""

    def get_all_metrics(self) -> list[Any]:
        data: list[Any] = self.metric_data
        return data


def test_what_is_put_into_one_minute_is_kept_as_one_however_often_that_is() -> None:
    clock, distributions, backend = [60.0], Distributions(), Backend(metric_data=[])
    metrics = Metrics(lambda space, data: distributions.put(backend, space, data), lambda: clock[0])
    for second in (60.0, 61.0, 119.0, 120.0):
        clock[0] = second
        metrics.record(invocation(400 if second == 61.0 else 200))
        metrics.flush()
    names = [datum.name for datum in backend.metric_data]
    assert names.count("Invocations") == 2
    find = distributions.samples_of(backend)
    dimensions = {"EndpointName": "e", "VariantName": "v"}
    first, second_minute = find("AWS/SageMaker", "Invocation4XXErrors", dimensions)
    assert (first.second, first.count, first.total) == (60.0, 3, 1)
    assert (first.lowest, first.highest, sorted(first.values)) == (0, 1, [(0, 2), (1, 1)])
    assert (second_minute.second, second_minute.count) == (120.0, 1)
    assert list(find("AWS/SageMaker", "Invocation4XXErrors", {"EndpointName": "e"})) == []
