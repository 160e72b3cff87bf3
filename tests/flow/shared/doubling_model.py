"""A model whose answers are known: y = x + x, as the serving image wants it."""

from __future__ import annotations

import io
import json
import tarfile

from onnx import TensorProto, helper

SIGNATURE = {
    "schema_version": 1,
    "task": "regression",
    "model_file": "model.onnx",
    "inputs": [{"name": "x", "type": "double", "required": True, "onnx_input": "x"}],
    "outputs": [{"name": "y", "type": "double", "onnx_output": "y", "index": 0}],
    "label": None,
    "score": "y",
    "input_example": [{"x": 1.0}],
}


def model_files() -> dict[str, bytes]:
    """The files of its archive."""
    described = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1]) for name in ("x", "y")
    ]
    node = helper.make_node("Add", ["x", "x"], ["y"])
    graph = helper.make_graph([node], "doubling", described[:1], described[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return {
        "model.onnx": model.SerializeToString(),
        "signature.json": json.dumps(SIGNATURE).encode(),
    }


def archive_of(files: dict[str, bytes]) -> bytes:
    """The files as a model.tar.gz."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as members:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            members.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
