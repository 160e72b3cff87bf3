"""A day of records of a model that takes one number and gives one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from seatrial.contracts import InputColumn, ModelSignature, OutputColumn
from seatrial.monitoring.span import Span

START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = Span(START, START + timedelta(days=1))
CONTRACT = ModelSignature(
    task="regression",
    model_file="model.onnx",
    inputs=(InputColumn(name="x", type="double", required=True, onnx_input="x"),),
    outputs=(OutputColumn(name="y", type="double", onnx_output="y"),),
    label=None,
    score="y",
    input_example=({"x": 1.0},),
)
