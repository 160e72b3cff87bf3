"""The periods that CloudWatch divides a request's time into.

They begin at StartTime, rounded down as its API reference says, not at multiples of the period;
a maintainer's comment in boto/boto3 issue 3457 shows that for both calls. EndTime is exclusive.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from seatrial.localcloud.api import AwsError
from seatrial.localcloud.metric_samples import Sample

_MINUTE_S, _DAY_S = 60, 86_400
_SHORT_PERIODS_S = (1, 5, 10, 20, 30)
# Older than that many days: StartTime is rounded down to that many seconds.
_ROUNDED_BY_AGE_S = ((63, 3600), (15, 300))


@dataclass(frozen=True)
class Periods:
    """From `start` until before `end` in steps of `length_s`; seconds since 1970."""

    start: int
    end: float
    length_s: int

    @property
    def count(self) -> int:
        """How many there are."""
        return -int(-(self.end - self.start) // self.length_s)

    def group(self, samples: Iterable[Sample]) -> dict[datetime, list[Sample]]:
        """The samples of each period that has any, by its beginning, the earliest first."""
        found: dict[int, list[Sample]] = {}
        for sample in samples:
            if self.start <= sample.second < self.end:
                number = int(sample.second - self.start) // self.length_s
                found.setdefault(number, []).append(sample)
        return {
            datetime.fromtimestamp(self.start + number * self.length_s, UTC): found[number]
            for number in sorted(found)
        }


def read_periods(start: datetime, end: datetime, length_s: int, *, now: float) -> Periods:
    """The periods of a request; AwsError if its times or its Period are none."""
    started, ended = _seconds(start), _seconds(end)
    if started >= ended:
        raise AwsError(
            "ValidationError",
            f"localcloud: StartTime {start:%Y-%m-%dT%H:%M:%SZ} is not before EndTime "
            f"{end:%Y-%m-%dT%H:%M:%SZ}; give an earlier StartTime",
        )
    if length_s not in _SHORT_PERIODS_S and (length_s < 1 or length_s % _MINUTE_S):
        raise AwsError(
            "ValidationError",
            f"localcloud: Period {length_s}; it must be 1, 5, 10, 20, 30 or a multiple of 60",
        )
    return Periods(_rounded_down(started, length_s, now), ended, length_s)


def _rounded_down(start: float, length_s: int, now: float) -> int:
    age_days = (now - start) / _DAY_S
    by_age = (to_s for days, to_s in _ROUNDED_BY_AGE_S if age_days > days)
    to_s = next(by_age, min(length_s, _MINUTE_S))
    return int(start // to_s) * to_s


def _seconds(moment: datetime) -> float:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.timestamp()
