"""Summaries: cells that the reference fixes, counts and sums over them, and merging."""

from __future__ import annotations

import numpy as np
import pytest

from seatrial.contracts import CategoricalSummary, NumericSummary, Summary
from seatrial.errors import InputError
from seatrial.monitoring.merging import merge, subtract
from seatrial.monitoring.summary import (
    MAX_CELLS,
    category,
    cells,
    mean,
    missing_ratio,
    present_rows,
    summarise,
    summarise_reference,
)

RANDOM = np.random.default_rng(0)
NUMBERS = {
    "normal": RANDOM.normal(size=20_000),
    "long tail": RANDOM.lognormal(0, 1.5, 20_000),
    "one value": np.full(500, 7.1),
    "counts": RANDOM.poisson(3, 5_000).astype(float),
    "half zero": np.where(RANDOM.random(5_000) < 0.5, 0, RANDOM.normal(size=5_000)),
    "many ties": np.round(RANDOM.normal(size=20_000), 2),
    "whole numbers": RANDOM.integers(-500, 500, 5_000),
    "two rows": np.array([1.0, 2.0]),
}


def objects(*values: object) -> np.ndarray:
    return np.array(values, dtype=object)


def number_summary(values: np.ndarray, like: Summary | None = None) -> NumericSummary:
    reference = like or summarise_reference({"x": values}, categorical=())
    column = summarise({"x": values}, like=reference).columns["x"]
    assert isinstance(column, NumericSummary)
    return column


@pytest.mark.parametrize("name", NUMBERS)
def test_cells_are_ordered_few_and_end_at_the_extremes(name: str) -> None:
    values = NUMBERS[name]
    upper = cells(values)
    assert (np.diff(upper) > 0).all()
    assert len(upper) < MAX_CELLS
    assert upper[0] <= values.min()
    assert upper[-1] == values.max()


@pytest.mark.parametrize("name", ["counts", "half zero", "one value", "two rows"])
def test_an_atom_has_a_cell_of_its_own(name: str) -> None:
    values = NUMBERS[name]
    distinct, counts = np.unique(values, return_counts=True)
    frequent = distinct[counts > len(values) / 100]
    assert len(frequent)
    column = number_summary(values)
    upper = np.array(column.upper)
    for atom in frequent:
        cell = int(np.searchsorted(upper, atom))
        assert upper[cell] == atom
        assert upper[cell - 1] == np.nextafter(atom, -np.inf)
        assert column.counts[cell] == (values == atom).sum()


def test_a_cell_includes_its_upper_end_and_not_its_lower() -> None:
    like = Summary(
        rows=0,
        columns={
            "x": NumericSummary(upper=(1, 2), counts=(0, 0, 0), sums=(0, 0, 0), missing=0, std=1)
        },
    )
    column = number_summary(np.array([0.5, 1.0, 1.5, 2.0, 2.5]), like)
    assert column.counts == (2, 2, 1)
    assert column.sums == (1.5, 3.5, 2.5)


def test_values_outside_the_reference_are_counted() -> None:
    reference = summarise_reference({"x": NUMBERS["normal"]}, categorical=())
    column = number_summary(np.array([-1e9, 1e9]), reference)
    assert (column.counts[0], column.counts[-1]) == (1, 1)


def test_counts_sums_and_std_are_those_of_the_values() -> None:
    values = NUMBERS["long tail"]
    column = number_summary(values)
    assert present_rows(column) == len(values)
    assert mean(column) == pytest.approx(values.mean())
    assert column.std == pytest.approx(values.std())


@pytest.mark.parametrize(
    ("values", "missing"),
    [
        pytest.param(np.array([1.0, np.nan, np.inf, -np.inf]), 3, id="nan and infinities"),
        pytest.param(np.full(4, np.nan), 4, id="all of them"),
        pytest.param(objects(None, None, 1.0, 2), 2, id="objects"),
        pytest.param(np.array([1, 2, 3, 4]), 0, id="whole numbers"),
    ],
)
def test_missing_numbers_are_counted_apart(values: np.ndarray, missing: int) -> None:
    reference = summarise_reference({"x": np.arange(10.0)}, categorical=())
    column = number_summary(values, reference)
    assert column.missing == missing
    assert present_rows(column) == 4 - missing
    assert missing_ratio(column) == missing / 4


