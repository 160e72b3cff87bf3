"""`seatrial optimize`: make, measure and guard candidates of a model, alone and on files."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from seatrial.cli.output import AGAINST, say_contract, say_table, shared

if TYPE_CHECKING:
    from seatrial.contracts import Candidate, Optimization

app = typer.Typer()
TaskName = Literal["binary_classification", "multiclass_classification", "regression"]


@app.command()
def optimize(
    context: typer.Context,
    model: Annotated[
        str,
        typer.Argument(
            help="MLflow model directory, its .tar.gz, or .onnx with signature.json beside it; "
            "here or s3://…"
        ),
    ],
    data: Annotated[Path, typer.Option(help="Parquet of validation rows: inputs and target.")],
    out: Annotated[Path, typer.Option(help="Folder for the candidates and optimization.json.")],
    target: Annotated[
        str | None,
        typer.Option(help="The target's column; without it agreement alone is judged."),
    ] = None,
    task: Annotated[TaskName, typer.Option()] = "binary_classification",
    payloads: Annotated[
        Path | None,
        typer.Option(help="Sample requests, JSON Lines; default: one row and a batch of --data."),
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(help="Parquet of rows to calibrate int8 on; default: --data.")
    ] = None,
    candidate: Annotated[
        list[str] | None,
        typer.Option(help="A candidate of your own, NAME=model.onnx or a folder; repeatable."),
    ] = None,
    trust: Annotated[
        list[str] | None,
        typer.Option(help="A source whose pickles may run code, by its name; repeatable."),
    ] = None,
    python: Annotated[
        Path | None, typer.Option(help="The serving environment's interpreter.")
    ] = None,
    mlflow_uri: Annotated[
        str | None, typer.Option(help="Log the figures there; default: tracking.mlflow_uri.")
    ] = None,
    experiment: Annotated[
        str | None, typer.Option(help="MLflow experiment; default: <project>-optimization.")
    ] = None,
) -> None:
    """Make candidates of a model, measure each against it, and keep what is worth serving."""
    from tempfile import TemporaryDirectory

    from seatrial.aws import client
    from seatrial.optimization.compiling import neo_compiler
    from seatrial.optimization.data import ValidationData, read_frame
    from seatrial.optimization.fetching import fetch_model
    from seatrial.optimization.given import parse_given
    from seatrial.optimization.optimizer import Job
    from seatrial.optimization.optimizer import optimize as optimize_model
    from seatrial.optimization.serving_python import find_serving_python
    from seatrial.optimization.tracking import log_optimization
    from seatrial.optimization.trust import trust_in

    options = shared(context)
    config = options.config()
    frame = read_frame(data)
    s3 = client("s3", region=config.region) if model.startswith("s3://") else None
    with TemporaryDirectory() as scratch, progress() as tell:
        job = Job(
            source=fetch_model(model, Path(scratch), s3=s3),
            validation=ValidationData(task, frame, target),
            calibration=frame if reference is None else read_frame(reference),
            payloads=payloads,
            python=find_serving_python(os.environ, python),
            given=parse_given(candidate or []),
            trust=trust_in(model, [*config.optimization.trusted_sources, *(trust or [])]),
        )
        compiler = neo_compiler(config, out, tell)
        found = optimize_model(job, config, out, tell=tell, compile_with_neo=compiler)
    uri = mlflow_uri or config.tracking.mlflow_uri
    if uri is not None:
        name = experiment or f"{config.project}-optimization"
        log_optimization(found, out / "optimization.json", tracking_uri=uri, experiment=name)
    if options.as_json:
        say_contract(found)
    else:
        say_optimization(found, str(out))
    if not found.survivors:
        raise typer.Exit(AGAINST)


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """What is being done, on stderr: a line that changes on a terminal, else a line for each."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda line: _write(line)
        return
    with console.status("") as status:
        yield lambda line: status.update(line)


def _write(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def say_optimization(found: Optimization, where: str) -> None:
    """What each candidate costs, how near it is to the original, and why one does not go on."""
    measured = [item for item in found.candidates if item.latencies]
    sizes = ", ".join(str(batch.rows) for batch in measured[0].latencies) if measured else "–"
    say_table(
        f"{where}: per call of {sizes} rows on {found.cpu}",
        ("candidate", "MB", "cold CPU ms", "p50 ms", "speed-up", "peak MB", "verdict"),
        [
            (
                item.name,
                _shown(item.model_size_mb, ".2f"),
                _shown(item.start.cpu_ms if item.start else None, ".0f"),
                ", ".join(f"{batch.p50_ms:.3g}" for batch in item.latencies) or "–",
                ", ".join(f"{batch.speedup.value:.2f}" for batch in item.latencies if batch.speedup)
                or "–",
                _shown(item.peak_memory_mb, ".0f"),
                _verdict(item),
            )
            for item in found.candidates
            if _verdict(item) != "n/a"  # a line below says why
        ],
    )
    if measured:
        say_table(
            "against the original",
            ("candidate", "mean deviation", "largest", "same labels", "largest drop (95 %)"),
            [
                (
                    item.name,
                    _shown(item.agreement.mean_deviation, ".2g"),
                    _shown(item.agreement.max_deviation, ".2g"),
                    _shown(item.agreement.label_agreement_ratio, ".4f"),
                    _worst_drop(item),
                )
                for item in measured
                if item.agreement is not None
            ],
        )
    for item in found.candidates:
        remark = item.rejection or item.passed_over or item.detail
        if remark is not None:
            typer.echo(f"{item.name}: {remark}")


def _shown(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _verdict(candidate: Candidate) -> str:
    if candidate.survivor:
        return "survives"
    if candidate.rejection is None:
        return "passed over"
    return "n/a" if candidate.rejection.startswith("not applicable") else "rejected"


def _worst_drop(candidate: Candidate) -> str:
    """The metric whose interval reaches furthest into the worse."""
    if not candidate.drops:
        return "–"
    metric, drop = max(candidate.drops.items(), key=lambda item: item[1].high)
    return f"{metric} {drop.value:.2g} ({drop.low:.2g} to {drop.high:.2g})"
