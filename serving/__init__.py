"""The inference server that goes into the container. Imports numpy, onnxruntime, uvicorn and orjson only."""
