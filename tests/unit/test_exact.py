"""Verdicts from summaries are those of the rows: open ones are settled, others cannot differ."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seatrial.contracts import NumericSummary, Summary
from seatrial.monitoring.distances import Metric, Signal, signals
from seatrial.monitoring.exact import (
    exact_wasserstein_std,
    margin,
    settle_from_files,
    settled,
    write_reference_rows,
)
from seatrial.monitoring.summary import summarise, summarise_reference

CASES = 1_200
KEY: tuple[str, Metric] = ("x", "wasserstein_std")


def column(random: np.random.Generator) -> np.ndarray:
    """Of many shapes: smooth, heavy-tailed, tied, with gaps, constant."""
    rows = int(random.integers(50, 1_500))
    values = (
        random.normal(size=rows),
        random.standard_cauchy(size=rows),
        random.poisson(3, rows).astype(float),
        random.exponential(size=rows).round(1),
        np.where(random.random(rows) < 0.3, np.nan, random.normal(size=rows)),
        np.full(rows, 7.0),
    )
    return values[random.integers(len(values))]


def changed(values: np.ndarray, random: np.random.Generator) -> np.ndarray:
    drawn = random.choice(values, int(random.integers(50, 1_500)))
    return drawn * random.choice([1.0, 1.0, 1.3, 0.7]) + random.choice([0.0, 0.0, 0.1, 0.5])


def test_each_verdict_is_that_of_the_exact_computation() -> None:
    """Half of the bounds are within a thousandth of the exact score, on either side."""
    random = np.random.default_rng(0)
    asked = wrong_without = 0
    for case in range(CASES):
        values = column(random)
        other = changed(values, random)
        reference = summarise_reference({"x": values}, categorical=())
        window = summarise({"x": other}, like=reference)
        kind = reference.columns["x"]
        assert isinstance(kind, NumericSummary)
        exact = exact_wasserstein_std(values, other, kind)
        near = 1 + random.choice([-1e-3, -1e-6, 1e-6, 1e-3])
        bound = exact * (near if case % 2 else random.uniform(0.3, 2))
        calls: list[str] = []

        def settle(name: str, calls: list[str] = calls, exact: float = exact) -> float:
            calls.append(name)
            return exact

        found = list(
            settled(
                signals(reference, window),
                {KEY: bound, ("x", "missing_ratio"): 1.0},
                (reference, window),
                settle,
            )
        )
        assert (found[0].score > bound) is (exact > bound), (case, exact, bound)
        asked += bool(calls)
        plain = next(signals(reference, window)).score
        wrong_without += (plain > bound) is not (exact > bound)
    assert wrong_without > 20, "else nothing was settled that needed to be"
    assert asked < 0.8 * CASES, "what is clear is not computed again"


def test_the_exact_score_is_within_the_margin() -> None:
    random = np.random.default_rng(1)
    for _ in range(300):
        values = column(random)
        other = changed(values, random)
        reference = summarise_reference({"x": values}, categorical=())
        window = summarise({"x": other}, like=reference)
        before, now = reference.columns["x"], window.columns["x"]
        assert isinstance(before, NumericSummary)
        assert isinstance(now, NumericSummary)
        score = next(signals(reference, window)).score
        exact = exact_wasserstein_std(values, other, before)
        slack = 1e-9 * max(1.0, exact)
        assert score - slack <= exact <= score + margin(before, now) + slack


def test_columns_without_values_have_nothing_to_settle() -> None:
    nothing = np.full(5, np.nan)
    reference = summarise_reference({"x": nothing}, categorical=())
    before = reference.columns["x"]
    assert isinstance(before, NumericSummary)
    assert margin(before, before) == 0
    assert exact_wasserstein_std(nothing, np.ones(3), before) == 0


@pytest.fixture
def summary() -> Summary:
    random = np.random.default_rng(0)
    return summarise_reference(
        {"x": random.normal(size=400), "t": np.array(["a"] * 400, dtype=object)}, categorical=()
    )


def test_scores_are_settled_from_the_files(tmp_path: Path, summary: Summary) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    random = np.random.default_rng(0)
    first, second = random.normal(size=400), random.normal(0.2, 1, 300)
    parts = [{"x": first, "t": np.array(["a"] * 400, dtype=object)}]
    write_reference_rows(parts, summary, tmp_path / "reference.parquet")
    pq.write_table(pa.table({"x": second}), tmp_path / "window.parquet")
    settle = settle_from_files(tmp_path / "reference.parquet", tmp_path / "window.parquet", summary)
    kind = summary.columns["x"]
    assert settle is not None
    assert isinstance(kind, NumericSummary)
    expected = exact_wasserstein_std(first, second, kind)
    assert settle("x") == pytest.approx(expected)
    limits = {KEY: expected, ("x", "missing_ratio"): 1.0, ("t", "jensen_shannon"): 1.0}
    window = summarise({"x": second, "t": parts[0]["t"][:300]}, like=summary)
    found = list(settled(signals(summary, window), limits, (summary, window), settle))
    assert found[0] == Signal("x", "wasserstein_std", settle("x"))


def test_a_reference_that_kept_no_rows_leaves_it_to_the_summary(
    tmp_path: Path, summary: Summary
) -> None:
    assert settle_from_files(tmp_path / "reference.parquet", tmp_path, summary) is None