def test_a_column_without_any_value_can_be_a_reference() -> None:
    reference = summarise_reference({"x": np.full(5, np.nan)}, categorical=())
    column = number_summary(np.array([1.0, np.nan]), reference)
    assert column.upper == ()
    assert (column.counts, column.missing, column.std) == ((1,), 1, 0)
    assert mean(number_summary(np.array([np.nan]), reference)) is None


def test_categories_are_counted_and_missing_ones_apart() -> None:
    values = objects("UA", "AA", None, "UA", float("nan"), "")
    column = summarise_reference({"x": values}, categorical=()).columns["x"]
    assert column == CategoricalSummary(counts={"": 1, "AA": 1, "UA": 2}, missing=2)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(np.array([1, 0, 1]), id="labels"),
        pytest.param(np.array([1.0, 0.0, 1.0]), id="labels beside a gap"),
        pytest.param(np.array([True, False, True]), id="booleans"),
        pytest.param(objects("1", "0", "1"), id="text"),
    ],
)
def test_a_category_has_one_name_however_it_is_stored(values: np.ndarray) -> None:
    column = summarise_reference({"x": values}, categorical={"x"}).columns["x"]
    assert column.counts == {"0": 1, "1": 2}


def test_a_number_that_is_not_whole_is_a_category_as_written() -> None:
    assert (category(1.5), category(-3.0), category("1.0")) == ("1.5", "-3", "1.0")


@pytest.mark.parametrize("name", NUMBERS)
def test_merging_batches_gives_the_summary_of_all_rows(name: str) -> None:
    columns = {"x": NUMBERS[name], "c": objects(*(str(int(v)) for v in NUMBERS[name]))}
    whole = summarise_reference(columns, categorical=())
    cut = len(NUMBERS[name]) // 3
    parts = [
        summarise({key: values[rows] for key, values in columns.items()}, like=whole)
        for rows in (slice(cut), slice(cut, None))
    ]
    merged = merge(*parts)
    assert merged.rows == whole.rows
    assert merged.columns["c"] == whole.columns["c"]
    left, right = merged.columns["x"], whole.columns["x"]
    assert isinstance(left, NumericSummary)
    assert isinstance(right, NumericSummary)
    assert left.counts == right.counts
    assert left.sums == pytest.approx(right.sums)


def test_subtracting_a_part_gives_the_rest() -> None:
    columns = {"x": NUMBERS["counts"], "c": objects(*(str(v) for v in NUMBERS["counts"]))}
    whole = summarise_reference(columns, categorical=())
    part = summarise({key: values[:4_999] for key, values in columns.items()}, like=whole)
    rest = summarise({key: values[4_999:] for key, values in columns.items()}, like=whole)
    assert subtract(whole, part) == rest


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"x": np.arange(5.0)}, id="other cells"),
        pytest.param({"x": objects("a")}, id="another kind"),
        pytest.param({"y": np.arange(9.0)}, id="other columns"),
    ],
)
def test_summaries_of_different_references_do_not_merge(other: dict[str, np.ndarray]) -> None:
    left = summarise_reference({"x": np.arange(9.0)}, categorical=())
    with pytest.raises(InputError, match="like the same reference"):
        merge(left, summarise_reference(other, categorical=()))


def test_rows_without_a_column_of_the_reference_are_refused() -> None:
    reference = summarise_reference({"x": np.arange(3.0), "y": np.arange(3.0)}, categorical=())
    with pytest.raises(InputError, match=r"no column y.*the columns x, y"):
        summarise({"x": np.arange(3.0)}, like=reference)


def test_a_summary_survives_json_exactly() -> None:
    made = summarise_reference({"x": NUMBERS["half zero"]}, categorical=())
    assert Summary.model_validate_json(made.model_dump_json()) == made
