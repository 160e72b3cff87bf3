"""How many rows a window should have: from the reference's windows, and no alarm in a quiet one."""

from __future__ import annotations

import numpy as np
import pytest

from seatrial.examples.flights.data import TIME, TRAINING, load_flights, within
from seatrial.monitoring.columns import times_of
from seatrial.monitoring.row_counts import ROW_COUNT, RowCounts, expected_rows, for_window

START = np.datetime64("2024-01-01T00:00:00", "us")
DAY_H, WEEK_H = 24.0, 168.0


def days(*counts: int) -> np.ndarray:
    """So many rows on each day, spread over it; the first and the last at its ends."""
    hours = [24 * day + np.linspace(0, 23.9, count) for day, count in enumerate(counts)]
    return START + (np.concatenate(hours) * 3600).astype("timedelta64[s]")


def bounds(*counts: int, per_reference_row: float = 1.0) -> tuple[int, int]:
    found = expected_rows(days(*counts), DAY_H, per_reference_row=per_reference_row)
    return found.low, found.high


def test_equal_days_leave_slack_of_half_and_twice() -> None:
    assert bounds(*[800] * 12) == (400, 1600)


def test_days_that_differ_widen_the_bounds_and_few_days_more() -> None:
    low, high = bounds(*[800, 1600] * 6)
    assert low < 400
    assert high > 3200
    fewer = bounds(*[800, 1600] * 2)
    assert fewer[0] < low
    assert fewer[1] > high


@pytest.mark.parametrize(
    ("per_reference_row", "expected"),
    [
        pytest.param(0.5, (200, 800), id="half is recorded"),
        pytest.param(4.0, (1600, 6400), id="the reference is a quarter of what happened"),
    ],
)
def test_bounds_are_of_what_is_recorded(
    per_reference_row: float, expected: tuple[int, int]
) -> None:
    assert bounds(*[800] * 12, per_reference_row=per_reference_row) == expected


def test_a_gap_and_the_last_part_of_a_day_are_no_days() -> None:
    counted = days(*[800] * 6, 0, *[800] * 5)
    end = counted.max() + np.timedelta64(7, "h")
    ended = np.append(counted, [end] * 3)
    found = expected_rows(ended, DAY_H, per_reference_row=1)
    assert (found.low, found.high) == (400, 1600)


def test_no_week_and_no_day_of_the_flights_year_is_out_of_their_winters_bounds() -> None:
    flights = load_flights()
    times = times_of(flights, TIME)
    winter = times_of(within(flights, TRAINING), TIME)
    for window_h, windows in ((DAY_H, 364), (WEEK_H, 52)):
        found = expected_rows(winter, window_h, per_reference_row=1)
        number = ((times - times.min()) / np.timedelta64(1, "h") // window_h).astype(int)
        counts = np.bincount(number)[:-1]
        assert len(counts) == windows
        assert found.low < counts.min() <= counts.max() < found.high


@pytest.mark.parametrize(
    ("window_h", "applies"),
    [
        pytest.param(166.0, False, id="under"),
        pytest.param(167.0, True, id="but for an hour"),
        pytest.param(168.0, True, id="exactly"),
        pytest.param(170.0, False, id="over"),
    ],
)
def test_a_number_of_rows_is_for_windows_of_its_length(window_h: float, applies: bool) -> None:
    made = [RowCounts(WEEK_H, 400, 1600).expectation()]
    assert bool(list(for_window(made, window_h=window_h, sample_ratio=1))) is applies


def test_what_people_wrote_without_a_length_is_for_all_windows() -> None:
    written = {"type": ROW_COUNT, "kwargs": {"min_value": 10}}
    assert list(for_window([written], window_h=1, sample_ratio=0.1)) == [written]


def test_of_a_sampled_window_so_many_rows_were_kept() -> None:
    made = RowCounts(WEEK_H, 401, 1601).expectation()
    [found] = for_window([made], window_h=WEEK_H, sample_ratio=0.5)
    assert found["kwargs"] == {"min_value": 200, "max_value": 801}
    del made["kwargs"]["max_value"]
    [open_ended] = for_window([made], window_h=WEEK_H, sample_ratio=0.5)
    assert open_ended["kwargs"] == {"min_value": 200}
