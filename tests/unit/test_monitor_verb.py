"""What `seatrial monitor run` prints of a window."""

from __future__ import annotations

from pathlib import Path

import pytest
from window_inputs import alerting, quiet, window

from seatrial.cli.monitor import say_monitoring
from seatrial.contracts import Monitoring


def said(found: Monitoring, capsys: pytest.CaptureFixture[str]) -> list[str]:
    say_monitoring(found, Path("july"))
    return capsys.readouterr().out.splitlines()


def test_an_alert_is_told_with_its_counts_what_was_done_and_where_to_read_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = said(alerting(), capsys)
    told = lines[next(at for at, line in enumerate(lines) if "records" in line) :]
    assert told == [
        "168 records, 98.0% of all calls, 3 synthetic, 1 broken lines (window/broken.jsonl)",
        "labels: scored, 6000 rows, accuracy 0.653, auc 0.700, 1 labels of no row in this window",
        "ALERT",
        "  Decay: auc is 0.700.",
        "  Drift: dew moved.",
        "sns: message 1",
        "retraining: not done: window 1 of 2 in a row",
        "more: july/monitoring/monitoring.html",
    ]


def test_what_is_not_there_is_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    nothing = {"synthetic_records": 0, "broken_lines": 0, "completeness_ratio": None}
    found = quiet().model_copy(update={"window": window(rows=0, records=0, **nothing)})
    assert said(found, capsys) == [
        "0 rows: no drift",
        "0 records",
        "labels: no labels",
        "no alert",
        "more: july/monitoring/monitoring.html",
    ]
