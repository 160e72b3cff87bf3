"""Windows as files: every type and every file is counted right, or refused by its name."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seatrial.contracts import CategoricalSummary, NumericSummary, Summary
from seatrial.errors import InputError
from seatrial.monitoring import row_groups
from seatrial.monitoring.arrow_summary import summarise_arrow
from seatrial.monitoring.row_groups import list_stretches
from seatrial.monitoring.summary import mean, summarise, summarise_reference
from seatrial.monitoring.window_rows import summarise_window

LIKE = summarise_reference(
    {"x": np.arange(10.0), "c": np.array(["1", "UA", "AA"], dtype=object)}, categorical=()
)


def write(folder: Path, *tables: dict[str, Any], names: str = "part-{}.parquet") -> Path:
    folder.mkdir(exist_ok=True)
    for number, columns in enumerate(tables):
        pq.write_table(pa.table(columns), folder / names.format(number))
    return folder


def numbers(summary: Summary) -> NumericSummary:
    column = summary.columns["x"]
    assert isinstance(column, NumericSummary)
    return column


def categories(summary: Summary) -> CategoricalSummary:
    column = summary.columns["c"]
    assert isinstance(column, CategoricalSummary)
    return column


@pytest.mark.parametrize(
    ("values", "counted", "missing"),
    [
        pytest.param(pa.array([1, 2, None], pa.int8()), 2, 1, id="small whole numbers"),
        pytest.param(pa.array([1, 2**63 - 1], pa.int64()), 2, 0, id="beyond a float's precision"),
        pytest.param(pa.array([0.5, None, float("nan")], pa.float32()), 1, 2, id="float32"),
        pytest.param(pa.array([float("inf"), 1.0, float("-inf")]), 1, 2, id="infinities"),
        pytest.param(pa.array([True, False, None]), 2, 1, id="booleans"),
        pytest.param(pa.array([Decimal("1.50"), None]), 1, 1, id="decimals"),
        pytest.param(pa.array(["1.5", "2", None]), 2, 1, id="numbers as text"),
        pytest.param(pa.array([1.0, 1.0]).dictionary_encode(), 2, 0, id="a dictionary"),
        pytest.param(pa.nulls(4), 0, 4, id="no type at all"),
        pytest.param(pa.array([None, None], pa.float64()), 0, 2, id="nothing but gaps"),
        pytest.param(pa.array([7.0] * 5), 5, 0, id="a constant"),
        pytest.param(pa.array([], pa.float64()), 0, 0, id="no rows"),
    ],
)
def test_numbers_of_any_type_are_counted(values: Any, counted: int, missing: int) -> None:
    table = pa.table({"x": values, "c": pa.nulls(len(values))})
    column = numbers(summarise_arrow(table, like=LIKE))
    assert (sum(column.counts), column.missing) == (counted, missing)


@pytest.mark.parametrize(
    ("values", "counts", "missing"),
    [
        pytest.param(pa.array(["UA", None, "UA", ""]), {"": 1, "UA": 2}, 1, id="text"),
        pytest.param(pa.array(["UA", None]).dictionary_encode(), {"UA": 1}, 1, id="a dictionary"),
        pytest.param(pa.array(["UA"], pa.large_string()), {"UA": 1}, 0, id="large text"),
        pytest.param(pa.array([1, None, 1]), {"1": 2}, 1, id="whole numbers"),
        pytest.param(pa.array([1.0, None, float("nan")]), {"1": 1}, 2, id="beside gaps"),
        pytest.param(pa.array([True, False, None]), {"0": 1, "1": 1}, 1, id="booleans"),
        pytest.param(pa.nulls(3), {}, 3, id="nothing but gaps"),
    ],
)
def test_categories_of_any_type_are_counted(
    values: Any, counts: dict[str, int], missing: int
) -> None:
    table = pa.table({"x": pa.nulls(len(values)), "c": values})
    column = categories(summarise_arrow(table, like=LIKE))
    assert (column.counts, column.missing) == (counts, missing)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        pytest.param({"x": ["many"], "c": ["UA"]}, r"x is not of its type.*many", id="text"),
        pytest.param({"x": [[1.0]], "c": ["UA"]}, r"x is not of its type.*list", id="lists"),
        pytest.param({"x": [1.0], "c": [["UA"]]}, r"c is not of its type.*list", id="categories"),
    ],
)
def test_a_type_that_cannot_be_counted_is_refused(columns: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        summarise_arrow(pa.table(columns), like=LIKE)


def test_arrow_and_arrays_give_equal_numbers() -> None:
    random = np.random.default_rng(0)
    rows = 5000
    columns = {
        "x": np.where(random.random(rows) < 0.1, np.nan, random.lognormal(0, 2, rows)),
        "c": random.choice(np.array(["UA", "AA", None], dtype=object), rows),
    }
    table = pa.table({name: pa.array(values, from_pandas=True) for name, values in columns.items()})
    assert summarise_arrow(table, like=LIKE) == summarise(columns, like=LIKE)


def test_files_of_no_rows_count_for_nothing(tmp_path: Path) -> None:
    full = {"x": [1.0, 2.0], "c": ["UA", "AA"]}
    empty = {"x": pa.array([], pa.float64()), "c": pa.array([], pa.string())}
    found = summarise_window(write(tmp_path / "w", empty, full, empty), like=LIKE)
    assert found == summarise_arrow(pa.table(full), like=LIKE)


def test_a_schema_that_changes_within_the_window_is_followed(tmp_path: Path) -> None:
    tables = (
        {"x": pa.array([1, 2]), "c": ["1", "UA"]},
        {"c": pa.array([1, None]), "new": [0, 0], "x": pa.array([3.0, None])},
        {"c": ["AA"], "extra": [5]},  # x is gone: missing in this row
    )
    found = summarise_window(write(tmp_path / "w", *tables), like=LIKE)
    assert found.rows == 5
    assert (numbers(found).missing, mean(numbers(found))) == (2, 2.0)
    assert (categories(found).counts, categories(found).missing) == ({"1": 2, "AA": 1, "UA": 1}, 1)


def test_a_column_that_no_file_has_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "w", {"c": ["UA"]}, {"c": ["AA"]})
    with pytest.raises(InputError, match=r"no column x.*the columns x, c"):
        summarise_window(folder, like=LIKE)


@pytest.mark.parametrize("kept_bytes", [0, 10, -20], ids=["empty", "head only", "cut short"])
def test_a_damaged_file_is_refused_by_its_name(tmp_path: Path, kept_bytes: int) -> None:
    folder = write(tmp_path / "w", *[{"x": [1.0], "c": ["UA"]}] * 2)
    path = folder / "part-1.parquet"
    path.write_bytes(path.read_bytes()[:kept_bytes])
    with pytest.raises(InputError, match=r"cannot be read.*part-1\.parquet.*whole Parquet files"):
        summarise_window(folder, like=LIKE)


def test_a_folder_without_files_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "w", {"x": [1.0], "c": ["UA"]}, names="_hidden-{}.parquet")
    with pytest.raises(InputError, match="no window to summarise"):
        summarise_window(tmp_path / "w", like=LIKE)


@pytest.mark.parametrize(
    ("groups", "stretches"),
    [
        pytest.param(15, 1, id="under"),
        pytest.param(16, 1, id="exactly"),
        pytest.param(17, 2, id="over"),
    ],
)
def test_a_stretch_has_at_most_so_many_row_groups(
    tmp_path: Path, groups: int, stretches: int
) -> None:
    assert row_groups.STRETCH_GROUPS == 16
    table = pa.table({"x": np.arange(float(groups)), "c": ["UA"] * groups})
    pq.write_table(table, tmp_path / "w.parquet", row_group_size=1)
    found = list_stretches(str(tmp_path / "w.parquet"), like=LIKE)
    assert (len(found), sum(map(len, found))) == (stretches, groups)
    assert summarise_window(tmp_path / "w.parquet", like=LIKE).rows == groups
