"""Distributions from summaries: what they keep of the rows, and how they are drawn."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from window_inputs import alerting, column, distributions, history

from seatrial.contracts import DriftReport, NumericSummary
from seatrial.contracts.distribution import Distribution
from seatrial.monitoring.distributions import (
    BINS,
    MAX_CATEGORIES,
    MAX_DRAWN,
    numbers,
    with_distributions,
)
from seatrial.monitoring.summary import summarise, summarise_reference
from seatrial.report.distribution_charts import OTHERS, distribution_charts
from seatrial.report.window_page import render_window

Pair = tuple[np.ndarray, np.ndarray]


def drawn(*pairs: Pair) -> tuple[Distribution, ...]:
    """The distributions of columns c0, c1, … with these values before and now."""
    before = {f"c{at}": pair[0] for at, pair in enumerate(pairs)}
    reference = summarise_reference(before, categorical=())
    window = summarise({f"c{at}": pair[1] for at, pair in enumerate(pairs)}, like=reference)
    report = DriftReport(
        rows=window.rows,
        window_h=168,
        status="no drift",
        columns=tuple(column(name, 1.0, 1.0, drifted=False) for name in before),
        detail="",
    )
    return with_distributions(report, reference, window).distributions


def test_the_bins_hold_what_a_histogram_of_the_rows_would() -> None:
    random = np.random.default_rng(0)
    before, now = random.normal(0, 1, 50_000), random.normal(0.5, 1, 50_000)
    (found,) = drawn((before, now))
    assert len(found.edges) == BINS + 1
    for side, rows in ((found.reference, before), (found.window, now)):
        counted, _ = np.histogram(np.clip(rows, found.edges[0], found.edges[-1]), found.edges)
        assert sum(side) == pytest.approx(1)
        assert np.abs(np.array(side) - counted / len(rows)).max() < 0.004


def test_one_far_value_does_not_hide_the_rest() -> None:
    before = np.append(np.random.default_rng(0).normal(0, 1, 10_000), 1e9)
    (found,) = drawn((before, before))
    assert found.edges[-1] < 10
    assert sum(found.reference) == pytest.approx(1)


def test_whole_numbers_have_whole_ends() -> None:
    """The first cell ends one float below 0; nobody wants to read -5e-324."""
    (found,) = drawn((np.arange(60) % 6, np.arange(60) % 3))
    assert (found.edges[0], found.edges[-1]) == (0.0, 5.0)
    assert max(found.window) == pytest.approx(1 / 3)
    assert found.window_beyond == 0


@pytest.mark.parametrize("far", [-7.0, 7.0])
def test_what_is_beyond_the_reference_is_counted_and_said(far: float) -> None:
    random = np.random.default_rng(0)
    (found,) = drawn((random.random(1000), np.append(random.random(300) * 0.5 + 0.2, [far] * 100)))
    assert found.window_beyond == pytest.approx(0.25, abs=0.002)
    report = alerting().drift.model_copy(
        update={
            "columns": (column("c0", 1.0, 1.0, drifted=True),),
            "distributions": (found,),
        }
    )
    (chart,) = distribution_charts(report)
    assert "of the window is beyond all values of the reference" in chart.note


@pytest.mark.parametrize("value", [0.0, 5.0, -3.0])
def test_a_constant_column_can_be_drawn(value: float) -> None:
    (found,) = drawn((np.full(9, value), np.full(9, value)))
    assert sum(found.reference) == sum(found.window) == pytest.approx(1)
    assert max(found.window) == pytest.approx(1)


@pytest.mark.parametrize("count", [MAX_CATEGORIES - 1, MAX_CATEGORIES, MAX_CATEGORIES + 1])
def test_the_smallest_categories_are_put_together(count: int) -> None:
    names = np.array([f"n{at}" for at in range(count)], dtype=object)
    before = np.repeat(names, np.arange(count, 0, -1) * 10)
    (found,) = drawn((before, np.full(5, "new", dtype=object)))
    assert found.categories[0] == "new"
    assert found.others is (count + 1 > MAX_CATEGORIES)
    assert len(found.categories) == min(count + 1, MAX_CATEGORIES)
    assert sum(found.reference) == pytest.approx(1)
    assert found.window[0] == 1


def test_only_the_worst_columns_are_drawn() -> None:
    pairs = [(np.arange(9.0), np.arange(9.0))] * (MAX_DRAWN + 1)
    assert [item.column for item in drawn(*pairs)] == [f"c{at}" for at in range(MAX_DRAWN)]


@pytest.mark.parametrize("side", [0, 1])
def test_a_column_without_values_is_not_drawn(side: int) -> None:
    pair = [np.arange(9.0), np.arange(9.0)]
    pair[side] = np.full(9, np.nan)
    assert drawn((pair[0], pair[1])) == ()


def test_an_unnamed_bin_is_refused() -> None:
    with pytest.raises(ValidationError, match="1 and 1 shares, allowed 2 of each"):
        Distribution(column="c", edges=(0, 1, 2), reference=(1,), window=(1,))


@pytest.mark.parametrize(("beyond", "told"), [(0.0099, False), (0.01, True), (0.011, True)])
def test_a_few_values_beyond_are_not_worth_a_word(beyond: float, told: bool) -> None:
    drift = alerting().drift
    item = drift.distributions[0].model_copy(update={"window_beyond": beyond})
    (chart,) = distribution_charts(drift.model_copy(update={"distributions": (item,)}))
    assert ("beyond all values" in chart.note) is told


def test_each_is_a_figure_with_its_words_and_its_table() -> None:
    charts = list(distribution_charts(alerting().drift))
    assert [chart.key for chart in charts] == ["distribution-1", "distribution-2"]
    assert "most of the window at 10 to 20 (80.0%)" in charts[0].description
    assert charts[0].drawing.count("<rect") == 3
    assert charts[0].drawing.count("<polyline") == 1
    assert charts[0].table.count("<tr>") == 1 + 3
    assert "from 20.0% to 95.0%" in charts[1].description
    assert charts[1].drawing.count("<rect") == 2 * 3
    assert OTHERS in charts[1].table


def test_hostile_categories_are_text_and_the_page_stays_small() -> None:
    page = render_window(alerting(), history(1))
    assert "<b>a category" not in page
    bare = alerting(drift=alerting().drift.model_copy(update={"distributions": ()}))
    added = len(page) - len(render_window(bare, history(1)))
    assert 0 < added < 4000 * len(distributions())


def test_a_long_category_does_not_make_the_page_long() -> None:
    drift = alerting().drift
    long = drift.distributions[1].model_copy(update={"categories": ("x" * 100_000, "UA")})
    (chart,) = distribution_charts(drift.model_copy(update={"distributions": (long,)}))
    assert len(chart.drawing + chart.table) < 6000
    assert "…" in chart.table


def test_bins_do_not_need_a_wide_range() -> None:
    side = NumericSummary(
        upper=(1e-9, 2e-9), counts=(0, 10, 0), sums=(0.0, 1.5e-8, 0.0), missing=0, std=1e-9
    )
    found = numbers("tiny", side, side)
    assert found.edges[0] < found.edges[-1] < 3e-9
