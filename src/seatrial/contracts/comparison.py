"""`comparison.json`: a challenger against the champion on the same rows, and what became of it."""

from __future__ import annotations

from typing import Literal

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from seatrial.contracts.base import Contract, Part
from seatrial.contracts.model import Task
from seatrial.contracts.optimization import Estimate

Decision = Literal["better", "tie", "worse", "cannot tell", "no champion"]
GuardCode = Literal["LATENCY", "SIZE", "COST", "CALIBRATION", "SLICE"]
GuardStatus = Literal["pass", "fail", "unknown"]


class ComparedModel(Part):
    """One side, as measured here. `version` is that of MLflow's model registry, if it has one.

    `quality` is computed from predictions of the validation rows, never taken from the run.
    `latency_p50_ms` maps the rows of a call to its median; peak memory is of the interpreter that
    serves, alone, at the largest of these batches.
    """

    run_id: str
    name: str
    version: str | None
    quality: dict[str, float]
    model_size_mb: PositiveFloat
    peak_memory_mb: PositiveFloat
    latency_p50_ms: dict[int, NonNegativeFloat]


class Guard(Part):
    """One thing that the challenger must not be worse at. `change` and `limit` are in `unit`.

    `unknown`: neither shown to be within the limit nor beyond it.
    """

    code: GuardCode
    what: str
    status: GuardStatus
    change: Estimate | None
    limit: float
    unit: str
    detail: str


class Comparison(Contract):
    """Written by `seatrial compare`; its URI is in the metadata of the package it registers.

    `gain` is by how much `metric` is better than the champion's, in the metric's own unit, whatever
    its direction; None without a champion. `accepted`: better (or first) and within every guard.
    `logged_metric` only chose which of the `considered` runs was compared.
    """

    experiment: str
    task: Task
    rows: PositiveInt
    resamples: PositiveInt
    seed: NonNegativeInt
    metric: str
    logged_metric: str
    considered: PositiveInt
    skipped: tuple[str, ...]
    champion: ComparedModel | None
    challenger: ComparedModel
    gain: Estimate | None
    tie_margin: NonNegativeFloat | None
    decision: Decision
    guards: tuple[Guard, ...]
    accepted: bool
    reasons: tuple[str, ...]
    inputs: dict[str, str]
