"""What recipes ask of an ONNX graph, and how ONNX Runtime optimises one ahead."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from seatrial.contracts import MB

# A protobuf message may have 2 GB; graph and small tensors come on top of the weights.
EXTERNAL_FROM_MB = 1500
Level = Literal["basic", "extended"]


def optimise(source: Path, target: Path, level: Level = "extended") -> Path:
    """Write the graph as ONNX Runtime optimises it for any x86-64 or ARM CPU; `.ort` by its suffix.

    Higher levels pick memory layouts for the CPU at hand, and the serving CPU is unknown.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = {
        "basic": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
        "extended": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    }[level]
    options.optimized_model_filepath = str(target)
    options.log_severity_level = 3
    if target.suffix == ".ort":
        options.add_session_config_entry("session.save_model_format", "ORT")
    elif _size_mb(source) > EXTERNAL_FROM_MB:
        name = f"{target.name}.data"
        options.add_session_config_entry(
            "session.optimized_model_external_initializers_file_name", name
        )
    onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
    return target


def weights_mb(model: Any) -> float:
    """The size of the graph's constant tensors."""
    from onnx import helper

    total = 0
    for tensor in model.graph.initializer:
        count = 1
        for size in tensor.dims:
            count *= size
        total += count * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    return total / MB


def name_nodes(model: Any) -> None:
    """Give every node a name of its own: quantisation picks nodes by name."""
    seen: set[str] = set()
    for index, node in enumerate(model.graph.node):
        if not node.name or node.name in seen:
            node.name = f"{node.op_type}_{index}"
        seen.add(node.name)


def flatten_biases(model: Any) -> None:
    """Give a Gemm's bias of shape (1, n) the shape (n,), which adds the same to every row.

    skl2onnx writes the former, and ONNX Runtime quantises biases of one dimension only.
    """
    biases = {node.input[2] for node in model.graph.node if _has_bias(node)}
    others = {
        name
        for node in model.graph.node
        for name in (node.input[:2] if _has_bias(node) else node.input)
    }
    for tensor in model.graph.initializer:
        if tensor.name in biases - others and len(tensor.dims) == 2 and tensor.dims[0] == 1:
            del tensor.dims[0]


def _has_bias(node: Any) -> bool:
    return bool(node.op_type == "Gemm" and len(node.input) > 2)


def weighted_nodes(model: Any, operators: Iterable[str]) -> list[str]:
    """The nodes of these kinds whose second input is a constant float tensor, in graph order."""
    from onnx import TensorProto

    wanted = set(operators)
    weights = {
        tensor.name for tensor in model.graph.initializer if tensor.data_type == TensorProto.FLOAT
    }
    return [
        node.name
        for node in model.graph.node
        if node.op_type in wanted and len(node.input) > 1 and node.input[1] in weights
    ]


def _size_mb(path: Path) -> float:
    beside = path.with_name(f"{path.name}.data")
    return sum(item.stat().st_size for item in (path, beside) if item.exists()) / MB
