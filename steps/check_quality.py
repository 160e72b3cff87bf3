"""Check a window's rows against the baseline's Great Expectations suite.

Reads   window/ (window.json, window.parquet, baseline/suite.json, or
        suite.yaml where people have edited it), the configuration.
Writes  quality/: quality.json (QualityReport)
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from seatrial.config import read_resolved_config
from seatrial.contracts import QualityReport, Window, read_contract, write_contract
from seatrial.steps.entry import run


def check_window(folder: Path, window: Window, *, min_rows: int) -> QualityReport:
    """The suite's verdict on window.parquet; fewer than `min_rows` rows are not judged.

    Nor are columns that are unobserved: the server does not record them.
    A suite lets one row in a hundred be odd, and a handful of rows has no hundredth.
    """
    import pandas as pd

    from seatrial.monitoring.expectations import check, find_suite, read_suite

    frame = pd.read_parquet(folder / "window.parquet")
    if len(frame) < min_rows:
        return QualityReport(rows=len(frame), evaluated=0, failed=(), success=True)
    suite = read_suite(
        find_suite(folder / "baseline"),
        without=window.unobserved_columns,
        window_h=window.judged_h,
        sample_ratio=window.sample_ratio,
    )
    return check(frame, suite)


def main(argv: Sequence[str] | None = None) -> int:
    """The step's program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--window", type=Path, required=True)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args(argv)
    min_rows = read_resolved_config(args.config).monitoring.min_rows
    window = read_contract(Window, args.window / "window.json")
    report = check_window(args.window, window, min_rows=min_rows)
    write_contract(report, args.output / "quality.json")
    return 0


if __name__ == "__main__":
    run(main)
