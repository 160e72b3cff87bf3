"""What a recipe is asked for, and what it answers."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import NonNegativeFloat, PositiveInt

from seatrial.config import Recipe
from seatrial.contracts import Contract, Precision

# The recipes that need rows to calibrate on.
CALIBRATED: frozenset[Recipe] = frozenset({"int8-static", "int8-mixed"})


class BuildOrder(Contract):
    """The child's whole input; paths are absolute, or relative to its working folder."""

    recipe: Recipe
    model: Path
    signature: Path
    calibration: Path | None
    out: Path
    reduced_range: bool
    mapped_min_weights_mb: NonNegativeFloat
    mixed_max_trials: PositiveInt


class Built(Contract):
    """The child's answer: `reason` says why the recipe does not apply, None if it was built."""

    reason: str | None
    precision: Precision
    graph_optimization: Literal["basic", "extended", "none"]
    model_file: str
    detail: str | None = None


class NotApplicable(Exception):  # noqa: N818 - an answer, not an error
    """The recipe makes nothing of this graph, and why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
