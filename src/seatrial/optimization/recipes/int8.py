"""int8: weights in eight bits (seven with reduced range), activations quantised as they come or
by ranges that were calibrated.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.optimization.measure_program import read_columns
from seatrial.optimization.recipes.calibration import feeds, reader
from seatrial.optimization.recipes.graphs import (
    flatten_biases,
    name_nodes,
    optimise,
    weighted_nodes,
)
from seatrial.optimization.recipes.order import BuildOrder, Built, NotApplicable

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

# ConvInteger is no faster than a float convolution, so convolutions are left to the static form.
DYNAMIC = ("MatMul",)
STATIC = ("Conv", "MatMul", "Gemm")
# Quantised along with their neighbours, so that no value goes back to float in between. Softmax and
# normalisations stay in float: their outputs are small and lose the most.
PASSED_THROUGH = (
    *("Relu", "Clip", "LeakyRelu", "Sigmoid", "Add", "Mul", "Concat", "Split", "Pad", "Resize"),
    *("MaxPool", "AveragePool", "GlobalAveragePool"),
    *("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Slice"),
)


@dataclass(frozen=True)
class Prepared:
    """The graph with constants folded and named nodes, and the nodes that hold weights."""

    path: Path
    nodes: list[str]
    has_convolutions: bool


def prepare(order: BuildOrder, *, static: bool) -> Prepared:
    """Fold constants, and find what can be quantised; NotApplicable if there is nothing."""
    import onnx
    from onnxruntime.quantization.onnx_model import ONNXModel

    path = optimise(order.model, Path("basic.onnx"), "basic")
    model = onnx.load(str(path))
    if not static:  # as the dynamic form does anyway, but then under names that are not known yet
        wrapped = ONNXModel(model)
        wrapped.replace_gemm_with_matmul()
        model = wrapped.model
    else:
        flatten_biases(model)
    operators = STATIC if static else DYNAMIC
    name_nodes(model)
    onnx.save(model, str(path))
    nodes = weighted_nodes(model, operators)
    if not nodes:
        raise NotApplicable(f"no {' or '.join(operators)} with constant weights to quantise")
    convolutions = any(node.op_type == "Conv" for node in model.graph.node)
    return Prepared(path, nodes, convolutions)


def int8_dynamic(order: BuildOrder) -> Built:
    """Ranges of activations are taken anew in each call; no data needed."""
    prepared = prepare(order, static=False)
    quantise_dynamic(prepared, order, order.out / "model.onnx", prepared.nodes)
    return _built("int8")


def int8_static(order: BuildOrder) -> Built:
    """Ranges of activations are fixed by the calibration rows."""
    prepared = prepare(order, static=True)
    target = order.out / "model.onnx"
    quantise_static(prepared, order, target, left_out=(), columns=calibration_columns(order))
    return _built("int8")


def quantise_dynamic(
    prepared: Prepared, order: BuildOrder, target: Path, nodes: Sequence[str]
) -> None:
    """Quantise the weights of `nodes`."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    raw = Path("quantised.onnx")
    quantize_dynamic(
        str(prepared.path),
        str(raw),
        op_types_to_quantize=list(DYNAMIC),
        per_channel=True,
        reduce_range=order.reduced_range,
        weight_type=QuantType.QInt8,
        nodes_to_quantize=list(nodes),
    )
    optimise(raw, target)


def quantise_static(
    prepared: Prepared,
    order: BuildOrder,
    target: Path,
    *,
    left_out: Sequence[str],
    columns: Mapping[str, Array],
) -> None:
    """Quantise all but `left_out`; unsigned activations are what x86's instructions multiply."""
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    raw = Path("quantised.onnx")
    quantize_static(
        str(prepared.path),
        str(raw),
        reader(feeds(prepared.path, order.signature, columns)),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=[*STATIC, *PASSED_THROUGH],
        per_channel=True,
        reduce_range=order.reduced_range,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=list(left_out),
        **_cache(quantize_static),
    )
    optimise(raw, target)


def _cache(quantize: Callable[..., None]) -> dict[str, Any]:
    """Ranges do not depend on what is left out: one calibration serves all builds of a child.

    ONNX Runtime has learned to keep them; before that it calibrates each time.
    """
    known = "calibration_cache_path" in inspect.signature(quantize).parameters
    return {"calibration_cache_path": "ranges.json"} if known else {}


def calibration_columns(order: BuildOrder) -> dict[str, Array]:
    """The calibration rows; the order always has some where a recipe calibrates."""
    if order.calibration is None:
        raise NotApplicable("no rows to calibrate on")
    return read_columns(order.calibration)


def _built(precision: Any, detail: str | None = None) -> Built:
    return Built(
        reason=None,
        precision=precision,
        graph_optimization="extended",
        model_file="model.onnx",
        detail=detail,
    )
