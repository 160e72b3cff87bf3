"""Has the window moved away from the reference, further than ordinary windows do?

Reads   window/ (window.json, window.parquet, baseline/), the configuration.
Writes  drift/: drift.json (DriftReport), drift.html (Evidently's report)
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from seatrial.config import read_resolved_config
from seatrial.contracts import (
    Baseline,
    DriftReport,
    ModelSignature,
    Summary,
    Window,
    read_contract,
    write_contract,
)
from seatrial.monitoring.columns import categorical_names, model_columns, read_columns
from seatrial.monitoring.distributions import with_distributions
from seatrial.monitoring.drift import decide
from seatrial.monitoring.drift_limits import limits
from seatrial.monitoring.exact import REFERENCE_ROWS, settle_from_files
from seatrial.monitoring.report import SAMPLE_ROWS, draw, write_note, write_report
from seatrial.monitoring.summary import without_columns
from seatrial.monitoring.text import measured_names, read_texts
from seatrial.monitoring.window_rows import sample_window, summarise_window
from seatrial.steps.entry import run


def detect(window_dir: Path, output: Path, *, min_rows: int) -> DriftReport:
    """Write the verdict and the report on a collected window, and return the verdict."""
    window = read_contract(Window, window_dir / "window.json")
    folder = window_dir / "baseline"
    baseline = read_contract(Baseline, folder / "baseline.json")
    whole = read_contract(Summary, folder / "summary.json")
    unobserved, texts = window.unobserved_columns, read_texts(folder)
    reference = without_columns(whole, (*unobserved, *measured_names(unobserved)))
    signature = read_contract(ModelSignature, folder / "signature.json")
    known_columns = [
        item
        for item in (*model_columns(signature), *texts.columns)
        if item.name in reference.columns
    ]
    path, window_h = window_dir / "window.parquet", window.judged_h
    summary = summarise_window(path, like=reference, texts=texts)
    report = decide(
        baseline,
        reference,
        summary,
        window_h=window_h,
        min_rows=min_rows,
        settle=settle_from_files(folder / REFERENCE_ROWS, path, reference, texts),
    )
    report = with_distributions(report, reference, summary)
    write_contract(report, output / "drift.json")
    if report.status == "not enough data":
        write_note(report.detail, output / "drift.html")
        return report
    known = limits(baseline, reference, rows=report.rows, window_h=window_h).by_signal
    asked = texts.sources(reference.columns)
    columns = [item for item in model_columns(signature) if item.name in asked]
    drawn = draw(
        read_columns(folder / "reference_sample.parquet", known_columns),
        sample_window(path, columns, rows=report.rows, wanted=SAMPLE_ROWS, texts=texts),
        {name: limit.least for (name, metric), limit in known.items() if metric != "missing_ratio"},
        categorical_names(signature),
    )
    write_report(drawn, output / "drift.html")
    return report


def main(argv: Sequence[str] | None = None) -> int:
    """The step's program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--window", type=Path, required=True)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args(argv)
    min_rows = read_resolved_config(args.config).monitoring.min_rows
    detect(args.window, args.output, min_rows=min_rows)
    return 0


if __name__ == "__main__":
    run(main)
