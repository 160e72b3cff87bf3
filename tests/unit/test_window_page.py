"""monitoring.html says what monitoring.json says, and takes nothing from it as markup."""

from __future__ import annotations

import pytest
from window_inputs import alerting, history, quiet, window

from seatrial.contracts import ClassifierBound, ClassifierVerdict, ColumnGain, MetricEstimate
from seatrial.monitoring.promises import REGRESSION
from seatrial.report.frame import POLICY
from seatrial.report.window_charts import MAX_COLUMNS, MAX_WINDOWS, columns_chart, timeline_chart
from seatrial.report.window_page import render_window


def test_an_alert_says_why_what_was_done_and_what_was_not() -> None:
    page = render_window(alerting(), history(10))
    for told in (
        '<h1 id="verdict" class="state">Alert<',
        "Drift: dew moved.",
        "message 1",
        "not done: window 1 of 2 in a row",
        "wanted max 100; for example -999",
        "flights-1",
        "6,384",
    ):
        assert told in page
    assert all(f'id="figure-{key}"' in page for key in ("timeline", "columns", "metrics"))


def test_a_window_that_is_well_has_no_empty_parts() -> None:
    page = render_window(quiet(), history(1))
    assert 'class="state">No alert<' in page
    assert "Why" not in page
    assert "What was done" not in page
    assert "Broken expectations" not in page
    assert 'id="figure-columns"' not in page


def test_it_links_what_is_beside_it() -> None:
    page = render_window(quiet(), history(1))
    assert '<a href="drift.html">' in page
    assert '<a href="monitoring.json">' in page


def test_it_loads_nothing() -> None:
    page = render_window(alerting(), history(3))
    assert POLICY.replace("'", "&#x27;") in page
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_hostile_names_are_text() -> None:
    hostile = '<img src=x onerror="alert(1)">'
    found = alerting(reasons=(hostile,), window=window(endpoint_config_name=hostile))
    page = render_window(found, history(2))
    assert "<img" not in page
    assert "&lt;img" in page


@pytest.mark.parametrize("weeks", [1, MAX_WINDOWS, MAX_WINDOWS + 5])
def test_the_timeline_ends_with_this_window_and_does_not_grow(weeks: int) -> None:
    chart = timeline_chart(history(weeks))
    assert chart.drawing.count("<rect") == min(weeks, MAX_WINDOWS)
    assert "2026-07-13" in chart.drawing


def test_only_the_worst_columns_are_drawn_and_all_are_in_the_table() -> None:
    drift = alerting().drift
    chart = columns_chart(drift)
    assert chart.drawing.count("<rect") == MAX_COLUMNS
    assert chart.table.count("<tr>") == 1 + len(drift.columns)
    # a bound of nothing is passed by anything, and comes first
    assert chart.drawing.index(">constant<") < chart.drawing.index(">dew<")


def test_what_probabilities_promise_is_shown_with_its_blind_spot() -> None:
    promised = MetricEstimate(
        metric="brier", value=0.15, of_labelled_rows=0.16, realised=0.24, parted=True
    )
    labels = alerting().labels.model_copy(update={"estimates": (promised,)})
    page = render_window(alerting(labels=labels), history(1))
    assert 'id="estimates"' in page
    assert "parted: concept drift" in page
    assert "cannot be seen so" in page
    assert 'id="estimates"' not in render_window(alerting(), history(1))


def test_a_window_without_an_estimate_says_why() -> None:
    labels = alerting().labels.model_copy(update={"not_estimated": REGRESSION})
    page = render_window(alerting(labels=labels), history(1))
    assert f"Not estimated: {REGRESSION}." in page


@pytest.mark.parametrize("status", ["drift", "not enough data"])
def test_what_all_columns_tell_together_is_shown(status: str) -> None:
    told = (ColumnGain(column="<dew>", share=0.7),) if status == "drift" else ()
    bound = ClassifierBound(
        window_h=168,
        columns=("<dew>", "temp"),
        rows=2000,
        bound=0.6,
        floor=0.55,
        blocks=12,
        largest_block_auc=0.58,
    )
    found = ClassifierVerdict.model_validate(
        {"status": status, "bound": bound, "columns": told, "detail": "AUC 0.810"}
    )
    drift = alerting().drift.model_copy(update={"classifier": found})
    page = render_window(alerting(drift=drift), history(1))
    assert f"{status}: AUC 0.810." in page
    section = page.split('id="classifier"')[1].split("</section>")[0]
    assert ("&lt;dew&gt;" in section and "70%" in section) is (status == "drift")
    assert 'id="classifier"' not in render_window(alerting(), history(1))
