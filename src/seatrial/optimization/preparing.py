"""What is optimised, and the workbench for it: the model converted, rows in files, drafts built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.config import Config
from seatrial.contracts import ModelSignature, Origin, Payload, read_contract
from seatrial.guards import Predictions
from seatrial.optimization import batches, given
from seatrial.optimization.building import Draft, Original, build
from seatrial.optimization.data import ValidationData
from seatrial.optimization.drops import Judge
from seatrial.optimization.fresh import FreshLimits
from seatrial.optimization.measuring import Bench
from seatrial.optimization.origin import prepare, read_predictions
from seatrial.optimization.trust import Trust

if TYPE_CHECKING:
    import pandas as pd

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Job:
    """What is optimised, and what it is judged on.

    `calibration` are rows for int8's ranges. Without `payloads` some are made of the validation
    data. `given` are the user's own candidates. `python` measures: the serving environment's.
    """

    source: Path
    validation: ValidationData
    calibration: pd.DataFrame
    payloads: Path | None
    python: Path
    given: Mapping[str, Path]
    trust: Trust
    model_package_arn: str | None = None


@dataclass(frozen=True)
class Work:
    """The model converted, and where and on what it is measured."""

    origin: Origin
    original: Original
    signature: ModelSignature
    predictions: Predictions
    payloads: list[Payload]
    bench: Bench
    judge: Judge | None
    scratch: Path


def prepare_work(job: Job, config: Config, scratch: Path, tell: Tell) -> Work:
    settings, validation = config.optimization, job.validation
    tell("converting the model to ONNX, and predicting with the original")
    folder = scratch / "original"
    folder.mkdir()
    found = prepare(
        job.source,
        validation.frame,
        validation.target or "",
        validation.task,
        folder,
        trust=job.trust,
    )
    signature = read_contract(ModelSignature, folder / "signature.json")
    predictions = read_predictions(folder / "predictions.npz")
    payloads = (
        batches.make_payloads(validation.frame, signature)
        if job.payloads is None
        else batches.read_payloads(job.payloads)
    )
    sizes = settings.batch_rows or [item.rows for item in payloads]
    rows = batches.write_rows(validation.frame, signature, sizes, scratch)
    calibration = batches.write_calibration(
        job.calibration, signature, settings.calibration_rows, scratch
    )
    return Work(
        origin=found,
        original=Original(folder / "model.onnx", folder / "signature.json", calibration),
        signature=signature,
        predictions=predictions,
        payloads=payloads,
        bench=Bench(
            python=job.python,
            batches=rows.batches,
            rows=rows.rows,
            repeats=settings.repeats,
            seconds_per_batch=settings.seconds_per_batch,
            limits=FreshLimits(settings.child_timeout_s, settings.child_memory_mb),
            scratch=scratch,
        ),
        judge=_judge(validation, predictions, config),
        scratch=scratch,
    )


def _judge(validation: ValidationData, original: Predictions, config: Config) -> Judge | None:
    truth = validation.truth
    if truth is None:
        return None
    return Judge(
        validation.task,
        truth,
        validation.labelled_only(original),
        resamples=config.optimization.bootstrap_resamples,
        seed=config.optimization.seed,
    )


def build_drafts(job: Job, work: Work, config: Config, tell: Tell) -> list[Draft]:
    """Ours with fp32 first, then the user's."""
    drafts = []
    folder = work.scratch / "candidates"
    recipes = sorted(config.optimization.candidates, key=lambda recipe: recipe != "fp32")
    for recipe in recipes:
        tell(f"{recipe}: building")
        drafts.append(build(recipe, work.original, config.optimization, folder))
        if drafts[-1].rejection is not None:
            tell(f"{recipe}: {drafts[-1].rejection}")
    for name, path in job.given.items():
        drafts.append(given.draft(name, path, work.original.signature, folder))
    return drafts
