"""Build one candidate: `python -m seatrial.optimization.build_program order.json`, in a child.

Reads   order.json (BuildOrder), the model, its signature, rows to calibrate on.
Writes  <out>/model.onnx or model.ort, signature.json; built.json (Built) beside the order.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path

from seatrial.config import Recipe
from seatrial.contracts import ModelSignature, read_contract, write_contract
from seatrial.optimization.recipes.float16 import fp16
from seatrial.optimization.recipes.float32 import fp32, fp32_mapped
from seatrial.optimization.recipes.int8 import int8_dynamic, int8_static
from seatrial.optimization.recipes.mixed import int8_mixed
from seatrial.optimization.recipes.order import BuildOrder, Built, NotApplicable

RECIPES: dict[Recipe, Callable[[BuildOrder], Built]] = {
    "fp32": fp32,
    "fp32-mapped": fp32_mapped,
    "int8-dynamic": int8_dynamic,
    "int8-static": int8_static,
    "int8-mixed": int8_mixed,
    "fp16": fp16,
}


def build(order: BuildOrder) -> Built:
    """Follow the recipe into `order.out`, the signature beside the model."""
    try:
        built = RECIPES[order.recipe](order)
    except NotApplicable as answer:
        return Built(
            reason=answer.reason, precision="fp32", graph_optimization="none", model_file="none"
        )
    signature = read_contract(ModelSignature, order.signature)
    served = signature.model_copy(update={"model_file": built.model_file})
    write_contract(served, order.out / "signature.json")
    return built


def main(arguments: list[str]) -> int:
    """The child's program."""
    logging.disable(logging.WARNING)  # onnxruntime's advice on preprocessing, which was done
    order_path = Path(arguments[0])
    order = read_contract(BuildOrder, order_path)
    order.out.mkdir(parents=True, exist_ok=True)
    write_contract(build(order), order_path.with_name("built.json"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
