"""Sea trials for models on SageMaker Serverless Inference. Importing this loads nothing heavy."""

__version__ = "0.1.0"
