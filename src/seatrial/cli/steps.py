"""`seatrial profile|baseline`: each step alone, on files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seatrial.cli.output import say_contract, say_table, shared
from seatrial.cli.trial import TrialOptions, profile_endpoint

if TYPE_CHECKING:
    from seatrial.contracts import Baseline

app = typer.Typer()
Out = Annotated[Path, typer.Option("--out", help="Folder for what the step writes.")]
Candidates = Annotated[Path, typer.Option(help="What optimize wrote.")]


@app.command()
def profile(
    context: typer.Context,
    candidates: Candidates,
    out: Out,
    python: Annotated[
        Path | None, typer.Option(help="The serving environment's interpreter; default: this one.")
    ] = None,
    endpoint: Annotated[
        bool, typer.Option("--endpoint", help="Ask temporary endpoints instead; it costs.")
    ] = False,
    readiness: Annotated[
        Path | None,
        typer.Option(help="With --endpoint: the folder that judge wrote, for tier and candidate."),
    ] = None,
    tier: Annotated[
        list[int] | None, typer.Option(help="With --endpoint: a memory size in MB; up to three.")
    ] = None,
    idle: Annotated[
        bool,
        typer.Option(
            "--idle", help="With --endpoint: how long a sandbox stays idle; an hour or more."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before it costs.")] = False,
) -> None:
    """Start the server on each survivor, and measure memory, cold start and latency."""
    if endpoint:
        given = TrialOptions(candidates, readiness, tuple(tier or ()), out, idle=idle, yes=yes)
        profile_endpoint(shared(context), given)
        return
    import os
    import subprocess

    from seatrial.contracts import Profile, read_contract
    from seatrial.errors import InputError
    from seatrial.pipelines.readiness import profile_arguments
    from seatrial.steps import profile_model

    options = shared(context)
    interpreter = str(python or sys.executable)
    command = [interpreter, profile_model.__file__, *profile_arguments(options.config())]
    folder = str(Path(interpreter).parent.absolute())
    environment = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', '')}"}
    ended = subprocess.run(
        [*command, "--candidates", str(candidates), "--output", str(out)],
        stdout=sys.stderr,
        env=environment,
        check=False,
    )
    if ended.returncode:
        raise InputError(
            "the profiler failed",
            got=f"exit code {ended.returncode}",
            allowed="a profile",
            do="Read its message above",
        )
    result = read_contract(Profile, out / "profile.json")
    if options.as_json:
        say_contract(result)
        return
    rows = [
        (
            item.candidate,
            payload.payload,
            f"{'> ' if payload.stopped else ''}{payload.peak_memory_mb:.0f}",
            "–" if payload.latency_p50_ms is None else f"{payload.latency_p50_ms:.1f}",
            "–" if payload.latency_p95_ms is None else f"{payload.latency_p95_ms:.1f}",
            "–" if item.cold_start is None else f"{item.cold_start.to_first_prediction_s:.2f}",
            payload.first_error or item.failure or "",
        )
        for item in result.candidates
        for payload in item.payloads
    ]
    columns = ("candidate", "payload", "peak MB", "p50 ms", "p95 ms", "cold start s", "error")
    say_table(result.memory_method, columns, rows)
    for item in result.candidates:
        for line in item.cut_short:
            typer.echo(f"{item.candidate}, cut short: {line}")


@app.command()
def baseline(
    context: typer.Context,
    candidates: Candidates,
    reference: Annotated[Path, typer.Option(help="Parquet of the reference period.")],
    target: Annotated[str, typer.Option(help="The target's column.")],
    out: Out,
    time_column: Annotated[str | None, typer.Option(help="The time of each row, UTC.")] = None,
) -> None:
    """Summarise the reference period, and how far its ordinary windows stray."""
    from seatrial.contracts import Baseline, Optimization, read_contract
    from seatrial.optimization.data import read_frame
    from seatrial.steps.build_baseline import build

    options = shared(context)
    build(
        candidates,
        read_frame(reference),
        target=target,
        time_column=time_column,
        task=read_contract(Optimization, candidates / "optimization.json").task,
        config=options.config(),
        output=out,
        model_package_arn=None,
    )
    result = read_contract(Baseline, out / "baseline.json")
    if options.as_json:
        say_contract(result)
        return
    say_baseline(result)


def say_baseline(found: Baseline) -> None:
    """How far ordinary windows stray; columns in which nothing was ever missing in one line."""
    gapless = [item for item in found.bounds if (item.metric, item.bound) == ("missing_ratio", 0)]
    rows = [
        (
            item.column,
            item.metric,
            f"{item.window_h:g}",
            f"{item.bound:.3f}",
            f"{item.floor:g}",
            str(item.blocks),
        )
        for item in found.bounds
        if item not in gapless
    ]
    columns = ("column", "metric", "window h", "bound", "floor", "blocks")
    say_table(f"{found.rows} rows, by {found.bound_method}", columns, rows)
    if gapless:
        names = {item.column for item in gapless}
        typer.echo(f"missing_ratio: bound 0 in {len(names)} columns, which are not listed")
