"""The inference server of the container: numpy, onnxruntime, uvicorn and orjson only."""
