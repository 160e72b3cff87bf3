"""One module per family of candidates for ONNX Runtime; each is built in a child process."""
