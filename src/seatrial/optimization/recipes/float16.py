"""fp16: half the size; where the CPU has no arithmetic for it, casts cost the time back."""

from __future__ import annotations

from seatrial.optimization.recipes.graphs import name_nodes, optimise, weighted_nodes
from seatrial.optimization.recipes.order import BuildOrder, Built, NotApplicable

OPERATORS = ("MatMul", "Gemm", "Conv", "ConvTranspose", "Gather", "LSTM", "GRU")


def fp16(order: BuildOrder) -> Built:
    """Weights and arithmetic in half precision, inputs and outputs as they were.

    Optimised at the basic level only: a further round would fold the casts of the weights, and so
    store them in fp32 again.
    """
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    basic = optimise(order.model, order.out / "basic.onnx", "basic")
    model = onnx.load(str(basic))
    basic.unlink()
    name_nodes(model)
    if not weighted_nodes(model, OPERATORS):
        raise NotApplicable(f"no operator with constant weights among {', '.join(OPERATORS)}")
    onnx.save(convert_float_to_float16(model, keep_io_types=True), str(order.out / "model.onnx"))
    return Built(reason=None, precision="fp16", graph_optimization="basic", model_file="model.onnx")
