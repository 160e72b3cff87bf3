"""Where a request's periods begin and end, and which samples are in which."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from seatrial.localcloud.api import AwsError
from seatrial.localcloud.metric_periods import Periods, read_periods
from seatrial.localcloud.metric_samples import Sample

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)


def periods(start: datetime, length_s: int = 60, hours: float = 1) -> Periods:
    return read_periods(start, start + timedelta(hours=hours), length_s, now=NOW.timestamp())


def begins(start: datetime, length_s: int = 60) -> datetime:
    return datetime.fromtimestamp(periods(start, length_s).start, UTC)


def sample(second: float) -> Sample:
    return Sample(second, "None", 1, 1, 1, 1, ((1, 1),))


@pytest.mark.parametrize(
    ("age", "length_s", "clock"),
    [
        pytest.param(timedelta(hours=1), 60, "32:00", id="minute"),
        pytest.param(timedelta(hours=1), 300, "32:00", id="not-a-multiple-of-the-period"),
        pytest.param(timedelta(hours=1), 10, "32:30", id="short-period"),
        pytest.param(timedelta(hours=1), 1, "32:34", id="second"),
        pytest.param(timedelta(days=15), 60, "32:00", id="exactly-15-days"),
        pytest.param(timedelta(days=15, seconds=1), 60, "30:00", id="over-15-days"),
        pytest.param(timedelta(days=63), 60, "30:00", id="exactly-63-days"),
        pytest.param(timedelta(days=63, seconds=1), 60, "00:00", id="over-63-days"),
    ],
)
def test_start_is_rounded_down_by_its_age(age: timedelta, length_s: int, clock: str) -> None:
    start = datetime(2026, 11, 24, 11, 32, 34, tzinfo=UTC)
    now = start + age
    found = read_periods(start, start + timedelta(hours=1), length_s, now=now.timestamp())
    assert f"{datetime.fromtimestamp(found.start, UTC):%M:%S}" == clock


def test_times_without_a_zone_are_utc() -> None:
    naive = datetime(2026, 11, 24, 11, 0, 0)
    assert begins(naive) == datetime(2026, 11, 24, 11, 0, 0, tzinfo=UTC)


def test_a_sample_is_in_the_period_that_it_falls_into() -> None:
    start = datetime(2026, 11, 24, 11, 1, 0, tzinfo=UTC)
    first = start.timestamp()
    grouped = periods(start, 300).group(
        sample(first + after_s) for after_s in (-0.1, 0, 299.9, 300, 3599.9, 3600)
    )
    assert {moment.minute: len(group) for moment, group in grouped.items()} == {1: 2, 6: 1, 56: 1}


@pytest.mark.parametrize(
    ("hours", "count"), [pytest.param(1, 12, id="whole"), pytest.param(1.01, 13, id="begun")]
)
def test_a_period_that_has_begun_counts(hours: float, count: int) -> None:
    assert periods(NOW, 300, hours).count == count


@pytest.mark.parametrize("length_s", [0, -60, 2, 59, 61, 90])
def test_a_period_that_cloudwatch_does_not_have_is_refused(length_s: int) -> None:
    with pytest.raises(AwsError, match=f"Period {length_s}; it must be 1, 5, 10, 20, 30 or"):
        periods(NOW, length_s)


@pytest.mark.parametrize("hours", [0, -1])
def test_an_end_that_is_not_after_the_start_is_refused(hours: float) -> None:
    with pytest.raises(AwsError, match="is not before EndTime"):
        periods(NOW, 60, hours)
