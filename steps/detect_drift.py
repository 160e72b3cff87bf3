"""Has the window moved away from the reference, further than ordinary windows do?

Reads   window/ (window.json, window.parquet, baseline/), the configuration.
Writes  drift/: drift.json (DriftReport), drift.html (Evidently's report)
"""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.config import read_resolved_config
from seatrial.contracts import (
    Baseline,
    ClassifierVerdict,
    DriftReport,
    ModelSignature,
    Summary,
    Window,
    read_contract,
    write_contract,
)
from seatrial.monitoring.classifier_bounds import bound_for, judge_together, with_classifier
from seatrial.monitoring.columns import categorical_names, model_columns, read_columns
from seatrial.monitoring.distributions import with_distributions
from seatrial.monitoring.domain_classifier import require_lightgbm
from seatrial.monitoring.drift import decide
from seatrial.monitoring.drift_limits import bound_length, limits
from seatrial.monitoring.exact import REFERENCE_ROWS, settle_from_files
from seatrial.monitoring.report import SAMPLE_ROWS, draw, write_note, write_report
from seatrial.monitoring.summary import without_columns
from seatrial.monitoring.text import Texts, measured_names, read_texts
from seatrial.monitoring.window_rows import sample_window, summarise_window
from seatrial.steps.entry import run

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Compared:
    """A window's file and its baseline's folder, with what is known of the recorded columns."""

    folder: Path
    window: Path
    baseline: Baseline
    reference: Summary
    signature: ModelSignature
    texts: Texts

    @classmethod
    def read(cls, window_dir: Path, unobserved: Collection[str]) -> Compared:
        """What CollectWindow wrote."""
        folder = window_dir / "baseline"
        summary = read_contract(Summary, folder / "summary.json")
        return cls(
            folder,
            window_dir / "window.parquet",
            read_contract(Baseline, folder / "baseline.json"),
            without_columns(summary, (*unobserved, *measured_names(unobserved))),
            read_contract(ModelSignature, folder / "signature.json"),
            read_texts(folder),
        )

    def samples(
        self, names: Collection[str], *, rows: int, wanted: int
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """These columns of the reference's sample, and of `wanted` of the window's `rows` rows."""
        known = model_columns(self.signature)
        sources = self.texts.sources(names)
        measured = [item for item in (*known, *self.texts.columns) if item.name in names]
        return read_columns(self.folder / "reference_sample.parquet", measured), sample_window(
            self.window,
            [item for item in known if item.name in sources],
            rows=rows,
            wanted=wanted,
            texts=self.texts,
        )


def detect(window_dir: Path, output: Path, *, min_rows: int) -> DriftReport:
    """Write the verdict and the report on a collected window, and return the verdict."""
    window = read_contract(Window, window_dir / "window.json")
    compared = Compared.read(window_dir, window.unobserved_columns)
    reference, window_h = compared.reference, window.judged_h
    summary = summarise_window(compared.window, like=reference, texts=compared.texts)
    settle = settle_from_files(
        compared.folder / REFERENCE_ROWS, compared.window, reference, compared.texts
    )
    report = decide(
        compared.baseline,
        reference,
        summary,
        window_h=window_h,
        min_rows=min_rows,
        settle=settle,
    )
    report = with_distributions(report, reference, summary)
    judged = report.status != "not enough data"
    if judged:
        found = judge_columns_together(compared, rows=report.rows, window_h=window_h)
        report = report if found is None else with_classifier(report, found)
    write_contract(report, output / "drift.json")
    if judged:
        draw_evidently(compared, output / "drift.html", rows=report.rows, window_h=window_h)
    else:
        write_note(report.detail, output / "drift.html")
    return report


def judge_columns_together(
    compared: Compared, *, rows: int, window_h: float
) -> ClassifierVerdict | None:
    """The domain classifier's verdict; None if the baseline was made without it."""
    length_h = bound_length(compared.baseline.bounds, window_h)
    known, columns = bound_for(compared.baseline, length_h), compared.reference.columns
    if known is None:
        return None
    require_lightgbm()
    names = [name for name in known.columns if name in columns]
    like = Summary(rows=rows, columns={name: columns[name] for name in names})
    sides = compared.samples(names, rows=rows, wanted=known.rows) if names else ({}, {})
    return judge_together(*sides, like, known)


def draw_evidently(compared: Compared, path: Path, *, rows: int, window_h: float) -> None:
    """Evidently's report, with the verdict's limits as its thresholds."""
    reference, signature = compared.reference, compared.signature
    known = limits(compared.baseline, reference, rows=rows, window_h=window_h).by_signal
    drawn = draw(
        *compared.samples(reference.columns, rows=rows, wanted=SAMPLE_ROWS),
        {name: limit.least for (name, metric), limit in known.items() if metric != "missing_ratio"},
        categorical_names(signature),
    )
    write_report(drawn, path)


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
