"""Compare a window's predictions with the truth, as far as it is known.

Reads   window/ (window.parquet, baseline/), the configuration, and labels: a CSV, JSON Lines or
        Parquet file or a folder of them, here or in S3 (a folder ends in a slash), or `none`.
Writes  labels/: labels.json (LabelScores)
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from seatrial.aws import S3, client
from seatrial.config import MonitoringConfig, read_resolved_config
from seatrial.contracts import Baseline, LabelScores, ModelSignature, read_contract, write_contract
from seatrial.errors import InputError
from seatrial.monitoring.columns import model_columns
from seatrial.monitoring.estimates import compare
from seatrial.monitoring.labels import join, labelled_rows, read_labels
from seatrial.monitoring.promises import Promising
from seatrial.monitoring.scores import score_metrics
from seatrial.monitoring.slices import score_slices
from seatrial.steps.entry import run

NO_LABELS = "none"


def score(window: Path, labels: Path | None, monitoring: MonitoringConfig) -> LabelScores:
    """The metrics of the window's labelled rows, and those that its probabilities promise.

    Too few rows are not scored, nor do they promise anything.
    """
    import pandas as pd

    baseline = read_contract(Baseline, window / "baseline" / "baseline.json")
    signature = read_contract(ModelSignature, window / "baseline" / "signature.json")
    rows = pd.read_parquet(window / "window.parquet")
    decay = {"max_decay": monitoring.max_decay}
    promising = Promising(signature, baseline.score_calibration, monitoring.min_rows)
    promised = promising.of(rows)
    if labels is None:
        return LabelScores(
            status="no labels",
            labelled_rows=0,
            unmatched_labels=0,
            metrics=(),
            estimates=tuple(compare(promised.metrics, {}, (), **decay)),
            not_estimated=promised.reason,
        )
    joined = join(rows, read_labels(labels, [item.name for item in model_columns(signature)]))
    labelled = labelled_rows(joined, signature)
    enough = len(labelled) >= monitoring.min_rows
    metrics = (
        score_metrics(labelled, baseline.quality, seed=baseline.seed, **decay) if enough else ()
    )
    slices, level = score_slices(
        joined.rows, baseline.slices, promising, seed=baseline.seed, **decay
    )
    expected = promising.of(joined.rows)
    return LabelScores(
        status="scored" if enough else "not enough labels",
        labelled_rows=len(labelled),
        unmatched_labels=joined.unmatched,
        metrics=metrics,
        estimates=tuple(compare(promised.metrics, expected.metrics, metrics, **decay)),
        not_estimated=promised.reason,
        slices=slices,
        slice_level=level,
    )


def fetch(uri: str, scratch: Path, s3: S3) -> Path:
    """The file, or the folder (its URI ends in a slash), here; InputError if that is empty."""
    if not uri.endswith("/"):
        return s3.download(uri, scratch / Path(uri).name)
    folder = s3.download_folder(uri, scratch)
    if not any(folder.iterdir()):
        raise InputError(
            "there are no labels",
            got=f"nothing below {uri}",
            allowed="a folder of CSV, JSON Lines or Parquet files",
            do=f"Check the URI, or give {NO_LABELS} until there are labels",
        )
    return folder


def main(argv: Sequence[str] | None = None) -> int:
    """The step's program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--window", type=Path, required=True)
    parser.add_argument("--labels", required=True)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args(argv)
    config = read_resolved_config(args.config)
    with TemporaryDirectory() as scratch:
        labels = None if args.labels == NO_LABELS else Path(args.labels)
        if args.labels.startswith("s3://"):
            labels = fetch(args.labels, Path(scratch), S3(client("s3", region=config.region)))
        write_contract(score(args.window, labels, config.monitoring), args.output / "labels.json")
    return 0


if __name__ == "__main__":
    run(main)
