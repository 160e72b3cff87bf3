"""Detection and false-alert rates, on monitors whose rates can be reckoned, and the verb."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from selftest_inputs import MIN_ROWS, ROWS, write_baseline
from typer.testing import CliRunner

from seatrial.cli.app import app
from seatrial.contracts import AlertRule, Baseline, Summary, read_contract, write_contract
from seatrial.contracts.selftest import MonitorRates, SelfTestReport
from seatrial.monitoring.detection_rates import give_share, monitor_rates, receiver
from seatrial.monitoring.intervals import rate
from seatrial.monitoring.selftest import NEW_CATEGORY
from seatrial.monitoring.summary import summarise_reference

WINDOWS = 20


def rates(folder: Path, **changes: object) -> MonitorRates:
    """The rates after the baseline was changed so."""
    path = folder / "baseline.json"
    write_contract(read_contract(Baseline, path).model_copy(update=changes), path)
    (found,) = monitor_rates(folder, 1, min_rows=MIN_ROWS, windows=WINDOWS)
    return found


def by_size(found: MonitorRates, column: str) -> dict[float, float]:
    return {item.size: item.rate.ratio for item in found.detections if item.column == column}


def test_a_large_drift_is_always_seen_and_a_small_one_rarely(tmp_path: Path) -> None:
    write_baseline(tmp_path)
    found = rates(tmp_path)
    assert found.rows == ROWS // 10  # as many as were held out
    temp = by_size(found, "temp")
    assert list(temp) == [0.1, 0.25, 0.5, 1.0]
    assert temp[0.1] < temp[0.25]
    assert temp[0.5] == temp[1.0] == 1
    carrier = by_size(found, "carrier")
    assert list(carrier) == [0.02, 0.05, 0.1, 0.2]
    assert carrier[0.02] < 0.1 < 0.9 < carrier[0.2]
    # Windows of 800 rows drawn from the same 800 stray twice as far as windows of fresh rows.
    assert found.false_alerts.low <= 0.2


def test_windows_have_the_rows_of_the_reference_blocks(tmp_path: Path) -> None:
    bounds = write_baseline(tmp_path).bounds
    blocks = tuple(item.model_copy(update={"block_rows": 1500}) for item in bounds)
    assert rates(tmp_path, bounds=blocks).rows == 1500


@pytest.mark.parametrize(("block_rows", "rows"), [(199, 200), (200, 200), (201, 201)])
def test_no_window_is_smaller_than_what_is_judged(
    tmp_path: Path, block_rows: int, rows: int
) -> None:
    bounds = write_baseline(tmp_path).bounds
    blocks = tuple(item.model_copy(update={"block_rows": block_rows}) for item in bounds)
    assert rates(tmp_path, bounds=blocks).rows == rows


@pytest.mark.parametrize(("block_rows", "rows"), [(299, 299), (300, 300), (301, 300)])
def test_a_very_large_window_is_tried_on_fewer_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block_rows: int, rows: int
) -> None:
    monkeypatch.setattr("seatrial.monitoring.detection_rates.MAX_ROWS", 300)
    bounds = write_baseline(tmp_path).bounds
    blocks = tuple(item.model_copy(update={"block_rows": block_rows}) for item in bounds)
    assert rates(tmp_path, bounds=blocks).rows == rows


def test_a_bound_out_of_reach_sees_nothing(tmp_path: Path) -> None:
    bounds = write_baseline(tmp_path).bounds
    deaf = tuple(item.model_copy(update={"bound": 9.0, "block_rows": 200}) for item in bounds)
    found = rates(tmp_path, bounds=deaf)
    assert {item.rate.count for item in found.detections} == {0}
    assert found.false_alerts.count == 0


def test_a_bound_of_nothing_alerts_about_everything(tmp_path: Path) -> None:
    bounds = write_baseline(tmp_path).bounds
    nervous = {"bound": 0.0, "floor": 0.0, "block_rows": 200}
    found = rates(tmp_path, bounds=tuple(item.model_copy(update=nervous) for item in bounds))
    assert found.false_alerts.count == WINDOWS
    assert {item.rate.ratio for item in found.detections} == {1.0}


def test_a_false_alert_needs_as_many_columns_as_the_rule_says(tmp_path: Path) -> None:
    """Five columns are over their bounds in every window; a rule of six is never met."""
    bounds = write_baseline(tmp_path).bounds
    nervous = {"bound": 0.0, "floor": 0.0, "block_rows": 200}
    changed = tuple(item.model_copy(update=nervous) for item in bounds)
    for fewest, alerts in ((5, WINDOWS), (6, 0)):
        rule = AlertRule(min_drifted_columns=fewest)
        assert rates(tmp_path, bounds=changed, alert_rule=rule).false_alerts.count == alerts


def test_a_column_without_values_is_not_moved(tmp_path: Path) -> None:
    write_baseline(tmp_path)
    summary = read_contract(Summary, tmp_path / "summary.json")
    empty = summarise_reference({"temp": np.full(9, np.nan)}, categorical=())
    columns = {**summary.columns, "temp": empty.columns["temp"]}
    write_contract(summary.model_copy(update={"columns": columns}), tmp_path / "summary.json")
    assert "temp" not in {item.column for item in rates(tmp_path).detections}


def test_the_seed_fixes_the_rates(tmp_path: Path) -> None:
    write_baseline(tmp_path)
    assert rates(tmp_path) == rates(tmp_path)


def test_a_share_of_all_rows_is_given_whatever_is_missing() -> None:
    values = np.array(["a", None, "b", "a", float("nan"), "a", "b", "a", "c", "a"], dtype=object)
    moved = give_share(values, "b", 0.4)
    assert [value == "b" for value in moved].count(True) == 2 + 4
    assert moved[1] == moved[4] == "b"


def test_booleans_and_labels_are_categories_by_their_digits() -> None:
    moved = give_share(np.array([True, False, False, True]), "1", 0.25)
    assert moved.tolist() == [True, "1", False, True]


def test_a_single_category_gives_to_a_new_one() -> None:
    assert receiver({"a": 3}) == NEW_CATEGORY
    assert receiver({"a": 3, "b": 3}) == "b"


@pytest.mark.parametrize(
    ("count", "low", "high"), [(0, 0.0, 0.0881), (20, 0.352, 0.648), (40, 0.9119, 1.0)]
)
def test_the_interval_is_wilsons(count: int, low: float, high: float) -> None:
    found = rate(count, 40)
    assert (found.low, found.high) == (
        pytest.approx(low, abs=5e-4),
        pytest.approx(high, abs=5e-4),
    )


def test_the_verb_prints_and_writes_the_rates(tmp_path: Path) -> None:
    write_baseline(tmp_path / "baseline")
    arguments = ["monitor", "selftest", str(tmp_path / "baseline"), "--out", str(tmp_path)]
    config = tmp_path / "c.yaml"
    config.write_text(f"monitoring:\n  min_rows: {MIN_ROWS}\n", encoding="utf-8")
    ended = CliRunner().invoke(app, ["--config", str(config), *arguments])
    assert ended.exit_code == 0, ended.output
    assert "passed: moved rows, 168 h" in ended.output
    assert "0.25 σ" in ended.output
    found = read_contract(SelfTestReport, tmp_path / "selftest.json")
    assert found.passed
    assert {item.column for item in found.rates[0].detections} == {
        "temp",
        "stops",
        "carrier",
        "label",
        "score",
    }


def test_a_monitor_that_arm_monitoring_would_refuse_is_exit_1(tmp_path: Path) -> None:
    """With more rows wanted than were held out, the self-test's drift is not judged."""
    write_baseline(tmp_path / "baseline")
    config = tmp_path / "c.yaml"
    config.write_text("monitoring:\n  min_rows: 801\n", encoding="utf-8")
    arguments = ["monitor", "selftest", str(tmp_path / "baseline"), "--out", str(tmp_path)]
    ended = CliRunner().invoke(app, ["--config", str(config), "--json", *arguments])
    assert ended.exit_code == 1
    assert [test["alert"] for test in json.loads(ended.stdout)["tests"]] == [False, False]
