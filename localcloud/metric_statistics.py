"""GetMetricStatistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from seatrial.localcloud.api import AwsError
from seatrial.localcloud.metric_periods import read_periods
from seatrial.localcloud.metric_samples import (
    STATISTICS,
    FindSamples,
    Sample,
    Statistic,
    read_extended_statistic,
)

MAX_DATAPOINTS = 1440


def get_metric_statistics(
    request: Mapping[str, Any], find: FindSamples, *, now: float
) -> dict[str, Any]:
    """The answer to the call; AwsError for what CloudWatch, or localcloud, does not answer."""
    plain, extended = _read_statistics(request)
    periods = read_periods(request["StartTime"], request["EndTime"], request["Period"], now=now)
    if periods.count > MAX_DATAPOINTS:
        raise AwsError(
            "InvalidParameterCombination",
            # AWS's text, as many public reports quote it
            f"You have requested up to {periods.count:,} datapoints, which exceeds the limit of "
            f"{MAX_DATAPOINTS:,}. You may reduce the datapoints requested by increasing Period, or "
            "decreasing the time range.",
        )
    found = _find(request, find)
    points = [
        _point(moment, unit, samples, plain, extended)
        for unit in sorted({sample.unit for sample in found})
        for moment, samples in periods.group(item for item in found if item.unit == unit).items()
    ]
    return {"Label": request["MetricName"], "Datapoints": points}


def _read_statistics(
    request: Mapping[str, Any],
) -> tuple[dict[str, Statistic], dict[str, Statistic]]:
    names, extended_names = request.get("Statistics") or [], request.get("ExtendedStatistics") or []
    if bool(names) == bool(extended_names):
        raise AwsError(
            "InvalidParameterCombination",
            "localcloud: specify either Statistics or ExtendedStatistics, not both and not none",
        )
    plain = {name: STATISTICS[name] for name in names}
    return plain, {name: read_extended_statistic(name) for name in extended_names}


def _find(request: Mapping[str, Any], find: FindSamples) -> list[Sample]:
    dimensions = {item["Name"]: item["Value"] for item in request.get("Dimensions") or ()}
    samples = find(request["Namespace"], request["MetricName"], dimensions)
    return [sample for sample in samples if request.get("Unit") in (None, sample.unit)]


def _point(
    moment: datetime,
    unit: str,
    samples: Sequence[Sample],
    plain: Mapping[str, Statistic],
    extended: Mapping[str, Statistic],
) -> dict[str, Any]:
    point = {"Timestamp": moment, "Unit": unit, **_known(plain, samples)}
    if extended:
        point["ExtendedStatistics"] = _known(extended, samples)
    return point


def _known(statistics: Mapping[str, Statistic], samples: Sequence[Sample]) -> dict[str, float]:
    values = {name: statistic(samples) for name, statistic in statistics.items()}
    return {name: value for name, value in values.items() if value is not None}
