"""The metrics of endpoints, read by boto3 in both of CloudWatch's ways."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cloud_calls import Aws, dimensions, error_of, today, total, wait_for

pytestmark = pytest.mark.flow

MIDDAY = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)


@pytest.fixture(scope="module")
def cloudwatch(aws: Aws) -> Any:
    return aws.cloud.client("cloudwatch")


@pytest.fixture(scope="module")
def slept(aws: Aws, cloudwatch: Any) -> str:
    """An endpoint that has been asked five times: 0.05 s three times, then 0.4 s."""
    aws.endpoint("percentiles")
    aws.ask("percentiles", "model")
    for wait_s in (0.05, 0.05, 0.05, 0.4):
        aws.ask("percentiles", f"sleep {wait_s}")
    wait_for(
        lambda: total(cloudwatch, "percentiles", "ModelLatency", "SampleCount"),
        lambda seen: seen == 5,
    )
    return "percentiles"


def query(name: str, endpoint: str, metric: str, stat: str, **changed: Any) -> dict[str, Any]:
    """A MetricDataQuery for an endpoint's metric, over two hours."""
    wanted = {
        "Metric": {
            "Namespace": "AWS/SageMaker",
            "MetricName": metric,
            "Dimensions": dimensions(endpoint),
        },
        "Period": 7200,
        "Stat": stat,
        **changed,
    }
    return {"Id": name, "MetricStat": wanted}


def test_metrics_have_the_services_names_and_count_every_request(aws: Aws, cloudwatch: Any) -> None:
    aws.endpoint("metrics")
    for _ in range(5):
        aws.ask("metrics", "model")
    error_of(aws.ask, "metrics", "status 400 no")

    def statistic(name: str, statistic: str, namespace: str = "AWS/SageMaker") -> float:
        return total(cloudwatch, "metrics", name, statistic, namespace=namespace)

    wait_for(lambda: statistic("Invocations", "Sum"), lambda seen: seen == 6)
    assert statistic("Invocation4XXErrors", "Sum") == 1
    assert statistic("Invocation5XXErrors", "Sum") == 0
    assert statistic("ModelSetupTime", "SampleCount") == 1
    assert 10_000 < statistic("ModelSetupTime", "Maximum") < 10_000_000  # microseconds
    assert 0 < statistic("ModelLatency", "Minimum") < 1_000_000
    assert statistic("OverheadLatency", "Maximum") > statistic("ModelSetupTime", "Maximum") / 2
    assert 0 < statistic("MemoryUtilization", "Maximum", "/aws/sagemaker/Endpoints") < 100


def test_percentiles_are_those_of_the_requests(cloudwatch: Any, slept: str) -> None:
    def points(**statistics: list[str]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = cloudwatch.get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName="ModelLatency",
            Dimensions=dimensions(slept),
            Period=7200,
            **statistics,
            **today(),
        )["Datapoints"]
        return found

    [point] = points(ExtendedStatistics=["p10", "p50", "p90", "p99"])
    found = point["ExtendedStatistics"]
    assert set(found) == {"p10", "p50", "p90", "p99"}
    assert found["p10"] < 49_000 < found["p50"] < 300_000 < 398_000 < found["p90"] == found["p99"]
    for statistics in ({"ExtendedStatistics": ["tm90"]}, {"ExtendedStatistics": ["p101"]}):
        error = error_of(points, **statistics)["Error"]
        assert error["Code"].startswith("InvalidParameterValue")
        assert error["Message"].startswith("localcloud: statistic")
    error = error_of(points, ExtendedStatistics=["p50"], Statistics=["Sum"])["Error"]
    assert "not both" in error["Message"]


def test_get_metric_data_has_percentiles_too_and_many_metrics_at_once(
    cloudwatch: Any, slept: str
) -> None:
    names = ("SampleCount", "Sum", "Average", "Minimum", "Maximum", "p10", "p50", "p99", "p99.9")
    queries = [
        query(f"latency{number}", slept, "ModelLatency", name) for number, name in enumerate(names)
    ]
    queries.append(query("count", slept, "Invocations", "Sum", Unit="None"))
    queries.append(query("nothing", slept, "Invocations", "Sum", Unit="Bytes"))
    queries.append(query("elsewhere", "no-such-endpoint", "Invocations", "Sum"))
    answer = cloudwatch.get_metric_data(MetricDataQueries=queries, **today())
    found = {item["Id"]: item["Values"] for item in answer["MetricDataResults"]}
    assert (found["count"], found["nothing"], found["elsewhere"]) == ([5], [], [])
    latency = {name: found[f"latency{number}"][0] for number, name in enumerate(names)}
    assert latency["SampleCount"] == 5
    assert latency["Average"] == pytest.approx(latency["Sum"] / 5)
    assert latency["Minimum"] == pytest.approx(latency["p10"], rel=0.006)
    assert 49_000 < latency["p50"] < 300_000 < 398_000 < latency["p99"]
    assert latency["p99.9"] == latency["p99"] == pytest.approx(latency["Maximum"], rel=0.006)
    assert {item["StatusCode"] for item in answer["MetricDataResults"]} == {"Complete"}


