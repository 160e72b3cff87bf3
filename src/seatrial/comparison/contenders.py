"""Load both models in confined children, let them predict, and measure them side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seatrial.comparison.running import Figures
from seatrial.config import OptimizationConfig
from seatrial.contracts import MB, ModelSignature, read_contract
from seatrial.errors import InputError
from seatrial.guards import Predictions
from seatrial.optimization.batches import write_rows
from seatrial.optimization.data import ValidationData
from seatrial.optimization.fresh import FreshLimits
from seatrial.optimization.measuring import Bench, Run, rotate, run_once
from seatrial.optimization.origin import prepare, read_predictions
from seatrial.optimization.trust import Trust

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Contender:
    """One side's model, converted as it would be served, and what the original predicts."""

    name: str
    folder: Path
    predictions: Predictions

    @property
    def model_size_mb(self) -> float:
        """The ONNX file, and its weights where they are a file of their own."""
        return sum(path.stat().st_size for path in self.folder.glob("model.onnx*")) / MB


def load_contender(
    name: str, model: Path, validation: ValidationData, folder: Path, *, trust: Trust
) -> Contender:
    """InputError that names the side, if it cannot be loaded safely, run or converted."""
    folder.mkdir(parents=True)
    try:
        prepare(
            model,
            validation.frame,
            validation.target or "",
            validation.task,
            folder,
            trust=trust,
        )
    except InputError as error:
        what = f"{name}: {error.what}"
        raise InputError(what, got=error.got, allowed=error.allowed, do=error.do) from error
    predictions = read_predictions(folder / "predictions.npz")
    _require_numbers(name, predictions)
    return Contender(name, folder, predictions)


def _require_numbers(name: str, predictions: Predictions) -> None:
    import numpy as np

    broken = int((~np.isfinite(predictions.scores)).sum())
    if broken:
        raise InputError(
            f"{name}: it cannot be compared",
            got=f"{broken} of {predictions.scores.size} predictions are no numbers",
            allowed="a number for each row",
            do="See what the model makes of missing values",
        )


def measure_contenders(
    contenders: Sequence[Contender],
    validation: ValidationData,
    sizes: Sequence[int],
    settings: OptimizationConfig,
    python: Path,
    *,
    tell: Tell,
) -> dict[str, Figures]:
    """Each in fresh processes of the serving interpreter, in turns; by name."""
    benches = {item.name: _bench(item, validation, sizes, settings, python) for item in contenders}
    runs: dict[str, list[Run]] = {name: [] for name in benches}
    for repeat in range(settings.repeats):
        tell(f"measuring, {repeat + 1} of {settings.repeats}")
        for name in rotate(list(benches), repeat):
            runs[name].append(_run(name, contenders, benches))
    return {item.name: Figures(tuple(runs[item.name]), item.model_size_mb) for item in contenders}


def _bench(
    contender: Contender,
    validation: ValidationData,
    sizes: Sequence[int],
    settings: OptimizationConfig,
    python: Path,
) -> Bench:
    """Rows of the columns that this side takes; the other may take others."""
    signature = read_contract(ModelSignature, contender.folder / "signature.json")
    scratch = contender.folder / "bench"
    scratch.mkdir()
    files = write_rows(validation.frame, signature, sizes, scratch)
    return Bench(
        python=python,
        batches=files.batches,
        rows=files.rows,
        repeats=settings.repeats,
        seconds_per_batch=settings.seconds_per_batch,
        limits=FreshLimits(settings.child_timeout_s, settings.child_memory_mb),
        scratch=scratch,
    )


def _run(name: str, contenders: Sequence[Contender], benches: Mapping[str, Bench]) -> Run:
    folder = next(item.folder for item in contenders if item.name == name)
    run = run_once(folder, benches[name])
    if isinstance(run, str):
        raise InputError(
            f"{name}: the model does not run in the serving environment",
            got=run,
            allowed="a model that its server can load and run",
            do="See what seatrial optimize says of it",
        )
    return run
