"""`origin.json`: what the model was before optimisation, and why it could be loaded."""

from __future__ import annotations

from typing import Literal

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from seatrial.contracts.base import Contract
from seatrial.contracts.model import Task

SourceFormat = Literal["skops", "pickle", "native", "onnx", "pt2"]


class Origin(Contract):
    """Written beside model.onnx, signature.json and predictions.npz by `optimization.prepare`.

    `trusted_by` is None for formats that cannot run code. `files` maps each of the source's files
    to its SHA-256. `cold_cpu_s` is the CPU time to import the model's own library, load the model
    and predict one row with it. `findings` is what the scan of the source had to say.
    """

    flavor: str
    task: Task
    source_format: SourceFormat
    trusted_by: Literal["allow list", "user"] | None
    size_mb: PositiveFloat
    rows: PositiveInt
    versions: dict[str, str]
    files: dict[str, str]
    findings: tuple[str, ...]
    cold_cpu_s: NonNegativeFloat
