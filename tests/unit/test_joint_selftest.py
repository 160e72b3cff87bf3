"""The domain classifier's self-test: drifts between columns, and none; what it means for arming."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from selftest_inputs import ARN, MIN_ROWS, write_baseline

from seatrial.cli.selftest import say_report
from seatrial.contracts import Baseline, Deployment, SelfTest, read_contract, write_contract
from seatrial.contracts.selftest import SelfTestReport
from seatrial.monitoring.detection_rates import monitor_rates
from seatrial.monitoring.joint_rates import LEAST_HELD_OUT, joint_rates
from seatrial.monitoring.joint_selftest import (
    follow,
    follow_one_another,
    order_of,
    read_together,
    self_tests_together,
)
from seatrial.monitoring.selftest import seed_from, self_tests
from seatrial.steps.arm_monitoring import arming

WEEK_H = 168.0


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the classifier, and as many rows held out as its rates need."""
    folder = tmp_path_factory.mktemp("baseline")
    with pytest.MonkeyPatch.context() as fewer:
        fewer.setattr("seatrial.monitoring.classifier_bounds.DRAWS", 5)
        write_baseline(folder, min_rows=LEAST_HELD_OUT, rows=1600, domain_classifier=True)
    return folder


def with_bound(baseline: Path, folder: Path, bound: float) -> Path:
    """The same baseline with another bound of the classifier's."""
    folder.mkdir()
    for path in baseline.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    known = read_contract(Baseline, baseline / "baseline.json")
    changed = tuple(item.model_copy(update={"bound": bound}) for item in known.classifier)
    write_contract(known.model_copy(update={"classifier": changed}), folder / "baseline.json")
    return folder


def table() -> dict[str, np.ndarray]:
    random = np.random.default_rng(3)
    temp = random.normal(size=500)
    return {
        "temp": np.where(random.random(500) < 0.1, np.nan, temp),
        "wind": temp + random.normal(size=500),
        "carrier": random.choice(np.array(["UA", "AA", None], dtype=object), 500),
        "wet": random.random(500) < 0.3,
        "constant": np.ones(500),
    }


def counted(values: np.ndarray) -> list[str]:
    return sorted(map(str, values.tolist()))


def test_no_column_by_itself_is_changed() -> None:
    rows, random = table(), np.random.default_rng(0)
    moved = follow_one_another(rows, random)
    assert {name: counted(values) for name, values in moved.items()} == {
        name: counted(values) for name, values in rows.items()
    }
    assert all(moved[name].dtype == rows[name].dtype for name in rows)
    assert counted(follow(rows, "carrier", "temp", random)) == counted(rows["carrier"])


def test_columns_follow_one_another_afterwards() -> None:
    rows, random = table(), np.random.default_rng(0)
    moved = follow_one_another(rows, random)
    there = ~np.isnan(moved["temp"])
    assert np.corrcoef(moved["temp"][there], moved["wind"][there])[0, 1] < -0.9
    assert abs(np.corrcoef(np.arange(500), moved["wind"])[0, 1]) < 0.2, "and not the rows' order"


def test_a_column_that_followed_another_is_turned_round() -> None:
    rows, random = table(), np.random.default_rng(0)
    there = ~np.isnan(rows["temp"])
    assert np.corrcoef(rows["temp"][there], rows["wind"][there])[0, 1] > 0.5
    turned = follow(rows, "wind", "temp", random)
    assert np.corrcoef(rows["temp"][there], turned[there])[0, 1] < -0.9


def test_missing_values_come_last_and_equal_ones_by_chance() -> None:
    values = np.array(["b", None, "a", "b", "b", "b"], dtype=object)
    orders = {tuple(order_of(values, np.random.default_rng(seed)).tolist()) for seed in range(9)}
    assert {(order[0], order[-1]) for order in orders} == {(2, 1)}
    assert len(orders) > 3


