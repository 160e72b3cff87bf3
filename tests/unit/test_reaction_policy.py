"""When a verdict is acted on: at once, after some windows in a row, or not again so soon."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from seatrial.contracts.verdicts import Act, Ailment, WindowVerdict
from seatrial.monitoring.policy import Past, Policy, decide, run_of, since

START = datetime(2026, 6, 1, tzinfo=UTC)
WEEK = timedelta(days=7)
NOW = START + 10 * WEEK
ACTS: dict[Ailment, tuple[Act, ...]] = {
    "drift": ("notify", "retrain"),
    "decay": ("notify", "event"),
}


def past(*weeks: Sequence[Ailment], **changes: Any) -> list[WindowVerdict]:
    """Verdicts on weeks in a row, the last one ending where this window begins."""
    first = START - len(weeks) * WEEK
    return [
        WindowVerdict(
            **{
                "endpoint_name": "flights",
                "endpoint_config_name": "flights-1",
                "started_at": first + number * WEEK,
                "ended_at": first + (number + 1) * WEEK,
                "ailments": tuple(ailments),
                "acts": (),
                "decided_at": first + (number + 1) * WEEK,
                **changes,
            }
        )
        for number, ailments in enumerate(weeks)
    ]


def due(
    ailments: Sequence[Ailment],
    history: Sequence[WindowVerdict] = (),
    *,
    after_windows: int = 1,
    cooldown_h: float = 24,
    earlier: WindowVerdict | None = None,
) -> list[Act]:
    policy = Policy(ACTS, after_windows, cooldown_h)
    past = Past(history, earlier)
    return [item.act for item in decide(ailments, past, policy, now=NOW) if item.due]


def test_nothing_is_done_about_nothing() -> None:
    assert due([]) == []


def test_what_nobody_configured_is_not_done() -> None:
    assert due(["quality"]) == []


def test_two_ailments_ask_for_one_message() -> None:
    assert due(["drift", "decay"]) == ["notify", "retrain", "event"]


@pytest.mark.parametrize(
    ("weeks", "acts"),
    [
        pytest.param([["drift"]], ["notify"], id="one-too-few"),
        pytest.param([["drift"], ["drift"]], ["notify", "retrain"], id="exactly-three"),
        pytest.param([["drift"], ["drift"], ["drift"]], ["notify", "retrain"], id="more"),
        pytest.param([["drift"], [], ["drift"]], ["notify"], id="interrupted"),
        pytest.param([["decay"], ["decay"]], ["notify"], id="of-another-ailment"),
    ],
)
def test_changes_wait_for_three_windows_in_a_row(
    weeks: list[list[Ailment]], acts: list[Act]
) -> None:
    assert due(["drift"], past(*weeks), after_windows=3) == acts


def test_windows_of_an_earlier_configuration_do_not_count() -> None:
    history = [*past(["drift"], endpoint_config_name="flights-0"), *past(["drift"])]
    assert len(run_of("drift", history)) == 1


@pytest.mark.parametrize(
    ("hours_ago", "acts"),
    [
        pytest.param(23.9, ["retrain"], id="within"),
        pytest.param(24, ["notify", "retrain"], id="exactly-over"),
        pytest.param(24.1, ["notify", "retrain"], id="over"),
    ],
)
def test_nothing_is_done_twice_within_the_cool_down(hours_ago: float, acts: list[Act]) -> None:
    at = NOW - timedelta(hours=hours_ago)
    assert due(["drift"], past(["drift"], acts=("notify",), decided_at=at)) == acts


def test_what_waits_says_why() -> None:
    found = decide(["drift"], Past(past(["drift"])), Policy(ACTS, 3, 24), now=NOW)
    assert {item.act: item.waits for item in found} == {
        "notify": None,
        "retrain": "window 2 of 3 in a row",
    }


@pytest.mark.parametrize(
    ("ailments", "acts"),
    [
        pytest.param(["drift"], ["retrain"], id="the-same"),
        pytest.param(["drift", "decay"], ["notify", "retrain", "event"], id="more-than-before"),
    ],
)
def test_a_window_that_is_judged_again_repeats_nothing(
    ailments: list[Ailment], acts: list[Act]
) -> None:
    (earlier,) = past(["drift"], acts=("notify",))
    assert due(ailments, earlier=earlier) == acts


def test_since_when_is_the_first_window_of_the_run() -> None:
    history = past(["drift"], [], ["drift"], ["drift", "decay"])
    assert since(["drift", "decay"], history, START) == START - 2 * WEEK
    assert since(["quality"], history, START) == START
    assert since(["drift"], [], START) == START
