"""The inference server of the container: numpy, onnxruntime, httptools and orjson only.

`seatrial.serving.model` and `seatrial.serving.codec` are also what the steps predict and decode
with, so that offline and online cannot differ.
"""
