"""What was put for a metric, and CloudWatch's statistics of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from seatrial.localcloud.api import AwsError
from seatrial.localcloud.percentiles import percentile, read_percentile


@dataclass(frozen=True)
class Sample:
    """What one metric had at one time (seconds since 1970).

    `values` are (value, how often) pairs: none for a statistic set, whose values are not known.
    """

    second: float
    unit: str
    count: float
    total: float
    lowest: float
    highest: float
    values: tuple[tuple[float, float], ...] = ()


# Of at least one sample; None if these samples do not tell.
Statistic = Callable[[Sequence[Sample]], float | None]

# Samples of the metric with that namespace, that name and exactly those dimensions.
FindSamples = Callable[[str, str, dict[str, str]], Iterable[Sample]]


def _count(samples: Sequence[Sample]) -> float:
    return sum(sample.count for sample in samples)


def _total(samples: Sequence[Sample]) -> float:
    return sum(sample.total for sample in samples)


STATISTICS: dict[str, Statistic] = {
    "SampleCount": _count,
    "Sum": _total,
    "Average": lambda samples: _total(samples) / _count(samples) if _count(samples) else None,
    "Minimum": lambda samples: min(sample.lowest for sample in samples),
    "Maximum": lambda samples: max(sample.highest for sample in samples),
}


def read_statistic(name: str) -> Statistic:
    """The statistic of that name: one of `STATISTICS`, or `p0` to `p100`; AwsError for others."""
    return STATISTICS[name] if name in STATISTICS else read_extended_statistic(name)


def read_extended_statistic(name: str) -> Statistic:
    """The percentile of that name; AwsError for other extended statistics."""
    percent = read_percentile(name)
    if percent is None:
        raise AwsError(
            "InvalidParameterValue",
            f"localcloud: statistic {name!r}; answered here are {', '.join(STATISTICS)} and the "
            "percentiles p0 to p100, such as p50 or p99.9",
        )

    def of(samples: Sequence[Sample]) -> float | None:
        counted = [pair for sample in samples for pair in sample.values]
        return percentile(counted, percent) if counted else None

    return of
