"""Build candidates, each in a child process: a crash or a hang rejects that one alone."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from seatrial.config import OptimizationConfig, Recipe
from seatrial.contracts import MB, Backend, Precision, read_contract, write_contract
from seatrial.errors import ContractError
from seatrial.optimization.children import ChildLimits, Finished, run_child
from seatrial.optimization.recipes.order import CALIBRATED, BuildOrder, Built

PROGRAM = "seatrial.optimization.build_program"
# What a recipe would have made, for the record of one that was not built.
PRECISIONS: dict[Recipe, Precision] = {
    "fp32": "fp32",
    "fp32-mapped": "fp32",
    "int8-dynamic": "int8",
    "int8-static": "int8",
    "int8-mixed": "mixed",
    "fp16": "fp16",
}
DISK_FULL = ("No space left on device", "Disk quota exceeded")


@dataclass(frozen=True)
class Draft:
    """A candidate before it is measured: a folder that can be served, or why there is none."""

    name: str
    backend: Backend
    precision: Precision
    graph_optimization: str
    folder: Path | None
    detail: str | None = None
    rejection: str | None = None

    @property
    def model_size_mb(self) -> float | None:
        """Model and signature as they lie on the endpoint's disk."""
        if self.folder is None:
            return None
        return sum(item.stat().st_size for item in self.folder.rglob("*") if item.is_file()) / MB


@dataclass(frozen=True)
class Original:
    """The unoptimised graph with its signature, and rows to calibrate on or why there are none."""

    model: Path
    signature: Path
    calibration: Path | str


def build(recipe: Recipe, original: Original, config: OptimizationConfig, scratch: Path) -> Draft:
    """One candidate in a folder of its own below `scratch`."""
    if recipe in CALIBRATED and isinstance(original.calibration, str):
        return _not_built(recipe, original.calibration)
    folder = scratch / recipe
    folder.mkdir(parents=True)
    order = BuildOrder(
        recipe=recipe,
        model=original.model,
        signature=original.signature,
        calibration=original.calibration if isinstance(original.calibration, Path) else None,
        out=folder / "model",
        reduced_range=config.cpu != "vnni",
        mapped_min_weights_mb=config.mapped_min_weights_mb,
        mixed_max_trials=config.mixed_max_trials,
    )
    write_contract(order, folder / "order.json")
    limits = ChildLimits(memory_mb=config.child_memory_mb, seconds=config.child_timeout_s)
    ended = run_child(PROGRAM, ["order.json"], limits=limits, scratch=folder)
    if not ended.ok:
        shutil.rmtree(folder, ignore_errors=True)  # it may be what filled the disk
        return _not_built(recipe, f"could not be built: {_reason(ended)}")
    return _read(recipe, folder)


def _read(recipe: Recipe, folder: Path) -> Draft:
    try:
        built = read_contract(Built, folder / "built.json")
    except ContractError as error:
        return _not_built(recipe, f"could not be built: {error}")
    if built.reason is not None:
        return _not_built(recipe, f"not applicable: {built.reason}")
    return Draft(
        name=recipe,
        backend="onnxruntime",
        precision=built.precision,
        graph_optimization=built.graph_optimization,
        folder=folder / "model",
        detail=built.detail,
    )


def _not_built(recipe: Recipe, rejection: str) -> Draft:
    return Draft(recipe, "onnxruntime", PRECISIONS[recipe], "none", None, rejection=rejection)


def _reason(ended: Finished) -> str:
    full = any(mark in line for line in ended.last_lines for mark in DISK_FULL)
    return f"the disk is full ({ended.reason})" if full else ended.reason
