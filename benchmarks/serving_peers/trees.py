"""The model that all serve: boosted trees on 20 columns of numbers, made here from a fixed seed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from skl2onnx import to_onnx
from sklearn.ensemble import HistGradientBoostingClassifier

COLUMNS = 20
_ROWS, _TREES, _LEAVES = 4000, 100, 15


def make_model(folder: Path) -> list[list[float]]:
    """Write model.onnx and signature.json into the folder; some rows to ask for."""
    random = np.random.default_rng(20261124)
    rows = random.normal(size=(_ROWS, COLUMNS)).round(4).astype(np.float32)
    late = (rows[:, 0] + rows[:, 1] * rows[:, 2] + random.normal(size=_ROWS)) > 0.5
    trees = HistGradientBoostingClassifier(
        max_iter=_TREES, max_leaf_nodes=_LEAVES, early_stopping=False, random_state=0
    ).fit(rows, late.astype(np.int64))
    graph = to_onnx(trees, rows[:1], options={"zipmap": False}, target_opset={"": 18})
    graph.ir_version = 9
    text = graph.SerializeToString()
    inputs = [item.name for item in graph.graph.input]
    outputs = [item.name for item in graph.graph.output]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(text)
    asked: list[list[float]] = rows[:16].astype(float).round(4).tolist()
    (folder / "signature.json").write_text(json.dumps(_signature(inputs, outputs, asked[0])))
    return asked


def _signature(inputs: list[str], outputs: list[str], example: list[float]) -> dict[str, object]:
    names = [f"feature_{number}" for number in range(COLUMNS)]
    label, scores = outputs
    return {
        "schema_version": 1,
        "task": "binary_classification",
        "model_file": "model.onnx",
        "inputs": [
            {"name": name, "type": "double", "required": False, "onnx_input": inputs[0]}
            for name in names
        ],
        "outputs": [
            {"name": "label", "type": "long", "onnx_output": label, "index": None},
            {"name": "score", "type": "double", "onnx_output": scores, "index": 1},
        ],
        "label": "label",
        "score": "score",
        "input_example": [dict(zip(names, example, strict=True))],
    }
