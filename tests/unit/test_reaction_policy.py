"""When a verdict is acted on: at once, after some windows in a row, or not again so soon."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from seatrial.contracts.verdicts import Act, Ailment, WindowVerdict
from seatrial.monitoring.policy import Past, Policy, decide

START = datetime(2026, 6, 1, tzinfo=UTC)
WEEK = timedelta(days=7)
NOW = START + 10 * WEEK
ACTS: dict[Ailment, tuple[Act, ...]] = {
    "drift": ("notify", "retrain"),
    "decay": ("notify", "event"),
    "quality": ("rollback",),
}
SERVES = "flights-1"


def past(*weeks: Sequence[Ailment], **changes: Any) -> list[WindowVerdict]:
    """Verdicts on weeks in a row, the last one ending where this window begins."""
    first = START - len(weeks) * WEEK
    return [
        WindowVerdict(
            **{
                "endpoint_name": "flights",
                "endpoint_config_name": SERVES,
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
    serves: str = SERVES,
) -> list[Act]:
    policy = Policy(ACTS, after_windows, cooldown_h)
    past = Past(serves, history, earlier)
    return [item.act for item in decide(ailments, past, policy, now=NOW) if item.due]


def test_nothing_is_done_about_nothing() -> None:
    assert due([]) == []


def test_what_nobody_configured_is_not_done() -> None:
    assert due(["blind"]) == []


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
    assert len(Past(SERVES, history).run_of("drift")) == 1


def test_windows_of_what_served_before_do_not_count_for_what_serves_now() -> None:
    ill = past(["drift"], ["drift"])
    assert due(["drift"], ill, after_windows=3) == ["notify", "retrain"]
    assert due(["drift"], ill, after_windows=3, serves="flights-2") == ["notify"]
    assert Past("flights-2", ill).run_of("drift") == ()


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


@pytest.mark.parametrize(
    ("weeks", "ailments", "acts"),
    [
        pytest.param([["drift"]], ["drift"], [], id="the-same"),
        pytest.param([["drift"]], ["decay"], ["notify", "event"], id="another"),
        pytest.param([["drift"]], ["drift", "decay"], ["notify", "event"], id="one-more"),
        pytest.param([["drift"], ["decay"]], ["drift", "decay"], [], id="both-told"),
    ],
)
def test_an_ailment_that_nobody_was_told_of_is_told_within_the_cool_down(
    weeks: list[list[Ailment]], ailments: list[Ailment], acts: list[Act]
) -> None:
    told = [
        item.model_copy(update={"acts": ACTS[item.ailments[0]]})
        for item in past(*weeks, decided_at=NOW - timedelta(hours=1))
    ]
    assert due(ailments, told) == acts


def test_an_ailment_of_what_serves_now_is_told_within_the_cool_down() -> None:
    told = past(["drift"], acts=("notify", "retrain"), decided_at=NOW - timedelta(hours=1))
    assert due(["drift"], told) == []
    assert due(["drift"], told, serves="flights-2") == ["notify"]


def test_what_waits_says_why() -> None:
    found = decide(["drift"], Past(SERVES, past(["drift"])), Policy(ACTS, 3, 24), now=NOW)
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
    assert Past(SERVES, history).since(["drift", "decay"], START) == START - 2 * WEEK
    assert Past(SERVES, history).since(["quality"], START) == START
    assert Past(SERVES, []).since(["drift"], START) == START
    assert Past("flights-2", history).since(["drift"], START) == START


@pytest.mark.parametrize(
    ("weeks", "acts"),
    [
        pytest.param([["quality"]], [], id="one-too-few"),
        pytest.param([["quality"], ["quality"]], ["rollback"], id="exactly-three"),
        pytest.param([["quality"]] * 3, ["rollback"], id="more"),
        pytest.param([["quality"], []], [], id="interrupted"),
    ],
)
def test_a_rollback_is_as_patient_as_a_training(
    weeks: list[list[Ailment]], acts: list[Act]
) -> None:
    assert due(["quality"], past(*weeks), after_windows=3) == acts


def test_what_was_brought_back_gets_windows_of_its_own() -> None:
    taken_back = past(
        ["quality"], ["quality"], acts=("rollback",), endpoint_config_name="flights-2"
    )
    assert due(["quality"], taken_back, after_windows=2, cooldown_h=0) == []
    own = [*taken_back, *past(["quality"])]
    assert due(["quality"], own, after_windows=2, cooldown_h=0) == ["rollback"]


@pytest.mark.parametrize(
    ("hours_ago", "acts"),
    [
        pytest.param(23.9, [], id="within"),
        pytest.param(24, ["rollback"], id="exactly-over"),
        pytest.param(24.1, ["rollback"], id="over"),
    ],
)
def test_two_rollbacks_are_a_cool_down_apart(hours_ago: float, acts: list[Act]) -> None:
    at = NOW - timedelta(hours=hours_ago)
    assert due(["quality"], past(["quality"], acts=("rollback",), decided_at=at)) == acts


def test_a_window_rolls_back_once_whatever_else_is_found_in_it_later() -> None:
    policy = Policy({"quality": ("rollback",), "decay": ("rollback",)}, 1, 0)
    (earlier,) = past(["quality"], acts=("rollback",))
    (found,) = decide(["quality", "decay"], Past(SERVES, [], earlier), policy, now=NOW)
    assert found.waits == "already done when this window was judged before"
    (first,) = decide(["quality", "decay"], Past(SERVES, []), policy, now=NOW)
    assert (first.due, first.ailments) == (True, ("quality", "decay"))
