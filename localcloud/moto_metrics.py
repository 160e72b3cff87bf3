"""CloudWatch's metrics in moto: ours go in with their distribution, and percentiles come out.

moto ignores ExtendedStatistics and answers without them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from moto.cloudwatch.exceptions import InvalidParameterCombination, InvalidParameterValue
from moto.cloudwatch.models import MetricAggregatedDatum, Statistics
from moto.cloudwatch.responses import CloudWatchResponse

from seatrial.localcloud.percentiles import percentile, read_percentile


class _Distribution(MetricAggregatedDatum):
    """A datum that knows roughly which values it stands for: how often each."""

    counts: dict[float, int]


def put_distributions(backend: Any, namespace: str, data: list[dict[str, Any]]) -> None:
    """Append data as PutMetricData has them, with StatisticValues *and* Values and Counts."""
    for item in data:
        statistics = item["StatisticValues"]
        datum = _Distribution(
            namespace=namespace,
            name=item["MetricName"],
            min_stat=statistics["Minimum"],
            max_stat=statistics["Maximum"],
            sample_count=float(statistics["SampleCount"]),
            sum_stat=statistics["Sum"],
            dimensions=item["Dimensions"],
            timestamp=item["Timestamp"].replace(tzinfo=None),  # moto's are naive, and UTC
            unit=item["Unit"],
        )
        datum.counts = dict(zip(item["Values"], item["Counts"], strict=True))
        backend.metric_data.append(datum)


def answer_percentiles() -> None:
    """Have GetMetricStatistics answer ExtendedStatistics `p0` to `p100`. For the whole process."""
    patched: Any = CloudWatchResponse
    if hasattr(patched, "_without_percentiles"):
        return
    patched._without_percentiles = patched.get_metric_statistics

    def get_metric_statistics(response: Any) -> Any:
        names = response._get_param("ExtendedStatistics") or []
        if names and response._get_param("Statistics"):
            raise InvalidParameterCombination(
                "localcloud: specify either Statistics or ExtendedStatistics, not both"
            )
        wanted = {name: _percent(name) for name in names}
        answer = response._without_percentiles()
        for point in answer.result["Datapoints"] if wanted else ():
            point.extended_statistics = _percentiles(point, wanted)
        return answer

    patched.get_metric_statistics = get_metric_statistics


def _percent(name: str) -> float:
    percent = read_percentile(name)
    if percent is None:
        raise InvalidParameterValue(
            f"localcloud: ExtendedStatistics {name!r}; only percentiles are answered here, such as "
            "p50 or p99.9"
        )
    return percent


def _percentiles(point: Statistics, wanted: dict[str, float]) -> dict[str, float]:
    counted = [pair for datum in point.metric_data for pair in _counted(datum)]
    return {name: percentile(counted, percent) for name, percent in wanted.items() if counted}


def _counted(datum: Any) -> Iterator[tuple[float, float]]:
    if isinstance(datum, _Distribution):
        for value, count in datum.counts.items():
            yield min(max(value, datum.min), datum.max), count
    elif not isinstance(datum, MetricAggregatedDatum):
        yield datum.value, 1
    elif datum.min == datum.max or datum.sample_count == 1:  # else a set's values are not known
        yield datum.max, datum.sample_count
