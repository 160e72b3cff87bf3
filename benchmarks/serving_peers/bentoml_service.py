"""BentoML's service for the benchmark's model."""

from __future__ import annotations

import os

import bentoml  # type: ignore[import-not-found]
import numpy as np
import onnxruntime


@bentoml.service(workers=1, metrics={"enabled": False}, logging={"access": {"enabled": False}})
class Trees:
    """An async method, so that no thread has to be found for it."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            os.environ["BENCHMARK_MODEL"], options, providers=["CPUExecutionProvider"]
        )

    @bentoml.api(route="/invocations")  # type: ignore[untyped-decorator]
    async def predict(self, instances: list[list[float]]) -> list[dict[str, float]]:
        """Label and score of each row."""
        rows = np.array(instances, np.float32)
        labels, scores = self._session.run(["label", "probabilities"], {"X": rows})
        return [
            {"label": label, "score": score}
            for label, score in zip(labels.tolist(), scores[:, 1].tolist(), strict=True)
        ]
