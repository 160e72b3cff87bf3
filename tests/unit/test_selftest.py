"""The monitor's self-test: windows whose answer is known, and monitors that get it wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from selftest_inputs import ARN, MIN_ROWS, write_baseline

from seatrial.contracts import (
    Summary,
    read_contract,
    write_contract,
)
from seatrial.errors import InputError
from seatrial.monitoring.distances import Metric
from seatrial.monitoring.drift_limits import Limit
from seatrial.monitoring.selftest import choose_columns, seed_from, self_tests
from seatrial.monitoring.summary import summarise_reference


def test_a_sound_monitor_passes(tmp_path: Path) -> None:
    write_baseline(tmp_path)
    untouched, moved = self_tests(tmp_path, seed_from(ARN), min_rows=MIN_ROWS)
    assert untouched.passed
    assert (untouched.expected_alert, untouched.alert) == (False, False)
    assert moved.passed
    assert moved.alert
    assert len(moved.moved_columns) == 2
    assert set(moved.moved_columns) == set(moved.alerted_columns)
    assert {test.rows for test in (untouched, moved)} == {800}


@pytest.mark.parametrize("seed", range(20))
def test_whatever_columns_the_seed_picks_a_sound_monitor_passes(tmp_path: Path, seed: int) -> None:
    write_baseline(tmp_path)
    tests = self_tests(tmp_path, seed, min_rows=MIN_ROWS)
    assert all(test.passed for test in tests)
    assert set(tests[1].moved_columns) & {"temp", "stops", "score"}, "at least one of numbers"


def test_the_seed_picks_the_columns(tmp_path: Path) -> None:
    write_baseline(tmp_path)
    chosen = {self_tests(tmp_path, seed, min_rows=MIN_ROWS)[1].moved_columns for seed in range(20)}
    assert len(chosen) > 5
    assert self_tests(tmp_path, 1, min_rows=MIN_ROWS) == self_tests(tmp_path, 1, min_rows=MIN_ROWS)


def test_a_monitor_that_alarms_about_ordinary_rows_fails(tmp_path: Path) -> None:
    write_baseline(tmp_path)
    summary = read_contract(Summary, tmp_path / "summary.json")
    winter = summarise_reference({"temp": np.full(100, -40.0)}, categorical=())
    spoilt = summary.model_copy(
        update={"columns": {**summary.columns, "temp": winter.columns["temp"]}}
    )
    write_contract(spoilt, tmp_path / "summary.json")
    untouched = self_tests(tmp_path, 1, min_rows=MIN_ROWS)[0]
    assert untouched.alert
    assert not untouched.passed


def test_a_monitor_that_has_too_few_rows_to_see_a_drift_fails(tmp_path: Path) -> None:
    write_baseline(tmp_path)
    untouched, moved = self_tests(tmp_path, 1, min_rows=801)
    assert untouched.passed
    assert not moved.alert
    assert not moved.passed


def test_exactly_enough_rows_are_enough(tmp_path: Path) -> None:
    write_baseline(tmp_path)
    assert all(test.passed for test in self_tests(tmp_path, 1, min_rows=800))


def test_each_window_length_is_tested(tmp_path: Path) -> None:
    baseline = write_baseline(tmp_path)
    days = tuple(item.model_copy(update={"window_h": 24.0}) for item in baseline.bounds)
    longer = baseline.model_copy(update={"bounds": (*baseline.bounds, *days)})
    write_contract(longer, tmp_path / "baseline.json")
    names = [test.name for test in self_tests(tmp_path, 1, min_rows=MIN_ROWS)]
    assert names == [
        "untouched rows, 24 h",
        "moved rows, 24 h",
        "untouched rows, 168 h",
        "moved rows, 168 h",
    ]


def known_limits(bound: float) -> dict[tuple[str, Metric], Limit]:
    return {("text", "jensen_shannon"): Limit(bound, 0.1)}


def test_without_numbers_a_category_is_moved() -> None:
    rows = summarise_reference({"text": np.array(["a", "b"], dtype=object)}, categorical=())
    assert choose_columns(rows, known_limits(0.5), seed=1) == ("text",)


def test_a_model_of_unique_texts_alone_cannot_be_tested() -> None:
    rows = summarise_reference({"text": np.array(["a", "b"], dtype=object)}, categorical=())
    with pytest.raises(InputError, match="no column that can be moved past its bound"):
        choose_columns(rows, known_limits(0.82), seed=1)


def test_the_seed_follows_from_the_arn() -> None:
    assert seed_from(ARN) == seed_from(ARN)
    assert seed_from(ARN) != seed_from(ARN.replace("/1", "/2"))
    assert 0 <= seed_from("") < 2**48
