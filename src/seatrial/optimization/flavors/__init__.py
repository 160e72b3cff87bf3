"""One module for each MLflow flavor: inspect its files, load them, predict, convert to ONNX."""
