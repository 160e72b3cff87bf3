"""Has a window moved away from the reference? For windows that one machine cannot summarise.

Started by spark-submit; not a step of the monitoring pipeline, whose windows are sampled down to
monitoring.max_rows. The window is Parquet with the model's columns, in S3 or where every executor
sees it.

Reads   the window, baseline/ (baseline.json, summary.json), the configuration.
Writes  drift/: drift.json (DriftReport), summary.json (Summary of the window)
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seatrial.config import read_resolved_config
from seatrial.contracts import Baseline, DriftReport, Summary, read_contract, write_contract
from seatrial.monitoring.distributions import with_distributions
from seatrial.monitoring.drift import decide
from seatrial.monitoring.spark import summarise_on_spark
from seatrial.monitoring.text import read_texts
from seatrial.steps.entry import run


def detect(
    spark: Any, window: str, baseline_dir: Path, output: Path, *, window_h: float, min_rows: int
) -> DriftReport:
    """Write the verdict on the window and its summary, and return the verdict."""
    baseline = read_contract(Baseline, baseline_dir / "baseline.json")
    reference = read_contract(Summary, baseline_dir / "summary.json")
    texts = read_texts(baseline_dir)
    summary = summarise_on_spark(spark, window, like=reference, texts=texts)
    report = decide(baseline, reference, summary, window_h=window_h, min_rows=min_rows)
    report = with_distributions(report, reference, summary)
    write_contract(summary, output / "summary.json")
    write_contract(report, output / "drift.json")
    return report


def main(argv: Sequence[str] | None = None) -> int:
    """The program that spark-submit starts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--window", required=True)
    parser.add_argument("--window-h", type=float, required=True)
    parser.add_argument("--baseline", type=Path, required=True)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args(argv)
    from pyspark.sql import SparkSession

    min_rows = read_resolved_config(args.config).monitoring.min_rows
    spark = SparkSession.builder.appName("seatrial").getOrCreate()
    try:
        detect(
            spark,
            args.window,
            args.baseline,
            args.output,
            window_h=args.window_h,
            min_rows=min_rows,
        )
    finally:
        spark.stop()
    return 0


if __name__ == "__main__":
    run(main)