def test_a_sound_classifier_passes_beside_the_columns(baseline: Path) -> None:
    tests = self_tests(baseline, seed_from(ARN), min_rows=MIN_ROWS)
    assert [test.name for test in tests] == [
        "untouched rows, 168 h",
        "moved rows, 168 h",
        "untouched rows by all columns, 168 h",
        "other rows by all columns, 168 h",
    ]
    assert [test.passed for test in tests] == [True] * 4
    assert [test.alert for test in tests[2:]] == [False, True]
    assert tests[3].rows == LEAST_HELD_OUT
    assert tests[3].detail.startswith(("AUC 0.9", "AUC 1.0"))


def test_without_the_classifier_there_is_nothing_to_test(tmp_path: Path) -> None:
    write_baseline(tmp_path)
    assert read_together(tmp_path, WEEK_H) is None
    assert len(self_tests(tmp_path, 1, min_rows=MIN_ROWS)) == 2
    assert joint_rates(tmp_path, WEEK_H, seed=1, windows=1) is None


@pytest.mark.parametrize(
    ("bound", "alerts"),
    [
        pytest.param(1.01, [False, False], id="deaf"),
        pytest.param(0.0, [False, True], id="the floor keeps it silent"),
    ],
)
def test_a_bound_that_nothing_can_pass_fails(
    baseline: Path, tmp_path: Path, bound: float, alerts: list[bool]
) -> None:
    changed = with_bound(baseline, tmp_path / "b", bound)
    tests = list(self_tests_together(changed, WEEK_H, seed=1))
    assert [test.alert for test in tests] == alerts
    assert [test.passed for test in tests] == [True, alerts[1]]
    if not alerts[1]:
        assert arming(deployed(), set(), 0.0, tests).armed is False
        reason = arming(deployed(), set(), 0.0, tests).reason or ""
        assert "'other rows by all columns, 168 h' failed" in reason
        assert reason.endswith("or leave the classifier off")


def deployed() -> Any:
    """As much of a deployment as arming asks for: no predictions to look for."""
    return Deployment.model_construct(endpoint_name="flights", golden=(), records_uri="s3://x")


def test_a_passed_test_of_all_columns_arms() -> None:
    test = SelfTest(
        name="x",
        rows=400,
        expected_alert=True,
        alert=True,
        moved_columns=(),
        alerted_columns=("temp",),
        detail="AUC 0.99",
    )
    assert arming(deployed(), set(), 0.0, [test]).armed
    assert not arming(deployed(), set(), 0.0, [test.model_copy(update={"alert": False})]).armed


def test_the_rates_are_of_windows_that_differ(baseline: Path) -> None:
    found = joint_rates(baseline, WEEK_H, seed=1, windows=5)
    assert found is not None
    assert found.rows == LEAST_HELD_OUT // 2
    assert found.false_alerts.count <= 1
    assert found.detected.count >= 2
    assert found.bound > 0.5
    assert joint_rates(baseline, WEEK_H, seed=1, windows=5) == found


@pytest.mark.parametrize(
    ("held_out", "measured"),
    [
        pytest.param(LEAST_HELD_OUT - 1, False, id="under"),
        pytest.param(LEAST_HELD_OUT, True, id="exactly"),
        pytest.param(LEAST_HELD_OUT + 1, True, id="over"),
    ],
)
def test_rates_need_two_windows_of_held_out_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held_out: int, measured: bool
) -> None:
    monkeypatch.setattr("seatrial.monitoring.classifier_bounds.DRAWS", 2)
    write_baseline(tmp_path, min_rows=held_out, rows=1600, domain_classifier=True)
    assert (joint_rates(tmp_path, WEEK_H, seed=1, windows=1) is not None) is measured


def test_they_are_published_and_shown(baseline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rates = monitor_rates(baseline, 1, min_rows=MIN_ROWS, windows=20)
    assert rates[0].together is not None
    assert rates[0].together.detected.windows == 2, "a tenth of the columns' windows"
    tests = tuple(self_tests_together(baseline, WEEK_H, seed=1))
    say_report(SelfTestReport(held_out_rows=LEAST_HELD_OUT, tests=tests, rates=rates))
    shown = capsys.readouterr().out
    assert "By all columns together, 200 rows, 2 windows of each kind: " in shown
    assert "passed: other rows by all columns, 168 h: alert about" in shown
