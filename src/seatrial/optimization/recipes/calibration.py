"""Rows of reference data as the graph's input tensors, to find the ranges of its activations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.serving.array_feeds import fill
from seatrial.serving.graph import feed_plan
from seatrial.serving.signature import read_signature

if TYPE_CHECKING:
    from onnxruntime.quantization import CalibrationDataReader

    Array = np.ndarray[Any, np.dtype[Any]]

# Bounds the memory: every activation of a batch is kept until its range is taken.
BATCH_ROWS = 16


def feeds(model: Path, signature: Path, columns: Mapping[str, Array]) -> Iterator[dict[str, Array]]:
    """The rows as feeds of the graph, in the batches that it takes; a last part batch is left out
    if its batch size is fixed.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    plan = feed_plan(session.get_inputs(), read_signature(signature.parent))
    fixed = next(
        (item.shape[0] for item in session.get_inputs() if isinstance(item.shape[0], int)), None
    )
    rows = len(next(iter(columns.values())))
    size = fixed or BATCH_ROWS
    for start in range(0, rows, size):
        part = {name: values[start : start + size] for name, values in columns.items()}
        count = min(size, rows - start)
        if fixed is None or count == fixed:
            yield {feed.name: fill(feed, part, count) for feed in plan}


def reader(batches: Iterator[dict[str, Array]]) -> CalibrationDataReader:
    """ONNX Runtime's interface to calibration rows."""
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> dict[str, Array] | None:
            return next(batches, None)

    return Reader()
