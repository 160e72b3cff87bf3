"""CloudWatch's metrics in moto: ours go in as distributions, and both ways to read are ours.

moto has no percentiles, begins periods at the first value it has, takes a part of a metric's
dimensions for all of them, mixes namespaces in GetMetricData, and lists a metric that has two
dimensions as often as it has data.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from moto.cloudwatch import models
from moto.cloudwatch.exceptions import CloudWatchException
from moto.cloudwatch.models import MetricAggregatedDatum
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult

from seatrial.localcloud.api import AwsError
from seatrial.localcloud.metric_data import get_metric_data
from seatrial.localcloud.metric_samples import FindSamples, Sample
from seatrial.localcloud.metric_statistics import get_metric_statistics

Read = Callable[..., dict[str, Any]]


class _Distribution(MetricAggregatedDatum):
    """A datum that knows roughly which values it stands for: how often each."""

    counts: dict[float, float]

    def merge(self, other: _Distribution) -> None:
        """Take in what was seen later at the same time."""
        self.min, self.max = min(self.min, other.min), max(self.max, other.max)
        self.sample_count += other.sample_count
        self.sum += other.sum
        for value, count in other.counts.items():
            self.counts[value] = self.counts.get(value, 0) + count


class Distributions:
    """Puts distributions into moto's backend: one datum for each metric and time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latest: dict[Any, _Distribution] = {}

    def put(self, backend: Any, namespace: str, data: list[dict[str, Any]]) -> None:
        """Data as PutMetricData has them, with StatisticValues *and* Values and Counts."""
        with self._lock:
            for item in data:
                self._put(backend, _datum(namespace, item))

    def _put(self, backend: Any, datum: _Distribution) -> None:
        metric = (datum.namespace, datum.name, *_pairs(datum.dimensions).items())
        latest = self._latest.get(metric)
        if latest is not None and latest.timestamp == datum.timestamp:
            latest.merge(datum)
        else:
            self._latest[metric] = datum
            backend.metric_data.append(datum)

    def samples_of(self, backend: Any) -> FindSamples:
        """What is in the backend, however it came there."""

        def find(namespace: str, name: str, dimensions: dict[str, str]) -> Iterator[Sample]:
            with self._lock:  # a datum must not be merged into while it is read
                found = [
                    _sample(datum)
                    for datum in backend.get_all_metrics()
                    if (datum.namespace, datum.name) == (namespace, name)
                    and _pairs(datum.dimensions) == dimensions
                ]
            yield from found

        return find


def answer_reads(distributions: Distributions) -> None:
    """Have GetMetricStatistics and GetMetricData answered by us. For the whole process."""

    def answered_by(read: Read) -> Callable[[Any], Any]:
        def answer(response: Any) -> Any:
            request: Mapping[str, Any] = response._get_params()
            find = distributions.samples_of(response.cloudwatch_backend)
            try:
                return ActionResult(read(request, find, now=time.time()))
            except AwsError as error:
                raise CloudWatchException(error.code, error.message) from error

        return answer

    patched: Any = CloudWatchResponse
    patched.get_metric_statistics = answered_by(get_metric_statistics)
    patched.get_metric_data = answered_by(get_metric_data)
    moto_models: Any = models
    moto_models.are_dimensions_same = lambda one, other: _pairs(one) == _pairs(other)


def _pairs(dimensions: list[Any]) -> dict[str, str]:
    return {item.name: item.value for item in dimensions}


def _datum(namespace: str, item: dict[str, Any]) -> _Distribution:
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
    return datum


def _sample(datum: Any) -> Sample:
    moment: datetime = datum.timestamp
    second = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    unit = datum.unit or "None"
    if isinstance(datum, MetricAggregatedDatum):
        return Sample(
            second, unit, datum.sample_count, datum.sum, datum.min, datum.max, _values(datum)
        )
    value = datum.value
    return Sample(second, unit, 1, value, value, value, ((value, 1),))


def _values(datum: Any) -> tuple[tuple[float, float], ...]:
    if isinstance(datum, _Distribution):
        inside = ((min(max(value, datum.min), datum.max), n) for value, n in datum.counts.items())
        return tuple(inside)
    if datum.min == datum.max or datum.sample_count == 1:  # else a set's values are not known
        return ((datum.max, datum.sample_count),)
    return ()
