"""Where the router sends a request, and when real-time takes over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from seatrial.cli.app import app
from seatrial.contracts import CostReport, Crossover, TrafficSummary, write_contract
from seatrial.errors import ConfigError, InputError
from seatrial.router import Settings, Switch, Target, parse_settings, read_settings
from seatrial.router.metrics import Decision, Metrics
from seatrial.router.policy import MONTH_S, Mode, Rate, choose, next_mode, targets_of

TARGETS = {
    "warm": Target("w", at_once=2),
    "serverless": Target("s"),
    "real-time": Target("r", at_once=1),
}
ROUTES = {"latency-sensitive": ("warm", "serverless"), "other": ("serverless", "warm")}
SETTINGS = Settings(TARGETS, ROUTES, Switch("real-time", 1000.0, hold_s=100))


@pytest.mark.parametrize(
    ("route", "switched", "names"),
    [
        ("latency-sensitive", False, ("warm", "serverless")),
        ("other", False, ("serverless", "warm")),
        ("other", True, ("real-time", "serverless", "warm")),
    ],
)
def test_a_route_has_its_targets_in_order(
    route: str, switched: bool, names: tuple[str, ...]
) -> None:
    assert targets_of(route, SETTINGS, switched=switched) == names


def test_an_unknown_route_is_refused() -> None:
    with pytest.raises(InputError, match="got 'urgent', allowed latency-sensitive, other"):
        targets_of("urgent", SETTINGS, switched=False)


@pytest.mark.parametrize(
    ("in_flight", "target", "reason"),
    [(1, "warm", "first"), (2, "serverless", "busy"), (3, "serverless", "busy")],
)
def test_a_target_with_as_many_as_it_may_is_passed_over(
    in_flight: int, target: str, reason: str
) -> None:
    choice = choose(("warm", "serverless"), SETTINGS, {"warm": in_flight}, "first")
    assert (choice.target, choice.reason) == (target, reason)
    assert choice.rest == (("serverless",) if target == "warm" else ())


def test_if_all_are_full_the_last_is_asked_and_the_service_decides() -> None:
    full = {"warm": 2, "real-time": 1}
    choice = choose(("real-time", "warm"), SETTINGS, full, "switched")
    assert (choice.target, choice.reason, choice.rest) == ("warm", "busy", ())


SWITCH = Switch("real-time", requests_a_month=1000.0, margin_ratio=0.2, hold_s=100)


@pytest.mark.parametrize(
    ("switched", "rate", "after"),
    [
        (False, 1200.0, False),
        (False, 1200.1, True),
        (True, 1000.0, True),
        (True, 800.0, True),
        (True, 799.9, False),
        (False, 799.9, False),
        (True, None, True),
    ],
)
def test_it_switches_only_outside_of_the_margin(
    switched: bool, rate: float | None, after: bool
) -> None:
    assert next_mode(Mode(switched, 0.0), SWITCH, rate, 100.0).switched is after


@pytest.mark.parametrize(("now_s", "after"), [(99.9, False), (100.0, True)])
def test_it_does_not_switch_twice_within_the_hold(now_s: float, after: bool) -> None:
    assert next_mode(Mode(False, 0.0), SWITCH, 5000.0, now_s) == Mode(after, now_s * after)


def test_the_rate_is_that_of_the_last_window() -> None:
    rate = Rate(30.0, now_s=100.0)
    for second in range(60):
        rate.add(100.0 + second)
        if second == 29:
            assert rate.requests_a_month(129.9) is None
            assert rate.requests_a_month(130.0) == pytest.approx(29 * MONTH_S / 30)
    assert rate.requests_a_month(159.5) == pytest.approx(MONTH_S)
    assert rate.requests_a_month(175.5) == pytest.approx(14 * MONTH_S / 30)
    assert rate.requests_a_month(1000.0) == 0


def test_traffic_around_the_crossover_switches_once() -> None:
    """Ten minutes that wander by 15 % around the crossover, after a rise over it."""
    switch = Switch("real-time", MONTH_S, margin_ratio=0.2, window_s=30, hold_s=60)
    rate, mode, now_s, changes = Rate(30, 0.0), Mode(False, 0.0), 0.0, 0
    for step in range(900):
        wanted = 1.5 if step < 200 else 1.0 + 0.15 * (-1) ** (step // 60)  # requests a second
        now_s += 1 / wanted
        rate.add(now_s)
        after = next_mode(mode, switch, rate.requests_a_month(now_s), now_s)
        changes += after.switched is not mode.switched
        mode = after
    assert (changes, mode.switched) == (1, True)


def test_the_configuration_survives_its_file(tmp_path: Path) -> None:
    path = tmp_path / "router.json"
    path.write_text(SETTINGS.to_json(), encoding="utf-8")
    assert read_settings(path) == SETTINGS


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"routes": {}}, "the routes"),
        ({"routes": {"a": []}}, "the routes"),
        ({"routes": {"a": ["gone"]}}, "'gone'"),
        ({"targets": {"serverless": {"endpoint": "s", "at_once": 0}}}, "1 or more"),
        ({"targets": {"serverless": {"endpont": "s"}}}, "endpont"),
        ({"targets": {"serverless": {}}}, "endpoint"),
        ({"targets": []}, "a JSON object"),
        ({"switch": {"to": "gone", "requests_a_month": 1}}, "'gone'"),
        ({"switch": {"to": "serverless", "requests_a_month": 0}}, "over 0"),
        (
            {"switch": {"to": "serverless", "requests_a_month": 1, "margin_ratio": 1}},
            "margin_ratio",
        ),
        ({"swich": None}, "swich"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused(changes: Any, message: str) -> None:
    document = {"targets": {"serverless": {"endpoint": "s"}}, "routes": {"a": ["serverless"]}}
    assert parse_settings(document).switch is None
    with pytest.raises(ConfigError, match=message):
        parse_settings({**document, **changes})


def test_a_file_that_is_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "router.json").write_text("{", encoding="utf-8")
    with pytest.raises(ConfigError, match="seatrial router"):
        read_settings(tmp_path / "router.json")


def test_decisions_are_counted_and_told_once() -> None:
    metrics = Metrics()
    decision = Decision("other", "serverless", "first", "answered")
    metrics.count(decision)
    metrics.count(decision)
    (line,) = metrics.emf_lines(12.5)
    told = json.loads(line)
    described = told["_aws"]["CloudWatchMetrics"][0]
    assert told["_aws"]["Timestamp"] == 12500
    assert {name: told[name] for name in described["Dimensions"][0]} == {
        "Route": "other",
        "Target": "serverless",
        "Reason": "first",
        "Outcome": "answered",
    }
    assert told[described["Metrics"][0]["Name"]] == 2
    assert list(metrics.emf_lines(13.0)) == []
    assert metrics.counts[decision] == 2


def cost_report(folder: Path, *crossovers: Crossover) -> Path:
    report = CostReport(
        region="us-east-1",
        prices=(),
        traffic=TrafficSummary(
            source="t", requests=1, span_s=1, requests_a_month=1, busiest_minute=1
        ),
        workload="w",
        policies=(),
        left_out=(),
        cheapest=None,
        curve=(),
        crossovers=crossovers,
        assumptions=(),
    )
    write_contract(report, folder / "cost.json")
    return folder


def test_the_verb_takes_the_crossover_from_the_cost_report(tmp_path: Path) -> None:
    over = Crossover(requests_a_month=2.5e6, usd_a_month=74, to="real time", because="cost")
    back = Crossover(requests_a_month=9e6, usd_a_month=200, to="serverless", because="cost")
    folder, out = cost_report(tmp_path, over, back), tmp_path / "router.json"
    words = ["router", str(folder), "--serverless", "s", "--out", str(out)]
    words += ["--warm", "w", "--warm-at-once", "2", "--realtime", "r"]
    ended = CliRunner().invoke(app, words)
    assert ended.exit_code == 0, ended.output
    assert "real-time over 2,500,000 a month" in ended.stdout
    found = read_settings(out)
    assert found.switch == Switch("real-time", 2.5e6)
    assert found.targets["warm"] == Target("w", 2)
    assert found.routes == ROUTES


def test_without_a_crossover_there_is_nothing_to_switch_at(tmp_path: Path) -> None:
    folder, out = cost_report(tmp_path), tmp_path / "router.json"
    words = ["router", str(folder), "--serverless", "s", "--out", str(out)]
    ended = CliRunner().invoke(app, [*words, "--realtime", "r"])
    assert isinstance(ended.exception, InputError)
    assert "--curve" in str(ended.exception)
    assert CliRunner().invoke(app, words).exit_code == 0
    assert read_settings(out).switch is None
