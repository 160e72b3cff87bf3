"""Sea trials for models on SageMaker Serverless Inference. Importing this loads nothing heavy."""

import os

__version__ = "0.1.0"

# ONNX Runtime's wheels for Linux (1.29 and later) write a device id to the home folder and send
# events to Microsoft, from the moment of being imported on; it looks at this once, before that.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
