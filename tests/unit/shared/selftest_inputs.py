"""A small baseline on disk, as BuildBaseline writes it: what the self-tests read."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from seatrial.config import load_config
from seatrial.contracts import (
    Baseline,
    InputColumn,
    ModelSignature,
    OutputColumn,
    write_contract,
)
from seatrial.monitoring.baseline import Rows, hold_out, sample, summarise_parts
from seatrial.monitoring.columns import categorical_names, model_columns, write_columns
from seatrial.monitoring.selftest import seed_from
from seatrial.monitoring.subject import Subject, make_baseline

ARN = "arn:aws:sagemaker:us-east-1:123456789012:model-package/flights/1"
ROWS, MIN_ROWS = 8_000, 200
SAMPLE = "reference_sample.parquet"
SIGNATURE = ModelSignature(
    task="binary_classification",
    model_file="model.onnx",
    inputs=(
        InputColumn(name="temp", type="double", required=False, onnx_input="temp"),
        InputColumn(name="stops", type="long", required=True, onnx_input="stops"),
        InputColumn(name="carrier", type="string", required=False, onnx_input="carrier"),
    ),
    outputs=(
        OutputColumn(name="label", type="long", onnx_output="label"),
        OutputColumn(name="score", type="double", onnx_output="score"),
    ),
    label="label",
    score="score",
    input_example=({"temp": 1.0, "stops": 1, "carrier": "UA"},),
)


def reference_rows(rows: int = ROWS) -> Rows:
    random = np.random.default_rng(0)
    score = random.random(rows)
    return Rows(
        {
            "temp": np.where(random.random(rows) < 0.1, np.nan, random.normal(40, 10, rows)),
            "stops": random.integers(0, 3, rows),
            "carrier": random.choice(np.array(["UA", "AA"], dtype=object), rows),
            "label": (score > 0.5).astype(np.int64),
            "score": score,
        },
        None,
    )


def write_baseline(
    folder: Path, *, min_rows: int = MIN_ROWS, rows: int = ROWS, **changes: object
) -> Baseline:
    """Of so many rows, with `changes` to the monitoring section of the configuration."""
    monitoring = load_config().monitoring.model_copy(update=changes)
    seed = seed_from(ARN)
    kept, held_out = hold_out([reference_rows(rows)], min_rows, seed)
    summary = summarise_parts(kept, categorical_names(SIGNATURE))
    subject = Subject(
        task=SIGNATURE.task,
        target="late",
        input_columns=tuple(item.name for item in SIGNATURE.inputs),
        output_columns=("label", "score"),
        model_package_arn=ARN,
        held_out_rows=len(held_out["temp"]),
    )
    baseline = make_baseline(subject, kept, summary, monitoring, seed=seed)
    write_columns(held_out, model_columns(SIGNATURE), folder / "held_out.parquet")
    write_columns(sample(kept, seed), model_columns(SIGNATURE), folder / SAMPLE)
    write_contract(baseline, folder / "baseline.json")
    write_contract(summary, folder / "summary.json")
    write_contract(SIGNATURE, folder / "signature.json")
    return baseline
