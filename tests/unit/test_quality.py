"""The Great Expectations suite: built from the reference, and run on windows."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from window_inputs import window

from seatrial.contracts import DriftBound, InputColumn, QualityReport
from seatrial.errors import InputError
from seatrial.monitoring.columns import Column
from seatrial.monitoring.expectations import check, read_suite
from seatrial.monitoring.row_counts import RowCounts
from seatrial.monitoring.suite import MAX_CATEGORIES, build_suite, write_suite
from seatrial.monitoring.summary import summarise_reference
from seatrial.steps.check_quality import check_window

ROWS = 1_000


def column(name: str, kind: Any) -> Column:
    return InputColumn(name=name, type=kind, required=False, onnx_input=name)


COLUMNS = (
    column("temp", "double"),
    column("stops", "long"),
    column("carrier", "string"),
    column("wet", "boolean"),
)


def rows(seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {
        "temp": np.where(random.random(ROWS) < 0.05, np.nan, random.uniform(0, 40, ROWS)),
        "stops": random.integers(0, 3, ROWS),
        "carrier": random.choice(np.array(["UA", "AA"], dtype=object), ROWS),
        "wet": random.random(ROWS) < 0.5,
    }


REFERENCE = summarise_reference(rows(), categorical={"wet"})


def bound(size: float) -> DriftBound:
    return DriftBound(
        column="temp",
        metric="missing_ratio",
        window_h=168,
        bound=size,
        floor=0.1,
        blocks=12,
        largest_block_score=size,
    )


SUITE = build_suite(REFERENCE, COLUMNS, [bound(0.05)], floor=0.1)


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("suite") / "suite.json"
    write_suite(SUITE, path)
    return read_suite(path)


def test_the_suite_is_great_expectations_own_json(suite: Any) -> None:
    again = suite.to_json_dict()
    for expectation in again["expectations"]:
        del expectation["severity"]  # its default
    assert again["expectations"] == SUITE["expectations"]
    assert len(suite.expectations) == 4 * 3 + 2 + 1


def test_rows_like_the_reference_pass(suite: Any) -> None:
    report = check(pd.DataFrame(rows(1)), suite)
    assert report == QualityReport(rows=ROWS, evaluated=15, failed=(), success=True)


def test_a_season_is_not_a_fault(suite: Any) -> None:
    summer = rows(1)
    summer["temp"] = summer["temp"] + 35
    assert check(pd.DataFrame(summer), suite).success


def failures(frame: pd.DataFrame, suite: Any) -> dict[str, Any]:
    report = check(frame, suite)
    assert report.success is not bool(report.failed)
    return {f"{item.column} {item.expectation}": item for item in report.failed}


def test_values_out_of_range_are_named_and_counted(suite: Any) -> None:
    broken = rows(1)
    broken["temp"][:50] = -999
    found = failures(pd.DataFrame(broken), suite)
    assert list(found) == ["temp expect_column_values_to_be_between"]
    failed = found["temp expect_column_values_to_be_between"]
    assert failed.unexpected_count == 50
    assert failed.unexpected_ratio == pytest.approx(0.0526, abs=0.002)  # of those that are there
    assert "for example -999.0" in failed.detail


@pytest.mark.parametrize(
    ("outliers", "passes"),
    [
        pytest.param(9, True, id="under one in a hundred"),
        pytest.param(10, True, id="exactly"),
        pytest.param(11, False, id="over"),
    ],
)
def test_one_row_in_a_hundred_may_be_odd(suite: Any, outliers: int, passes: bool) -> None:
    odd = rows(1)
    odd["stops"][:outliers] = 999
    assert check(pd.DataFrame(odd), suite).success is passes


@pytest.mark.parametrize(
    ("missing", "passes"),
    [
        pytest.param(140, True, id="under"),
        pytest.param(150, True, id="about what is allowed"),
        pytest.param(160, False, id="over"),
    ],
)
def test_the_missing_share_may_grow_by_the_floor(suite: Any, missing: int, passes: bool) -> None:
    gaps = rows(1)
    gaps["temp"] = np.arange(float(ROWS)) % 40
    reference_missing = round(ROWS * 0.05)
    gaps["temp"][: missing + REFERENCE.columns["temp"].missing - reference_missing] = np.nan
    assert check(pd.DataFrame(gaps), suite).success is passes


def test_the_missing_share_may_grow_as_far_as_blocks_strayed() -> None:
    allowed = [
        expectation["kwargs"]["mostly"]
        for size in (0.05, 0.4)
        for expectation in build_suite(REFERENCE, COLUMNS, [bound(size)], floor=0.1)["expectations"]
        if expectation["type"] == "expect_column_values_to_not_be_null"
        and expectation["kwargs"]["column"] == "temp"
    ]
    ratio = REFERENCE.columns["temp"].missing / ROWS
    assert allowed == [pytest.approx(1 - ratio - 0.1), pytest.approx(1 - ratio - 0.4)]


def test_unknown_categories_are_named(suite: Any) -> None:
    broken = rows(1)
    broken["carrier"][:100] = "??"
    found = failures(pd.DataFrame(broken), suite)
    failed = found["carrier expect_column_values_to_be_in_set"]
    assert failed.unexpected_ratio == 0.1
    assert failed.detail == (
        "wanted mostly 0.99, value_set 2 values; not so in 100 rows (10 %); for example ??"
    )


def test_a_column_that_is_absent_is_named(suite: Any) -> None:
    found = failures(pd.DataFrame(rows(1)).drop(columns="temp"), suite)
    assert "temp expect_column_to_exist" in found


def test_a_column_of_another_type_is_named(suite: Any) -> None:
    frame = pd.DataFrame(rows(1)).assign(temp="warm")
    assert "temp expect_column_values_to_be_in_type_list" in failures(frame, suite)


def test_a_gap_does_not_change_a_type(suite: Any) -> None:
    frame = pd.DataFrame(rows(1))
    frame["stops"] = frame["stops"].astype(float).where(frame.index > 5)
    frame["wet"] = frame["wet"].astype(object).where(frame.index > 5, None)
    frame["carrier"] = frame["carrier"].where(frame.index > 5, None)
    assert check(frame, suite).success


@pytest.mark.parametrize(
    ("count", "has_set"),
    [
        pytest.param(MAX_CATEGORIES, True, id="exactly at"),
        pytest.param(MAX_CATEGORIES + 1, False, id="over"),
    ],
)
def test_names_and_texts_have_no_set_of_values(count: int, has_set: bool) -> None:
    names = np.array([f"n{number}" for number in range(count)], dtype=object)
    reference = summarise_reference({"carrier": names}, categorical=())
    made = build_suite(reference, [column("carrier", "string")], [], floor=0.1)
    types = {item["type"] for item in made["expectations"]}
    assert ("expect_column_values_to_be_in_set" in types) is has_set


def test_a_column_that_was_always_missing_has_no_range() -> None:
    reference = summarise_reference({"temp": np.full(9, np.nan)}, categorical=())
    made = build_suite(reference, [column("temp", "double")], [], floor=0.1)
    by_type = {item["type"]: item["kwargs"] for item in made["expectations"]}
    assert "expect_column_values_to_be_between" not in by_type
    assert by_type["expect_column_values_to_not_be_null"]["mostly"] == 0


ORDERS = {"order": np.arange(ROWS)}
COUNTED = build_suite(
    summarise_reference(ORDERS, categorical=()),
    [column("order", "long")],
    [],
    floor=0.1,
    ids={"order"},
    row_counts=[RowCounts(168.0, 400, 1600)],
)


@pytest.mark.parametrize(
    ("twice", "passes"),
    [
        pytest.param(5, True, id="exactly one in a hundred"),
        pytest.param(6, False, id="over"),
    ],
)
def test_ids_that_come_twice_are_counted_and_not_shown(
    tmp_path: Path, twice: int, passes: bool
) -> None:
    orders = ORDERS["order"] + 7_000_000  # far beyond the reference's: ids have no range
    orders[:twice] = orders[-twice:]
    folder = write_window(tmp_path, pd.DataFrame({"order": orders}), suite=COUNTED)
    report = check_window(folder, window(), min_rows=200)
    assert report.success is passes
    if not passes:
        [failed] = report.failed
        assert (failed.column, failed.unexpected_count) == ("order", 2 * twice)
        assert failed.expectation == "expect_column_values_to_be_unique"
        assert failed.detail == "wanted mostly 0.99; not so in 12 rows (1.2 %)"


@pytest.mark.parametrize(
    ("rows_there", "ratio", "passes"),
    [
        pytest.param(399, 1.0, False, id="under"),
        pytest.param(400, 1.0, True, id="exactly the fewest"),
        pytest.param(1600, 1.0, True, id="exactly the most"),
        pytest.param(1601, 1.0, False, id="over"),
        pytest.param(801, 0.5, False, id="over, of which half was kept"),
    ],
)
def test_a_window_has_as_many_rows_as_the_references_have(
    tmp_path: Path, rows_there: int, ratio: float, passes: bool
) -> None:
    frame = pd.DataFrame({"order": np.arange(rows_there)})
    folder = write_window(tmp_path, frame, suite=COUNTED)
    report = check_window(folder, window(sample_ratio=ratio), min_rows=200)
    assert report.success is passes
    if not passes and ratio == 1:
        [failed] = report.failed
        assert (failed.column, failed.expectation) == (
            None,
            "expect_table_row_count_to_be_between",
        )
        assert failed.detail == f"wanted min_value 400, max_value 1600; found {rows_there}"


def test_a_window_that_an_update_cut_short_is_not_counted(tmp_path: Path) -> None:
    folder = write_window(tmp_path, pd.DataFrame({"order": np.arange(300)}), suite=COUNTED)
    updated = window(judged_from=window().started_at + timedelta(days=4))
    assert check_window(folder, updated, min_rows=200).success
    assert not check_window(folder, window(), min_rows=200).success


def write_window(folder: Path, frame: pd.DataFrame, *, suite: Any = SUITE) -> Path:
    (folder / "baseline").mkdir()
    write_suite(suite, folder / "baseline" / "suite.json")
    frame.to_parquet(folder / "window.parquet")
    return folder


@pytest.mark.parametrize(
    ("rows_there", "evaluated"),
    [
        pytest.param(199, 0, id="under"),
        pytest.param(200, 15, id="exactly at"),
        pytest.param(201, 15, id="over"),
    ],
)
def test_few_rows_are_not_checked(tmp_path: Path, rows_there: int, evaluated: int) -> None:
    broken = pd.DataFrame(rows(1)).assign(stops=999).head(rows_there)
    report = check_window(write_window(tmp_path, broken), window(), min_rows=200)
    assert report.evaluated == evaluated
    assert report.success is (evaluated == 0)


def test_what_the_server_does_not_record_is_not_judged(tmp_path: Path) -> None:
    hidden = pd.DataFrame(rows(1)).assign(stops=np.nan)
    folder = write_window(tmp_path, hidden)
    assert not check_window(folder, window(), min_rows=200).success
    report = check_window(folder, window(unobserved_columns=("stops",)), min_rows=200)
    assert report.success
    assert 0 < report.evaluated < 15


@pytest.mark.parametrize(
    "kwargs",
    [
        {"column": "secret"},
        {"column_A": "open", "column_B": "secret"},
        {"column_list": ["open", "secret"]},
    ],
)
def test_an_expectation_of_several_columns_is_left_out_with_any_of_them(
    tmp_path: Path, kwargs: dict[str, Any]
) -> None:
    path = tmp_path / "suite.json"
    kind = "expect_column_pair_values_to_be_equal"
    if "column" in kwargs:
        kind = "expect_column_to_exist"
    if "column_list" in kwargs:
        kind = "expect_compound_columns_to_be_unique"
    suite = {"name": "x", "expectations": [{"type": kind, "kwargs": kwargs, "meta": {}}]}
    path.write_text(json.dumps(suite))
    assert len(read_suite(path).expectations) == 1
    assert read_suite(path, without={"secret"}).expectations == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("{", id="not JSON"),
        pytest.param("[]", id="no mapping"),
        pytest.param('{"name": "x", "expectations": [{"type": "expect_luck"}]}', id="no kwargs"),
        pytest.param('{"expectations": []}', id="no name"),
    ],
)
def test_a_suite_that_was_edited_wrongly_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "suite.json"
    path.write_text(text)
    with pytest.raises(InputError, match="Correct what was edited"):
        read_suite(path)


def test_an_expectation_whose_name_is_misspelt_is_not_left_out(tmp_path: Path) -> None:
    asked = {"type": "expect_colum_to_exist", "kwargs": {"column": "temp"}}
    path = tmp_path / "suite.json"
    path.write_text(json.dumps({"name": "x", "expectations": [asked]}))
    with pytest.raises(InputError, match=r"expect_colum_to_exist not found.*Correct what"):
        read_suite(path)


def test_an_expectation_that_people_added_is_evaluated(tmp_path: Path) -> None:
    edited = json.loads(json.dumps(SUITE))
    edited["expectations"].append(
        {
            "type": "expect_column_mean_to_be_between",
            "kwargs": {"column": "temp", "min_value": 100, "max_value": 200},
            "meta": {},
        }
    )
    write_suite(edited, tmp_path / "suite.json")
    report = check(pd.DataFrame(rows(1)), read_suite(tmp_path / "suite.json"))
    assert [item.expectation for item in report.failed] == ["expect_column_mean_to_be_between"]
    assert report.failed[0].detail.startswith("wanted min_value 100")
    assert "found 19.9" in report.failed[0].detail


def test_what_people_edited_as_yaml_is_what_counts(tmp_path: Path) -> None:
    folder = write_window(tmp_path, pd.DataFrame(rows(1)).assign(stops=999))
    assert not check_window(folder, window(), min_rows=200).success
    kept = [item for item in SUITE["expectations"] if item["kwargs"].get("column") != "stops"]
    edited = folder / "baseline" / "suite.yaml"
    edited.write_text(yaml.safe_dump({**SUITE, "expectations": kept}))
    report = check_window(folder, window(), min_rows=200)
    assert (report.success, report.evaluated) == (True, len(kept))
    edited.write_text("expectations: [")
    with pytest.raises(InputError, match=r"suite\.yaml.*Correct what was edited"):
        check_window(folder, window(), min_rows=200)
