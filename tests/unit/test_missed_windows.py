"""The windows of a schedule, and those of them that nobody judged."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from seatrial.contracts import MissedWindow
from seatrial.contracts.verdicts import WindowVerdict
from seatrial.errors import InputError
from seatrial.monitoring.cadence import Cadence, parse_cadence
from seatrial.monitoring.missed_windows import missed_reason, missed_windows
from seatrial.steps.collect_window import find_span

START = datetime(2026, 11, 2, tzinfo=UTC)
WEEK = timedelta(days=7)
CADENCE = Cadence(START, WEEK)


def verdict(number: int) -> WindowVerdict:
    span = CADENCE.window(number)
    return WindowVerdict(
        endpoint_name="e",
        endpoint_config_name="c",
        started_at=span.start,
        ended_at=span.end,
        ailments=(),
        acts=(),
        decided_at=span.end,
    )


def numbers(missed: tuple[MissedWindow, ...]) -> list[int]:
    return [(item.started_at - START) // WEEK for item in missed]


@pytest.mark.parametrize(
    ("judged", "missed"),
    [
        pytest.param([0, 1, 2, 3], [], id="none"),
        pytest.param([0, 1, 2], [3], id="the last"),
        pytest.param([0, 1], [2, 3], id="two"),
        pytest.param([0, 3], [], id="told of before"),
        pytest.param([], [0, 1, 2, 3], id="all since the schedule began"),
    ],
)
def test_the_next_window_sees_which_ones_have_no_verdict(
    judged: list[int], missed: list[int]
) -> None:
    history = [verdict(number) for number in judged]
    assert numbers(missed_windows(CADENCE, CADENCE.window(4).start, history)) == missed


def test_the_first_window_missed_none_and_a_hand_run_has_no_schedule() -> None:
    assert missed_windows(CADENCE, START, []) == ()
    assert missed_windows(None, CADENCE.window(4).start, []) == ()


def test_the_reason_says_which_windows_and_where_to_look() -> None:
    one = missed_windows(CADENCE, CADENCE.window(2).start, [verdict(0)])
    assert missed_reason(one).startswith(
        "Missed: 1 scheduled window was never judged, 2026-11-09 00:00 to 2026-11-16 00:00 UTC;"
    )
    two = missed_windows(CADENCE, CADENCE.window(2).start, [])
    assert "2 scheduled windows were never judged, 2026-11-02 00:00 to" in missed_reason(two)


def test_a_schedule_asks_for_its_last_window_that_is_over_however_late() -> None:
    text = str(CADENCE)
    assert parse_cadence(text) == CADENCE
    end = CADENCE.window(2).end
    for late in (timedelta(0), timedelta(hours=20), WEEK - timedelta(seconds=1)):
        assert find_span(text, "latest", now=end + late) == CADENCE.window(2)
    assert find_span(text, "latest", now=end + WEEK) == CADENCE.window(3)
    assert find_span("2026-11-02", "2026-11-09", now=end) == CADENCE.window(0)


def test_a_window_that_has_not_begun_is_refused() -> None:
    begun = START + timedelta(seconds=1)
    assert find_span("2026-11-02", "2026-11-09", now=begun) == CADENCE.window(0)
    for now in (START, START - WEEK):
        with pytest.raises(InputError, match="the window has not begun: got '2026-11-02 to"):
            find_span("2026-11-02", "2026-11-09", now=now)


def test_before_the_first_window_is_over_there_is_nothing_to_judge() -> None:
    with pytest.raises(InputError, match="from 2026-11-09T00:00:00Z on"):
        CADENCE.latest(START + WEEK - timedelta(seconds=1))
    assert CADENCE.latest(START + WEEK) == CADENCE.window(0)


@pytest.mark.parametrize(
    "text", ["R/2026-11-02/P7D", "R/someday/PT60M", "R/2026-11-02/PT0M", "R//PT5M"]
)
def test_windows_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="PT<minutes>M"):
        parse_cadence(text)
