"""Measure candidates with the serving environment's interpreter, interleaved over the repeats.

A machine's speed drifts over minutes. Each repeat measures every candidate once, each in a fresh
process and each time in another order, so that what is compared was measured side by side.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from seatrial.contracts import ModelSignature, Part
from seatrial.guards import Predictions
from seatrial.optimization import measure_program
from seatrial.optimization.fresh import FreshLimits, run_fresh

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

PROGRAM = Path(measure_program.__file__)
# Nothing to compare with: medians of three will do, or one run of a slow model.
# A batch of which one call takes longer is left to ProfileModel, which sends it in any case.
ALONE_REPEATS, ALONE_ENOUGH_S, ALONE_CALL_S = 3, 10, 5
# Slow models are compared over fewer repeats, with the wider intervals that come of it.
ENOUGH_REPEATS, ENOUGH_S = 3, 600
# Bounds the memory of a model whose working set grows with the rows of a batch.
BATCH_ROWS = 1000


class BatchRun(Part):
    """One batch size in one process."""

    rows: int
    calls_ms: tuple[float, ...]
    cpu_ms: float


class LeftOut(Part):
    """A batch size that one call would take too long of."""

    rows: int
    expected_s: float


class Run(Part):
    """What the measuring program says of one process."""

    import_ms: float
    load_ms: float
    first_prediction_ms: float
    start_cpu_ms: float
    batches: tuple[BatchRun, ...]
    left_out: tuple[LeftOut, ...] = ()
    peak_memory_mb: float
    versions: str


@dataclass(frozen=True)
class Bench:
    """Where and how to measure: batches are files of columns, one for each batch size."""

    python: Path
    batches: tuple[Path, ...]
    rows: Path
    repeats: int
    seconds_per_batch: float
    limits: FreshLimits
    scratch: Path


@dataclass(frozen=True)
class Measured:
    """All runs of a candidate and its predictions, or why there are none."""

    runs: tuple[Run, ...]
    predictions: Predictions | None
    failure: str | None


def measure(
    folders: Mapping[str, Path],
    signature: ModelSignature,
    bench: Bench,
    tell: Callable[[str], None],
) -> dict[str, Measured]:
    """Every candidate by name; one that fails is not asked again, and the rest goes on."""
    runs: dict[str, list[Run]] = {name: [] for name in folders}
    found: dict[str, Measured] = {}
    for name, folder in folders.items():
        tell(f"{name}: predicts the validation rows")
        answer = predict(folder, signature, bench)
        if isinstance(answer, str):
            found[name] = Measured((), None, answer)
        else:
            found[name] = Measured((), answer, None)
    able = [name for name in folders if found[name].failure is None]
    repeats, enough_s, call_s = bench.repeats, ENOUGH_S, inf
    if len(able) < 2:
        repeats, enough_s, call_s = min(repeats, ALONE_REPEATS), ALONE_ENOUGH_S, ALONE_CALL_S
    started = time.monotonic()
    for repeat in range(repeats):
        if repeat >= min(len(able), ENOUGH_REPEATS) and time.monotonic() - started > enough_s:
            break
        tell(f"measuring, {repeat + 1} of {repeats}")
        for name in rotate([name for name in folders if found[name].failure is None], repeat):
            run = run_once(folders[name], bench, call_s)
            if isinstance(run, str):
                found[name] = Measured((), None, run)
            else:
                runs[name].append(run)
    return {
        name: item if item.failure else Measured(tuple(runs[name]), item.predictions, None)
        for name, item in found.items()
    }


def rotate(names: Sequence[str], by: int) -> list[str]:
    """The names from another first one on.

    >>> rotate(["a", "b", "c"], 1)
    ['b', 'c', 'a']
    """
    start = by % len(names) if names else 0
    return [*names[start:], *names[:start]]


def run_once(folder: Path, bench: Bench, call_s: float = inf) -> Run | str:
    """One fresh process over the batches of which a call takes `call_s` at most; or why not."""
    answer = bench.scratch / "run.json"
    failure = run_fresh(
        bench.python,
        PROGRAM,
        ["measure", str(folder), str(answer), f"{bench.seconds_per_batch:g}", f"{call_s:g}"]
        + [str(path) for path in bench.batches],
        bench.limits,
    )
    if failure is not None:
        return failure
    try:
        return Run.model_validate_json(answer.read_bytes())
    except (OSError, ValidationError) as error:
        return f"its measurements cannot be read ({type(error).__name__})"
    finally:
        answer.unlink(missing_ok=True)


def predict(folder: Path, signature: ModelSignature, bench: Bench) -> Predictions | str:
    """What the candidate predicts for the validation rows, or why it does not."""
    answer = bench.scratch / "predictions.npz"
    failure = run_fresh(
        bench.python,
        PROGRAM,
        ["predict", str(folder), str(answer), str(BATCH_ROWS), str(bench.rows)],
        bench.limits,
    )
    if failure is not None:
        return failure
    try:
        return read_predictions(answer, signature)
    finally:
        answer.unlink(missing_ok=True)


def read_predictions(path: Path, signature: ModelSignature) -> Predictions | str:
    """The answer's columns as labels and scores, by the names of the original's signature."""
    import numpy as np

    with np.load(path, allow_pickle=False) as stored:
        answer = {str(name): stored[f"output-{i}"] for i, name in enumerate(stored["names"])}
    wanted = [column.name for column in signature.outputs]
    if set(answer) != set(wanted):
        return f"it answers {', '.join(answer)}; the original {', '.join(wanted)}"
    names = [name for name in wanted if name != signature.label]
    scores = np.column_stack([np.asarray(answer[name], dtype=float) for name in names])
    labels = None if signature.label is None else answer[signature.label]
    return Predictions(labels, scores)
