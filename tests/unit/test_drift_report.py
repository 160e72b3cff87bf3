"""Evidently's report: the verdict's own metrics and thresholds, on even samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seatrial.monitoring.report import draw, write_note, write_report

THRESHOLDS = {"temp": 2.0, "carrier": 0.3}


def columns(seed: int, *, shift: float = 0.0, rows: int = 2_000) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    carriers = np.array(["UA", "AA", None], dtype=object)
    return {
        "temp": random.normal(40 + 10 * shift, 10, rows),
        "carrier": random.choice(carriers, rows),
    }


def drawn(shift: float, thresholds: dict[str, float] | None = None) -> Any:
    return draw(columns(0), columns(1, shift=shift), thresholds or THRESHOLDS, {"carrier"})


def counted(report: Any) -> int:
    """The drifted columns that the report's head counts."""
    return round(json.loads(report.json())["metrics"][0]["value"]["count"])


@pytest.mark.parametrize(
    ("shift", "drifted"),
    [
        pytest.param(0.0, 0, id="nothing moved"),
        pytest.param(1.5, 0, id="moved, but within the bound"),
        pytest.param(3.0, 1, id="moved beyond the bound"),
    ],
)
def test_the_report_counts_what_the_verdict_counts(shift: float, drifted: int) -> None:
    assert counted(drawn(shift)) == drifted


def test_the_report_shows_the_verdicts_metrics() -> None:
    shown = {
        item["config"]["column"]: (item["config"]["method"], item["config"]["threshold"])
        for item in json.loads(drawn(3.0).json())["metrics"][1:]
    }
    assert shown == {"temp": ("wasserstein", 2.0), "carrier": ("jensenshannon", 0.3)}


def test_a_column_without_values_is_left_out() -> None:
    window = columns(1)
    window["temp"][:] = np.nan
    report = draw(columns(0), window, THRESHOLDS, {"carrier"})
    assert counted(report) == 0
    assert len(json.loads(report.json())["metrics"]) == 2


def test_a_constant_column_is_drawn() -> None:
    reference, window = columns(0), columns(1)
    reference["temp"][:] = window["temp"][:] = 7.0
    assert counted(draw(reference, window, THRESHOLDS, {"carrier"})) == 0


def test_the_page_is_one_file(tmp_path: Path) -> None:
    write_report(drawn(3.0), tmp_path / "drift.html")
    page = (tmp_path / "drift.html").read_text()
    assert "temp" in page
    assert "<html" in page
    assert list(tmp_path.iterdir()) == [tmp_path / "drift.html"]


def test_a_window_that_was_not_judged_gets_a_note(tmp_path: Path) -> None:
    write_note("3 rows; a verdict needs <200>", tmp_path / "drift.html")
    assert "3 rows; a verdict needs &lt;200&gt;" in (tmp_path / "drift.html").read_text()
