"""The threshold that one ordinary window in so many passes, from many of them or from few."""

from __future__ import annotations

import numpy as np
import pytest

from seatrial.contracts import AlertRule
from seatrial.monitoring.budget import alert_levels, calibrate, is_alert

WEEK_H = 168.0


@pytest.mark.parametrize(
    ("windows", "tail"),
    [
        pytest.param(18, "gumbel", id="under"),
        pytest.param(19, "order", id="exactly enough"),
        pytest.param(20, "order", id="over"),
    ],
)
def test_nineteen_windows_show_what_one_in_twenty_does(windows: int, tail: str) -> None:
    found = calibrate(np.arange(float(windows)), 20, window_h=WEEK_H)
    assert (found.tail, found.windows) == (tail, windows)
    assert found.threshold >= windows - 1


@pytest.mark.parametrize("windows", [4, 12, 19, 60])
@pytest.mark.parametrize("columns", [1, 30])
def test_a_further_window_passes_as_often_as_the_budget_says(windows: int, columns: int) -> None:
    random = np.random.default_rng([windows, columns])
    over = []
    for _ in range(1_500):
        levels = random.normal(size=(windows + 1, columns)).max(axis=1)
        over.append(levels[-1] > calibrate(levels[:-1], 20, window_h=WEEK_H).threshold)
    assert np.mean(over) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1_500)


def test_the_interval_of_the_rate_holds_what_it_says() -> None:
    random = np.random.default_rng(1)
    inside = []
    for _ in range(500):
        found = calibrate(random.gumbel(size=12), 20, window_h=WEEK_H)
        rate = -np.expm1(-np.exp(-found.threshold))
        inside.append(rate <= found.rate_high)
    assert 0.93 <= np.mean(inside) <= 0.99


def test_more_windows_are_more_certain() -> None:
    few, many = (
        calibrate(np.random.default_rng(0).gumbel(size=size), 20, window_h=WEEK_H)
        for size in (12, 500)
    )
    assert few.rate_high - few.rate_low > 3 * (many.rate_high - many.rate_low)


def test_no_window_of_few_is_beyond_its_own_threshold() -> None:
    levels = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 40.0])
    assert calibrate(levels, 20, window_h=WEEK_H).threshold >= 40


def test_equal_windows_are_their_own_threshold() -> None:
    assert calibrate(np.full(12, 0.5), 20, window_h=WEEK_H).threshold == 0.5


def test_an_alert_is_at_the_level_that_its_rule_needs() -> None:
    levels = {"a": np.array([3.0, 0.0]), "b": np.array([2.0, 9.0]), "c": np.array([1.0, 4.0])}
    assert alert_levels(levels, AlertRule()).tolist() == [3, 9]
    assert alert_levels(levels, AlertRule(min_drifted_columns=2)).tolist() == [2, 4]
    critical = AlertRule(critical_columns=("c",), min_drifted_columns=2)
    assert alert_levels(levels, critical).tolist() == [2, 4]
    only = AlertRule(critical_columns=("c",), min_drifted_columns=3)
    assert alert_levels(levels, only).tolist() == [1, 4]


def test_the_level_and_the_verdict_are_one_rule() -> None:
    random = np.random.default_rng(0)
    names = ("a", "b", "c", "d")
    for _ in range(200):
        rule = AlertRule(
            critical_columns=tuple(random.choice(names, random.integers(0, 3), replace=False)),
            min_drifted_columns=int(random.integers(1, 3)),
        )
        levels = {name: random.normal(size=1) for name in names}
        drifted = [name for name in names if levels[name][0] > 0.5]
        assert is_alert(drifted, rule) is bool(alert_levels(levels, rule)[0] > 0.5)
