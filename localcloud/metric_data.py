"""GetMetricData: many metrics at once, page by page. Metric math is refused, not guessed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from seatrial.localcloud.api import AwsError
from seatrial.localcloud.metric_periods import read_periods
from seatrial.localcloud.metric_samples import FindSamples, Sample, read_statistic

MAX_QUERIES = 500
MAX_DATAPOINTS = 100_800
_ID = re.compile("[a-z][a-zA-Z0-9_]{0,254}")


@dataclass(frozen=True)
class _Series:
    """The answer to one query: (time, value), the earliest first."""

    id: str
    label: str
    points: list[tuple[datetime, float]]


def get_metric_data(request: Mapping[str, Any], find: FindSamples, *, now: float) -> dict[str, Any]:
    """The answer to the call; AwsError for what CloudWatch, or localcloud, does not answer."""
    queries = request.get("MetricDataQueries") or []
    _check_queries(queries)
    answered = [_answer(query, request, find, now) for query in queries]
    # One without ReturnData is there for expressions; it is checked, and stays out of the answer.
    shown = [
        series
        for query, series in zip(queries, answered, strict=True)
        if query.get("ReturnData") is not False
    ]
    return _page(shown, request)


def _check_queries(queries: list[Mapping[str, Any]]) -> None:
    if not 1 <= len(queries) <= MAX_QUERIES:
        raise _invalid(f"{len(queries)} MetricDataQueries; 1 to {MAX_QUERIES} are allowed")
    for query in queries:
        name = query["Id"]
        if not _ID.fullmatch(name):
            raise _invalid(
                f"query Id {name!r}; it must match {_ID.pattern}, a lower-case letter first"
            )
        if ("Expression" in query) == ("MetricStat" in query):
            raise _invalid(f"query {name!r} must have either MetricStat or Expression")
        if "Expression" in query:
            raise _invalid(
                f"query {name!r} has Expression {query['Expression']!r}; metric math and Metrics "
                "Insights are not evaluated here. Ask with MetricStat, and compute from the answer"
            )
    repeated = [
        name for name, count in Counter(item["Id"] for item in queries).items() if count > 1
    ]
    if repeated:
        raise _invalid(f"query Ids must differ; {', '.join(repeated)} is there more than once")


def _answer(
    query: Mapping[str, Any], request: Mapping[str, Any], find: FindSamples, now: float
) -> _Series:
    wanted, metric = query["MetricStat"], query["MetricStat"]["Metric"]
    periods = read_periods(request["StartTime"], request["EndTime"], wanted["Period"], now=now)
    statistic = read_statistic(wanted["Stat"])
    dimensions = {item["Name"]: item["Value"] for item in metric.get("Dimensions") or ()}
    samples = find(metric.get("Namespace", ""), metric.get("MetricName", ""), dimensions)
    grouped = periods.group(item for item in samples if _has_unit(item, wanted.get("Unit")))
    values = ((moment, statistic(group)) for moment, group in grouped.items())
    points = [(moment, value) for moment, value in values if value is not None]
    return _Series(query["Id"], query.get("Label") or metric.get("MetricName", ""), points)


def _has_unit(sample: Sample, wanted: str | None) -> bool:
    return wanted in (None, sample.unit)


def _page(series: list[_Series], request: Mapping[str, Any]) -> dict[str, Any]:
    """All series in each page, with the points of a stretch of time; a token while there is more.

    A series whose later points are on another page is PartialData.
    """
    start, size = _position(request.get("NextToken")), request.get("MaxDatapoints", MAX_DATAPOINTS)
    if not 1 <= size <= MAX_DATAPOINTS:
        raise _invalid(f"MaxDatapoints {size}; 1 to {MAX_DATAPOINTS} are allowed")
    points = [
        (moment, number, value)
        for number, item in enumerate(series)
        for moment, value in item.points
    ]
    newest_first = request.get("ScanBy") != "TimestampAscending"
    points.sort(key=lambda point: point[0], reverse=newest_first)
    shown, later = points[start : start + size], points[start + size :]
    incomplete = {number for _, number, _ in later}
    answer: dict[str, Any] = {
        "MetricDataResults": [
            {
                "Id": item.id,
                "Label": item.label,
                "Timestamps": [moment for moment, of, _ in shown if of == number],
                "Values": [value for _, of, value in shown if of == number],
                "StatusCode": "PartialData" if number in incomplete else "Complete",
            }
            for number, item in enumerate(series)
        ]
    }
    return answer | {"NextToken": str(start + size)} if later else answer


def _position(token: str | None) -> int:
    if token is None:
        return 0
    if not token.isdecimal():
        raise AwsError(
            "InvalidNextToken",
            f"localcloud: {token!r} is not a NextToken; take the one of the page before",
        )
    return int(token)


def _invalid(text: str) -> AwsError:
    return AwsError("ValidationError", f"localcloud: {text}")
