"""Real models for our server: matrix products of a chosen weight and work."""

from __future__ import annotations

import json
import random

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from profiling_runs import Body, Subject


def product_model(
    python: str, name: str, *, width: int, layers: int, rows: int, block_mb: int = 0
) -> Subject:
    """y = x W₀ W₁ … W₁ of `width`; each request has `rows` and holds `block_mb` for a moment."""
    value = helper.make_tensor_value_info
    rng = np.random.default_rng(0)
    first = rng.standard_normal((2, width), dtype=np.float32) / width
    nodes = [helper.make_node("MatMul", ["x", "w_in"], ["h0"])]
    weights = [numpy_helper.from_array(first, "w_in")]
    for layer in range(layers):
        weight = np.zeros((width, width), dtype=np.float32)  # packs small, computes the same
        weights.append(numpy_helper.from_array(weight, f"w{layer}"))
        nodes.append(helper.make_node("MatMul", [f"h{layer}", f"w{layer}"], [f"h{layer + 1}"]))
    last = f"h{layers}"
    if block_mb:
        shape = np.array([block_mb * 2**18 // width, width], dtype=np.int64)
        weights.append(numpy_helper.from_array(shape, "shape"))
        nodes.append(helper.make_node("ReduceSum", [last], ["scalar"], keepdims=0))
        nodes.append(helper.make_node("Expand", ["scalar", "shape"], ["block"]))
        nodes.append(helper.make_node("ReduceMax", ["block"], ["top"], keepdims=0))
        nodes.append(helper.make_node("Add", [last, "top"], ["added"]))
        last = "added"
    weights.append(numpy_helper.from_array(np.array([1], dtype=np.int64), "axis"))
    nodes.append(helper.make_node("ReduceSum", [last, "axis"], ["y"], keepdims=1))
    graph = helper.make_graph(
        nodes,
        "product",
        [value("x", TensorProto.FLOAT, [None, 2])],
        [value("y", TensorProto.FLOAT, [None, 1])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    files = {"model.onnx": model.SerializeToString(), "signature.json": _signature()}
    body = Body(f"{rows} rows", _csv(rows), rows=rows)
    return Subject(name, (python, "-m", "seatrial.serving"), (body,), files)


def _csv(rows: int) -> str:
    rng = random.Random(0)  # noqa: S311 - the same rows every time
    return "".join(f"{rng.random():.6f},{rng.random():.6f}\n" for _ in range(rows))


def _signature() -> bytes:
    column = {"type": "double", "required": True, "onnx_input": "x"}
    document = {
        "schema_version": 1,
        "task": "regression",
        "model_file": "model.onnx",
        "inputs": [{"name": "a", **column}, {"name": "b", **column}],
        "outputs": [{"name": "y", "type": "double", "onnx_output": "y", "index": 0}],
        "label": None,
        "score": "y",
        "input_example": [{"a": 1.0, "b": 2.0}],
    }
    return json.dumps(document).encode()
