"""GetMetricStatistics and GetMetricData: statistics, units, order, pages, and what is refused."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from seatrial.localcloud.api import AwsError
from seatrial.localcloud.metric_data import MAX_DATAPOINTS, MAX_QUERIES, get_metric_data
from seatrial.localcloud.metric_samples import Sample
from seatrial.localcloud.metric_statistics import get_metric_statistics

NOON = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
NOW = (NOON + timedelta(hours=1)).timestamp()
DIMENSIONS = [{"Name": "EndpointName", "Value": "e"}, {"Name": "VariantName", "Value": "v"}]


def at(minute: int, *values: float, unit: str = "Microseconds") -> Sample:
    """Values that were put in that minute after noon."""
    return Sample(
        NOON.timestamp() + 60 * minute,
        unit,
        len(values),
        sum(values),
        min(values),
        max(values),
        tuple((value, 1) for value in values),
    )


class Found:
    """The samples of the one metric AWS/SageMaker ModelLatency of endpoint e, variant v."""

    def __init__(self, *samples: Sample) -> None:
        self.samples = samples

    def __call__(self, space: str, name: str, dimensions: dict[str, str]) -> Iterable[Sample]:
        asked = (space, name, dimensions)
        ours = ("AWS/SageMaker", "ModelLatency", {"EndpointName": "e", "VariantName": "v"})
        return self.samples if asked == ours else ()


def statistics(find: Found, **changed: Any) -> list[dict[str, Any]]:
    request = {
        "Namespace": "AWS/SageMaker",
        "MetricName": "ModelLatency",
        "Dimensions": DIMENSIONS,
        "StartTime": NOON,
        "EndTime": NOON + timedelta(hours=1),
        "Period": 60,
        **changed,
    }
    points: list[dict[str, Any]] = get_metric_statistics(request, find, now=NOW)["Datapoints"]
    return points


def query(name: str = "q", stat: str = "Sum", period: int = 60, **changed: Any) -> dict[str, Any]:
    metric = {
        "Namespace": "AWS/SageMaker",
        "MetricName": "ModelLatency",
        "Dimensions": DIMENSIONS,
    }
    unit = {"Unit": changed.pop("unit")} if "unit" in changed else {}
    wanted = {"Metric": metric, "Period": period, "Stat": stat, **unit}
    return {"Id": name, "MetricStat": wanted, **changed}


def data(find: Found, *queries: dict[str, Any], **changed: Any) -> dict[str, Any]:
    request = {
        "MetricDataQueries": list(queries),
        "StartTime": NOON,
        "EndTime": NOON + timedelta(hours=1),
        **changed,
    }
    return get_metric_data(request, find, now=NOW)


def values(answer: dict[str, Any]) -> dict[str, list[float]]:
    return {item["Id"]: item["Values"] for item in answer["MetricDataResults"]}


def test_every_statistic_of_a_period() -> None:
    find = Found(at(1, 10, 20, 30), at(1, 40), at(61, 99))
    names = ["SampleCount", "Sum", "Average", "Minimum", "Maximum"]
    [point] = statistics(find, Statistics=names)
    assert point == {
        "Timestamp": NOON + timedelta(minutes=1),
        "Unit": "Microseconds",
        "SampleCount": 4,
        "Sum": 100,
        "Average": 25,
        "Minimum": 10,
        "Maximum": 40,
    }
    [point] = statistics(find, ExtendedStatistics=["p50", "p99.9"])
    assert point["ExtendedStatistics"] == {"p50": 20, "p99.9": 40}


def test_percentiles_of_a_statistic_set_are_not_known() -> None:
    find = Found(Sample(NOON.timestamp(), "None", 3, 60, 10, 30))
    assert statistics(find, ExtendedStatistics=["p50"])[0]["ExtendedStatistics"] == {}
    assert values(data(find, query("p", "p50"), query("a", "Average"))) == {"p": [], "a": [20]}


@pytest.mark.parametrize(
    "dimensions", [[], DIMENSIONS[:1], [*DIMENSIONS, {"Name": "x", "Value": "y"}]]
)
def test_a_metric_is_found_by_exactly_its_dimensions(dimensions: list[dict[str, str]]) -> None:
    assert statistics(Found(at(1, 1)), Dimensions=dimensions, Statistics=["Sum"]) == []


def test_units_stay_apart_and_can_be_asked_for() -> None:
    find = Found(at(1, 5), at(1, 7, unit="Seconds"))
    points = statistics(find, Statistics=["Sum"])
    assert [(point["Unit"], point["Sum"]) for point in points] == [
        ("Microseconds", 5),
        ("Seconds", 7),
    ]
    assert [point["Sum"] for point in statistics(find, Statistics=["Sum"], Unit="Seconds")] == [7]
    assert statistics(find, Statistics=["Sum"], Unit="Bytes") == []
    found = data(find, query("us", unit="Microseconds"), query("b", unit="Bytes"), query("any"))
    assert values(found) == {"us": [5], "b": [], "any": [12]}


@pytest.mark.parametrize(
    ("minutes", "accepted"),
    [
        pytest.param(1439, True, id="under"),
        pytest.param(1440, True, id="exactly-at-limit"),
        pytest.param(1441, False, id="over"),
    ],
)
def test_1440_datapoints_at_a_time(minutes: int, accepted: bool) -> None:
    end = NOON + timedelta(minutes=minutes)
    if accepted:
        assert statistics(Found(), EndTime=end, Statistics=["Sum"]) == []
        return
    with pytest.raises(AwsError, match="requested up to 1,441 datapoints") as caught:
        statistics(Found(), EndTime=end, Statistics=["Sum"])
    assert caught.value.code == "InvalidParameterCombination"


@pytest.mark.parametrize(
    "asked", [{}, {"Statistics": ["Sum"], "ExtendedStatistics": ["p50"]}, {"Statistics": []}]
)
def test_either_statistics_or_extended_ones(asked: dict[str, list[str]]) -> None:
    with pytest.raises(AwsError, match="not both and not none"):
        statistics(Found(), **asked)


@pytest.mark.parametrize("name", ["tm90", "p101", "IQM", "Median", "sum"])
def test_a_statistic_that_is_not_answered_is_refused(name: str) -> None:
    with pytest.raises(AwsError, match=f"localcloud: statistic '{name}'; answered here are"):
        statistics(Found(), ExtendedStatistics=[name])
    with pytest.raises(AwsError, match=f"localcloud: statistic '{name}'; answered here are"):
        data(Found(at(1, 1)), query(stat=name))


def test_extended_statistics_are_percentiles_only() -> None:
    with pytest.raises(AwsError, match="statistic 'Sum'"):
        statistics(Found(), ExtendedStatistics=["Sum"])


def test_many_queries_are_answered_at_once_newest_first() -> None:
    find = Found(at(1, 10, 20), at(2, 30), at(11, 40))
    found = data(find, query("s"), query("p", "p99"), query("ten", period=600, Label="by ten"))
    assert values(found) == {"s": [40, 30, 30], "p": [40, 30, 20], "ten": [40, 60]}
    [first, _, last] = found["MetricDataResults"]
    assert [moment.minute for moment in first["Timestamps"]] == [11, 2, 1]
    assert [moment.minute for moment in last["Timestamps"]] == [10, 0]
    assert (first["Label"], last["Label"]) == ("ModelLatency", "by ten")
    assert first["StatusCode"] == "Complete"
    assert "NextToken" not in found
    oldest_first = data(find, query("s"), ScanBy="TimestampAscending")
    assert values(oldest_first) == {"s": [30, 30, 40]}


def test_a_query_without_return_data_stays_out_of_the_answer_but_is_checked() -> None:
    find = Found(at(1, 1))
    assert values(data(find, query("a", ReturnData=False), query("b", ReturnData=True))) == {
        "b": [1]
    }
    with pytest.raises(AwsError, match="statistic 'nonsense'"):
        data(find, query("a", "nonsense", ReturnData=False), query("b"))


def test_pages_together_are_the_whole_answer() -> None:
    find = Found(*(at(minute, minute) for minute in range(5)))
    queries = (query("a"), query("b", "Maximum"))
    pages: list[dict[str, Any]] = [data(find, *queries, MaxDatapoints=3)]
    while token := pages[-1].get("NextToken"):
        pages.append(data(find, *queries, MaxDatapoints=3, NextToken=token))
    assert [values(page) for page in pages] == [
        {"a": [4, 3], "b": [4]},
        {"a": [2], "b": [3, 2]},
        {"a": [1, 0], "b": [1]},
        {"a": [], "b": [0]},
    ]
    codes = [[item["StatusCode"] for item in page["MetricDataResults"]] for page in pages]
    partial, complete = "PartialData", "Complete"
    assert codes == [
        [partial, partial],
        [partial, partial],
        [complete, partial],
        [complete, complete],
    ]


@pytest.mark.parametrize(
    ("most", "more"),
    [
        pytest.param(5, False, id="over"),
        pytest.param(4, False, id="exactly-all"),
        pytest.param(3, True, id="under"),
    ],
)
def test_a_token_comes_only_with_more(most: int, more: bool) -> None:
    find = Found(*(at(minute, 1) for minute in range(4)))
    assert ("NextToken" in data(find, query(), MaxDatapoints=most)) is more


def test_a_token_of_ones_own_is_refused() -> None:
    with pytest.raises(AwsError, match="'mine' is not a NextToken") as caught:
        data(Found(), query(), NextToken="mine")
    assert caught.value.code == "InvalidNextToken"


@pytest.mark.parametrize(
    ("queries", "text"),
    [
        pytest.param([], "0 MetricDataQueries; 1 to 500", id="none"),
        pytest.param([query(f"q{i}") for i in range(501)], "501 MetricDataQueries", id="over-500"),
        pytest.param([query("Upper")], "query Id 'Upper'", id="upper-case"),
        pytest.param([query("a-b")], "query Id 'a-b'", id="hyphen"),
        pytest.param([query("a"), query("b"), query("a")], "a is there more than once", id="twice"),
        pytest.param([{"Id": "a"}], "either MetricStat or Expression", id="neither"),
        pytest.param(
            [query("a", Expression="1")], "either MetricStat or Expression", id="both-of-them"
        ),
        pytest.param(
            [query("a"), {"Id": "b", "Expression": "a*100"}],
            "query 'b' has Expression 'a\\*100'; metric math and Metrics Insights",
            id="math",
        ),
        pytest.param([query(period=90)], "Period 90", id="period"),
    ],
)
def test_queries_that_cannot_be_answered_are_refused(
    queries: list[dict[str, Any]], text: str
) -> None:
    with pytest.raises(AwsError, match=text) as caught:
        data(Found(), *queries)
    assert caught.value.message.startswith("localcloud: ")
    assert caught.value.code == "ValidationError"


def test_limits_of_queries_and_datapoints_can_be_used_up() -> None:
    queries = [query(f"q{number}") for number in range(MAX_QUERIES)]
    assert len(values(data(Found(), *queries, MaxDatapoints=MAX_DATAPOINTS))) == MAX_QUERIES
    for size in (0, MAX_DATAPOINTS + 1):
        with pytest.raises(AwsError, match=f"MaxDatapoints {size}; 1 to 100800"):
            data(Found(), query(), MaxDatapoints=size)