def test_a_metric_is_listed_once_however_long_it_has_been_there(cloudwatch: Any) -> None:
    pairs = [{"Name": "A", "Value": "a"}, {"Name": "B", "Value": "b"}]
    for minute in range(3):
        moment = MIDDAY + timedelta(minutes=minute)
        for dimensions_ in (pairs, pairs[:1]):
            datum = {"MetricName": "Listed", "Value": 1, "Timestamp": moment}
            cloudwatch.put_metric_data(
                Namespace="test", MetricData=[datum | {"Dimensions": dimensions_}]
            )
    listed = cloudwatch.list_metrics(Namespace="test", MetricName="Listed")["Metrics"]
    assert sorted(len(item["Dimensions"]) for item in listed) == [1, 2]


def put(cloudwatch: Any, name: str, *values: float) -> None:
    """One value a minute from MIDDAY on, as any client of CloudWatch would."""
    cloudwatch.put_metric_data(
        Namespace="test",
        MetricData=[
            {
                "MetricName": name,
                "Timestamp": MIDDAY + timedelta(minutes=number),
                "Value": value,
                "Unit": "Count",
            }
            for number, value in enumerate(values)
        ],
    )


def test_periods_begin_at_the_start_time_in_both_ways(cloudwatch: Any) -> None:
    put(cloudwatch, "Steps", 1, 2, 3, 4)
    span = {
        "StartTime": MIDDAY - timedelta(seconds=60 - 34),  # rounded down to a minute before midday
        "EndTime": MIDDAY + timedelta(minutes=4),
    }
    statistics = cloudwatch.get_metric_statistics(
        Namespace="test", MetricName="Steps", Period=120, Statistics=["Sum"], **span
    )["Datapoints"]
    wanted = {"Metric": {"Namespace": "test", "MetricName": "Steps"}, "Period": 120, "Stat": "Sum"}
    [data] = cloudwatch.get_metric_data(
        MetricDataQueries=[{"Id": "s", "MetricStat": wanted}], ScanBy="TimestampAscending", **span
    )["MetricDataResults"]
    expected = {MIDDAY + timedelta(minutes=at): total for at, total in ((-1, 1), (1, 5), (3, 4))}
    assert {point["Timestamp"]: point["Sum"] for point in statistics} == expected
    assert dict(zip(data["Timestamps"], data["Values"], strict=True)) == expected
    assert data["Label"] == "Steps"


def test_paginator_of_boto3_gets_all_pages(cloudwatch: Any) -> None:
    put(cloudwatch, "Paged", *range(7))
    wanted = {"Metric": {"Namespace": "test", "MetricName": "Paged"}, "Period": 60, "Stat": "p50"}
    pages = cloudwatch.get_paginator("get_metric_data").paginate(
        MetricDataQueries=[
            {"Id": "shown", "MetricStat": wanted},
            {"Id": "hidden", "MetricStat": wanted, "ReturnData": False},
        ],
        StartTime=MIDDAY,
        EndTime=MIDDAY + timedelta(hours=1),
        MaxDatapoints=3,
    )
    results = [page["MetricDataResults"] for page in pages]
    assert [item["Values"] for page in results for item in page] == [[6, 5, 4], [3, 2, 1], [0]]
    assert {item["Id"] for page in results for item in page} == {"shown"}


def test_metric_math_is_refused_with_a_reason(cloudwatch: Any) -> None:
    queries = [
        query("errors", "e", "Invocation5XXErrors", "Sum"),
        {"Id": "rate", "Expression": "errors / 100"},
    ]
    error = error_of(cloudwatch.get_metric_data, MetricDataQueries=queries, **today())["Error"]
    assert error["Code"] == "ValidationError"
    assert "query 'rate' has Expression 'errors / 100'; metric math" in error["Message"]
    token = {"NextToken": "made up"}
    error = error_of(cloudwatch.get_metric_data, MetricDataQueries=queries[:1], **token, **today())[
        "Error"
    ]
    assert error["Code"] == "InvalidNextToken"
