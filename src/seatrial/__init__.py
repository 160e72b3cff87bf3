"""seatrial: sea trials for models on SageMaker Serverless Inference. Importing it loads nothing heavy."""

__version__ = "0.1.0"
