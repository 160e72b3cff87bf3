"""fp32: the graph optimised ahead, as ONNX or as a file that is mapped instead of read."""

from __future__ import annotations

from seatrial.optimization.recipes.graphs import optimise, weights_mb
from seatrial.optimization.recipes.order import BuildOrder, Built, NotApplicable


def fp32(order: BuildOrder) -> Built:
    """The same arithmetic in fewer, fused operators."""
    optimise(order.model, order.out / "model.onnx")
    return Built(
        reason=None, precision="fp32", graph_optimization="extended", model_file="model.onnx"
    )


def fp32_mapped(order: BuildOrder) -> Built:
    """ONNX Runtime's own format, whose weights are used where the file is mapped.

    Nothing is parsed or copied, which matters for large weights. Trees keep their nodes in
    attributes, which are read in any case.
    """
    import onnx

    found = weights_mb(onnx.load(str(order.model)))
    if found < order.mapped_min_weights_mb:
        raise NotApplicable(
            f"{found:.1f} MB of weights; they are mapped from {order.mapped_min_weights_mb:g} MB"
        )
    optimise(order.model, order.out / "model.ort")
    return Built(
        reason=None, precision="fp32", graph_optimization="extended", model_file="model.ort"
    )
