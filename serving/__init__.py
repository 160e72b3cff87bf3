"""The inference server of the container: ONNX Runtime's library, httptools and orjson only.

numpy is imported where an archive's own code or an npy body needs it, and by `arrays.py` and
`array_feeds.py`. The steps predict with `seatrial.serving.model` and decode with
`seatrial.serving.arrays`, on top of what the server itself predicts and decodes with, so that
offline and online cannot differ.
"""
