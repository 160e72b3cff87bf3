"""Prepare a model for optimisation: its ONNX form, and what the original predicts.

    origin = prepare(Path("model"), validation, "late", "binary_classification", out, trust=Trust())

All that touches the model's files happens in one confined child process.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from seatrial.contracts import Origin, Task, read_contract, write_contract
from seatrial.errors import InputError
from seatrial.guards import Predictions
from seatrial.optimization.children import ChildLimits, Finished, run_child
from seatrial.optimization.trust import Trust

if TYPE_CHECKING:
    import pandas as pd

CHILD = "seatrial.optimization.origin_child"
LIMITS = ChildLimits(memory_mb=8192, seconds=1800)
FILES = ("model.onnx", "signature.json", "predictions.npz", "origin.json")
OPTIONAL_FILES = ("model.onnx.data",)
LARGEST_PROBLEM = 65_536


def prepare(
    source: Path,
    validation: pd.DataFrame,
    target: str,
    task: Task,
    out: Path,
    *,
    trust: Trust,
    limits: ChildLimits = LIMITS,
) -> Origin:
    """Leave model.onnx (not optimised), signature.json, predictions.npz and origin.json in `out`.

    InputError with the reason for a model that cannot be loaded safely, run or converted.
    """
    from seatrial.optimization.origin_child import Request

    with TemporaryDirectory(prefix="seatrial-origin-") as scratch:
        folder = Path(scratch).resolve()
        validation.to_parquet(folder / "rows.parquet")
        request = Request(
            source=source.resolve(),
            rows=folder / "rows.parquet",
            task=task,
            target=target,
            trusted=trust.by_user,
        )
        write_contract(request, folder / "request.json")
        finished = run_child(CHILD, [], limits=limits, scratch=folder)
        if not finished.ok:
            raise _failure(folder, finished, limits)
        return _take(folder / "out", out)


def read_predictions(path: Path) -> Predictions:
    """What the original predicted for the validation rows."""
    import numpy as np

    with np.load(path, allow_pickle=False) as stored:
        return Predictions(stored.get("labels"), stored["scores"])


def _failure(folder: Path, finished: Finished, limits: ChildLimits) -> InputError:
    problem = folder / "problem.json"
    if finished.exit_code == 2 and problem.is_file() and not problem.is_symlink():
        with problem.open("rb") as file:
            told = json.loads(file.read(LARGEST_PROBLEM))
        return InputError(told["what"], got=told["got"], allowed=told["allowed"], do=told["do"])
    return InputError(
        "the model cannot be loaded and converted",
        got=finished.reason,
        allowed=f"at most {limits.memory_mb} MB of memory and {limits.seconds:g} s",
        do="Try the model by itself; if it is sound, allow it more",
    )


def _take(made: Path, out: Path) -> Origin:
    """Move what the child made; a link among it would lead out of its folder."""
    out.mkdir(parents=True, exist_ok=True)
    for name in (*FILES, *OPTIONAL_FILES):
        path = made / name
        if path.is_symlink() or (not path.is_file() and name in FILES):
            raise InputError(
                "the model did something else than it was loaded for",
                got=f"{name} is not a file",
                allowed=", ".join(FILES),
                do="Do not use this model before you know what it does",
            )
        if path.is_file():
            shutil.move(path, out / name)
    return read_contract(Origin, out / "origin.json")
