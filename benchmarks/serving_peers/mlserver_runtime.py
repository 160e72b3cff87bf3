"""MLServer's custom runtime for the benchmark's model: its own protocol, V2, in JSON."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
from mlserver import MLModel  # type: ignore[import-not-found]
from mlserver.types import (  # type: ignore[import-not-found]
    InferenceRequest,
    InferenceResponse,
    ResponseOutput,
)


class Trees(MLModel):  # type: ignore[misc]
    """Reads the request's data itself: MLServer's codecs would cost more."""

    async def load(self) -> bool:
        """Open the session."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session: Any = onnxruntime.InferenceSession(
            self.settings.parameters.uri, options, providers=["CPUExecutionProvider"]
        )
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """The scores."""
        asked = payload.inputs[0]
        rows = np.array(asked.data.root, np.float32).reshape(asked.shape)
        labels, scores = self._session.run(["label", "probabilities"], {"X": rows})
        shape = [len(rows)]
        return InferenceResponse(
            model_name=self.name,
            outputs=[
                ResponseOutput(name="label", shape=shape, datatype="INT64", data=labels.tolist()),
                ResponseOutput(
                    name="score", shape=shape, datatype="FP32", data=scores[:, 1].tolist()
                ),
            ],
        )
