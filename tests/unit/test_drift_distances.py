"""Distances from summaries against exact ones from all values: scipy's and Evidently's."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance

from seatrial.contracts import CategoricalSummary, NumericSummary, Summary
from seatrial.monitoring.distances import (
    CONSTANT_UNIT,
    jensen_shannon,
    signals,
    unit,
    wasserstein_std,
)
from seatrial.monitoring.quiet import quiet
from seatrial.monitoring.summary import summarise, summarise_reference

TOLERANCE = 0.005
Make = Callable[[np.random.Generator, int, float], np.ndarray]

# Each makes `rows` values, moved by `shift` (about standard deviations).
NUMBERS: dict[str, Make] = {
    "normal": lambda random, rows, shift: random.normal(5 + 3 * shift, 3, rows),
    "long tail": lambda random, rows, shift: random.lognormal(shift, 1.5, rows),
    "heavy tails": lambda random, rows, shift: random.standard_t(2.5, rows) + shift,
    "counts": lambda random, rows, shift: random.poisson(3 + 2 * shift, rows),
    "large counts": lambda random, rows, shift: random.poisson(300 + 20 * shift, rows),
    "half zero": lambda random, rows, shift: np.where(
        random.random(rows) < 0.5 - shift / 4, 0, random.exponential(10, rows)
    ),
    "one decimal": lambda random, rows, shift: np.round(random.normal(shift, 1, rows), 1),
    "two decimals": lambda random, rows, shift: np.round(random.normal(shift, 1, rows), 2),
    "two humps": lambda random, rows, shift: np.where(
        random.random(rows) < 0.5 + shift / 4,
        random.normal(-5, 0.1, rows),
        random.normal(5, 0.1, rows),
    ),
    "times": lambda random, rows, shift: 1.6e9 + 1e6 * (random.random(rows) + shift),
}


def numbers(values: np.ndarray, like: Summary | None = None) -> tuple[Summary, NumericSummary]:
    reference = like or summarise_reference({"x": values}, categorical=())
    column = summarise({"x": values}, like=reference).columns["x"]
    assert isinstance(column, NumericSummary)
    return reference, column


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("shift", [0, 0.05, 0.5, 1.5])
def test_wasserstein_is_within_the_tolerance_of_the_exact_value(name: str, shift: float) -> None:
    random = np.random.default_rng(1)
    values = NUMBERS[name](random, 20_000, 0).astype(float)
    reference, column = numbers(values)
    for rows in (200, 3_000):
        window = NUMBERS[name](random, rows, shift).astype(float)
        exact = wasserstein_distance(values, window) / values.std()
        assert wasserstein_std(column, numbers(window, reference)[1]) == pytest.approx(
            exact, abs=TOLERANCE
        )


def test_a_shifted_count_is_seen_inside_ties() -> None:
    values = np.repeat([0.0, 1.0, 2.0, 3.0], [700, 200, 90, 10])
    reference, column = numbers(values)
    moved = numbers(values + 1, reference)[1]
    assert wasserstein_std(column, moved) == pytest.approx(1 / values.std(), rel=1e-9)


def test_a_window_beyond_the_reference_is_exact() -> None:
    values = np.linspace(0, 1, 1_000)
    reference, column = numbers(values)
    for shift in (-1e6, 1e6):
        score = wasserstein_std(column, numbers(values + shift, reference)[1])
        assert score == pytest.approx(1e6 / values.std(), rel=1e-6)


def test_identical_rows_have_no_distance() -> None:
    column = numbers(NUMBERS["long tail"](np.random.default_rng(2), 999, 0))[1]
    assert wasserstein_std(column, column) == 0


@pytest.mark.parametrize(
    ("reference", "window"),
    [
        pytest.param(np.arange(9.0), np.full(3, np.nan), id="window"),
        pytest.param(np.full(3, np.nan), np.arange(9.0), id="reference"),
        pytest.param(np.full(3, np.nan), np.full(3, np.nan), id="both"),
    ],
)
def test_a_side_without_values_leaves_it_to_the_missing_ratio(
    reference: np.ndarray, window: np.ndarray
) -> None:
    like = summarise_reference({"x": reference}, categorical=())
    found = {item.metric: item.score for item in signals(like, summarise({"x": window}, like=like))}
    assert found["wasserstein_std"] == 0
    missing = [np.isnan(side).mean() for side in (reference, window)]
    assert found["missing_ratio"] == abs(missing[0] - missing[1])


def test_a_constant_column_is_measured_in_a_small_unit() -> None:
    reference, column = numbers(np.full(50, 0.1))
    assert unit(column) == CONSTANT_UNIT
    moved = numbers(np.full(50, 0.1 + CONSTANT_UNIT), reference)[1]
    assert wasserstein_std(column, moved) == pytest.approx(1)


def test_a_column_in_small_units_is_not_blind() -> None:
    values = np.random.default_rng(3).normal(0, 1e-6, 5_000)
    reference, column = numbers(values)
    moved = numbers(values + 3e-6, reference)[1]
    assert wasserstein_std(column, moved) == pytest.approx(3, rel=0.05)


def categories(counts: dict[str, int], missing: int = 0) -> CategoricalSummary:
    return CategoricalSummary(counts=counts, missing=missing)


@pytest.mark.parametrize("seed", range(5))
def test_jensen_shannon_is_scipys(seed: int) -> None:
    random = np.random.default_rng(seed)
    names = [f"c{number}" for number in range(40)]
    left, right = (random.integers(0, 50, 40) for _ in range(2))
    found = jensen_shannon(
        categories(dict(zip(names, left.tolist(), strict=True))),
        categories(dict(zip(names, right.tolist(), strict=True))),
    )
    assert found == pytest.approx(jensenshannon(left, right), abs=1e-12)


def test_jensen_shannon_of_disjoint_categories_is_the_largest_there_is() -> None:
    assert jensen_shannon(categories({"a": 3}), categories({"b": 5})) == pytest.approx(
        math.sqrt(math.log(2))
    )


def test_a_missing_category_counts_as_one_of_its_own() -> None:
    with_gap, named = categories({"a": 5}, missing=5), categories({"a": 5, "b": 5})
    assert jensen_shannon(with_gap, with_gap) == 0
    assert jensen_shannon(categories({"a": 5}), with_gap) == pytest.approx(
        jensen_shannon(categories({"a": 5}), named)
    )


def test_scores_are_evidentlys() -> None:
    with quiet():
        from evidently.legacy.calculations.stattests import (
            jensenshannon_stat_test,
            wasserstein_stat_test,
        )
    import pandas as pd

    random = np.random.default_rng(4)
    sides = [
        {"x": random.normal(shift, 2, 4_000), "c": random.choice(["a", "b", "c"], 4_000, p=shares)}
        for shift, shares in ((0, (0.5, 0.3, 0.2)), (0.4, (0.2, 0.3, 0.5)))
    ]
    reference = summarise_reference(sides[0], categorical=())
    found = {
        item.column: item.score
        for item in signals(reference, summarise(sides[1], like=reference))
        if item.metric != "missing_ratio"
    }
    for column, test, kind in (
        ("x", wasserstein_stat_test, "num"),
        ("c", jensenshannon_stat_test, "cat"),
    ):
        left, right = (pd.Series(side[column]) for side in sides)
        exact = test(left, right, kind, 0.1).drift_score
        assert found[column] == pytest.approx(exact, abs=TOLERANCE)
