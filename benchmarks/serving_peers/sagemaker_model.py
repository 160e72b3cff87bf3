"""The benchmark's model for AWS's sagemaker-inference toolkit: code/inference.py of an archive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnxruntime


def model_fn(model_dir: str) -> Any:
    """Open the session."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    path = str(Path(model_dir) / "model.onnx")
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def predict_fn(data: Any, model: Any) -> Any:
    """Label and score of each row; the toolkit reads and writes JSON itself."""
    labels, scores = model.run(["label", "probabilities"], {"X": data.astype("float32")})
    return list(zip(labels.tolist(), scores[:, 1].tolist(), strict=True))
