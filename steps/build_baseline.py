"""Summarise the reference period, and learn how far its ordinary windows stray.

Reads   candidates/ (optimization.json, the first survivor's archive), data/ (reference.parquet,
        validation.parquet, inputs.json), the configuration.
Writes  baseline/: baseline.json, summary.json, suite.json, signature.json,
        reference_sample.parquet, held_out.parquet, reference_rows.parquet up to
        monitoring.max_reference_rows, vocabulary.json if a column is text; for SageMaker Model
        Monitor, statistics.json and constraints.json
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from seatrial.archives import unpack
from seatrial.config import Config, MonitoringConfig, read_resolved_config
from seatrial.contracts import (
    Baseline,
    Candidate,
    ModelInputs,
    ModelSignature,
    Optimization,
    Task,
    read_contract,
    write_contract,
)
from seatrial.errors import InputError
from seatrial.limits import load_limits
from seatrial.monitoring.baseline import (
    Rows,
    hold_out,
    measure_texts,
    sample,
    summarise_parts,
)
from seatrial.monitoring.columns import (
    categorical_names,
    model_columns,
    write_columns,
)
from seatrial.monitoring.domain_classifier import require_lightgbm
from seatrial.monitoring.exact import REFERENCE_ROWS, write_reference_rows
from seatrial.monitoring.ids import id_columns
from seatrial.monitoring.joint_rates import LEAST_HELD_OUT
from seatrial.monitoring.model_monitor import write_model_monitor
from seatrial.monitoring.recorded import configured_recording
from seatrial.monitoring.reference import evidence, reference_parts, validated_rows
from seatrial.monitoring.row_counts import RowCounts, expected_rows
from seatrial.monitoring.selftest import seed_from
from seatrial.monitoring.subject import Subject, make_baseline
from seatrial.monitoring.suite import build_suite, write_suite
from seatrial.monitoring.text import write_texts
from seatrial.optimization.data import read_frame
from seatrial.steps.entry import run

if TYPE_CHECKING:
    import pandas as pd


def choose_candidate(optimization: Optimization) -> Candidate:
    """The first survivor: fp32. If none is left, the first candidate, so that the judge can say so.

    It is not known yet which one will serve: this runs beside ProfileModel. fp32 is the closest to
    the original, the guards keep the others close to that, and JudgeReadiness says how much of a
    drift bound the difference may use up (its check BASELINE_MATCH).
    """
    return (*optimization.survivors, *optimization.candidates)[0]


def build(
    candidates: Path,
    reference: pd.DataFrame,
    *,
    target: str,
    time_column: str | None,
    task: Task,
    config: Config,
    output: Path,
    model_package_arn: str | None,
    validation: pd.DataFrame | None = None,
) -> Baseline:
    """Write the baseline of the chosen candidate into `output`, and return it."""
    from seatrial.serving.model import Model

    if config.monitoring.domain_classifier:
        require_lightgbm()
    chosen = choose_candidate(read_contract(Optimization, candidates / "optimization.json"))
    if chosen.archive is None:
        raise InputError(
            "no candidate was built, so there are no predictions to make a baseline of",
            got=chosen.rejection or chosen.name,
            allowed="one candidate that loads",
            do="Read the reasons in optimization.json",
        )
    with TemporaryDirectory() as scratch:
        limit_mb = load_limits().disk_mb.value
        folder = unpack(candidates / chosen.archive, Path(scratch), max_mb=limit_mb)
        signature = read_contract(ModelSignature, folder / "signature.json")
        model = Model.load(folder)
        parts = reference_parts(reference, validation, model, signature, time_column, config)
        validated = validated_rows(validation, target, model, signature)
    monitoring, seed = config.monitoring, seed_from(model_package_arn or "")
    recording, inputs = configured_recording(config.endpoint), parts[0]
    hidden = frozenset((*recording.dropped, *recording.hashed))
    told = evidence(reference, validated, signature, config, hidden=hidden, seed=seed)
    asked = [item for item in model_columns(signature) if item.name not in hidden]
    parts = [part for part in (item.without(hidden) for item in parts) if part.columns]
    write_model_monitor(parts, asked, output)
    texts, parts = measure_texts(parts)
    columns = [*(item for item in asked if item.name not in texts.words), *texts.columns]
    least = LEAST_HELD_OUT if monitoring.domain_classifier else 0
    parts, held_out = hold_out(parts, max(monitoring.min_rows, least), seed)
    summary = summarise_parts(parts, categorical_names(signature))
    subject = Subject(
        task=task,
        target=target,
        input_columns=tuple(item.name for item in signature.inputs if item.name not in hidden),
        output_columns=tuple(item.name for item in signature.outputs),
        model_package_arn=model_package_arn,
        candidate=chosen.name,
        period=_period(inputs),
        held_out_rows=len(next(iter(held_out.values()))),
        quality=chosen.quality | told.quality,
        score_calibration=told.score_calibration,
        slices=told.slices,
    )
    baseline = make_baseline(subject, parts, summary, monitoring, seed=seed)
    write_columns(held_out, columns, output / "held_out.parquet")
    write_columns(sample(parts, seed), columns, output / "reference_sample.parquet")
    if max(map(len, parts)) <= monitoring.max_reference_rows:
        columns_of_parts = [part.columns for part in parts]
        write_reference_rows(columns_of_parts, summary, output / REFERENCE_ROWS)
    suite = build_suite(
        summary,
        asked,
        baseline.bounds,
        floor=monitoring.drift_floor,
        ids=id_columns(inputs.columns, asked),
        row_counts=_row_counts(inputs, monitoring, recording.sample_rate),
    )
    write_suite(suite, output / "suite.json")
    write_texts(texts, output)
    write_contract(signature, output / "signature.json")
    write_contract(summary, output / "summary.json")
    write_contract(baseline, output / "baseline.json")
    return baseline


def _row_counts(inputs: Rows, monitoring: MonitoringConfig, recorded: float) -> list[RowCounts]:
    """How many rows windows have; nothing is known of it without times, or of an unknown share."""
    share = monitoring.reference_share
    if inputs.times is None or share is None:
        return []
    return [
        expected_rows(inputs.times, window_h, per_reference_row=recorded / share)
        for window_h in monitoring.window_h
    ]


def _period(rows: Rows) -> tuple[datetime | None, datetime | None]:
    """The first and the last time."""
    if rows.times is None:
        return None, None
    first, last = rows.times.min().item(), rows.times.max().item()
    return first.replace(tzinfo=UTC), last.replace(tzinfo=UTC)


def main(argv: Sequence[str] | None = None) -> int:
    """The step's program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--model-package-arn")
    args = parser.parse_args(argv)
    inputs = read_contract(ModelInputs, args.data / "inputs.json")
    build(
        args.candidates,
        read_frame(args.data / "reference.parquet"),
        target=inputs.target,
        time_column=inputs.time_column,
        task=inputs.task,
        config=read_resolved_config(args.config),
        output=args.output,
        model_package_arn=args.model_package_arn,
        validation=read_frame(args.data / "validation.parquet"),
    )
    return 0


if __name__ == "__main__":
    run(main)
