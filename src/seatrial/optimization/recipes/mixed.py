"""int8-mixed: int8 without the operators that hurt most.

Each group of neighbouring operators is quantised alone, and the deviation that it brings on the
calibration rows is its rank. Then the worst are left out, more and more of them, until the rest
deviates by half of what the whole does. With the same rows it finds the same operators.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.optimization.recipes.int8 import (
    Prepared,
    calibration_columns,
    prepare,
    quantise_dynamic,
    quantise_static,
)
from seatrial.optimization.recipes.order import BuildOrder, Built, NotApplicable

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

KEPT_DEVIATION_RATIO = 0.5
# Beyond half of the groups little is left to gain, and int8 is the wrong form for this model.
LEFT_OUT_RATIO = 0.5


def int8_mixed(order: BuildOrder) -> Built:
    """The fewest groups left out that bring the deviation down; NotApplicable if that is many."""
    trial = _trial(order)
    groups = split(trial.prepared.nodes, order.mixed_max_trials)
    if len(groups) == 1:
        raise NotApplicable("one operator with weights: there is nothing to choose from")
    whole = trial.deviation(())
    if whole == 0:
        raise NotApplicable("the whole graph in int8 predicts the same on the calibration rows")
    alone = [trial.deviation(_without(groups, index)) for index in range(len(groups))]
    chosen = leave_out(groups, alone, lambda left_out: trial.deviation(left_out) / whole)
    trial.build(chosen, order.out / "model.onnx")
    return Built(
        reason=None,
        precision="mixed",
        graph_optimization="extended",
        model_file="model.onnx",
        detail=f"{trial.kind} int8 without {len(chosen)} of {len(trial.prepared.nodes)} operators: "
        + ", ".join(chosen),
    )


def _without(groups: Sequence[Sequence[str]], kept: int) -> list[str]:
    """All nodes but those of one group."""
    return [node for index, group in enumerate(groups) if index != kept for node in group]


def split(nodes: Sequence[str], groups: int) -> list[list[str]]:
    """The nodes in at most `groups` runs of neighbours, of sizes that differ by one at most."""
    count = min(groups, len(nodes))
    edges = [round(index * len(nodes) / count) for index in range(count + 1)]
    return [list(nodes[start:end]) for start, end in pairwise(edges)]


def leave_out(
    groups: Sequence[Sequence[str]],
    deviations: Sequence[float],
    remaining: Callable[[Sequence[str]], float],
) -> list[str]:
    """The worst groups' nodes, as few as bring `remaining` to KEPT_DEVIATION_RATIO."""
    ranked = sorted(range(len(groups)), key=lambda index: (-deviations[index], index))
    for count in _counts(int(len(groups) * LEFT_OUT_RATIO)):
        left_out = [node for index in sorted(ranked[:count]) for node in groups[index]]
        if remaining(left_out) <= KEPT_DEVIATION_RATIO:
            return left_out
    raise NotApplicable(
        f"the deviation is spread over the graph: without half of its {len(groups)} groups of "
        f"operators more than {KEPT_DEVIATION_RATIO:g} of it is left"
    )


def _counts(most: int) -> Iterator[int]:
    """1, 2, 4 … and `most`: a few builds more than the least would be no gain."""
    count = 1
    while count < most:
        yield count
        count *= 2
    if most:
        yield most


@dataclass(frozen=True)
class _Trial:
    """Builds variants, and measures how far each is from fp32 on the calibration rows."""

    kind: str
    prepared: Prepared
    order: BuildOrder
    columns: Mapping[str, Array]
    expected: Array

    def build(self, left_out: Sequence[str], target: Path) -> None:
        if self.kind == "static":
            quantise_static(
                self.prepared, self.order, target, left_out=left_out, columns=self.columns
            )
        else:
            kept = [node for node in self.prepared.nodes if node not in set(left_out)]
            quantise_dynamic(self.prepared, self.order, target, kept)

    def deviation(self, left_out: Sequence[str]) -> float:
        import numpy as np

        target = Path("trial.onnx")
        self.build(left_out, target)
        return float(np.abs(_scores(target, self.order, self.columns) - self.expected).mean())


def _trial(order: BuildOrder) -> _Trial:
    """Convolutions gain by static quantisation, matrix products keep more by dynamic."""
    prepared = prepare(order, static=True)
    kind = "static" if prepared.has_convolutions else "dynamic"
    if kind == "dynamic":
        prepared = prepare(order, static=False)
    columns = calibration_columns(order)
    return _Trial(kind, prepared, order, columns, _scores(prepared.path, order, columns))


def _scores(model: Path, order: BuildOrder, columns: Mapping[str, Array]) -> Array:
    """The numeric outputs of the signature, side by side."""
    import numpy as np
    import onnxruntime

    from seatrial.optimization.recipes.calibration import feeds
    from seatrial.serving.signature import read_signature

    outputs = read_signature(order.signature.parent).outputs
    names = list(dict.fromkeys(item.onnx_output for item in outputs if item.type == "double"))
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    parts = [
        np.concatenate([raw.reshape(len(raw), -1) for raw in session.run(names, feed)], axis=1)
        for feed in feeds(model, order.signature, columns)
    ]
    found: Array = np.concatenate(parts).astype(np.float64)
    return found
