"""The verbs, put together; and what becomes of errors."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from seatrial.cli import (
    calling,
    change,
    cloud,
    compare,
    completion,
    config,
    cost,
    demo,
    deploy,
    doctor,
    endpoint,
    infra,
    judge,
    loadtest,
    monitor,
    optimize,
    pipeline,
    review,
    steps,
)
from seatrial.cli.output import FAILED, Shared
from seatrial.errors import SeatrialError
from seatrial.serving.errors import ServingError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Sea trials for models on SageMaker Serverless Inference.",
)
app.add_typer(cloud.app, name="cloud", help="localcloud: an AWS on loopback.")
app.add_typer(
    pipeline.app, name="pipeline", help="The readiness, the monitoring and the review pipeline."
)
app.add_typer(monitor.app, name="monitor", help="A window of an endpoint, and the monitor itself.")
app.add_typer(infra.app, name="infra", help="The foundation: bucket, roles, repositories, topic.")
app.add_typer(cost.app, name="cost", help="What traffic costs a month, by tier and policy.")
VERBS = (
    demo,
    doctor,
    config,
    optimize,
    steps,
    judge,
    deploy,
    endpoint,
    change,
    compare,
    calling,
    loadtest,
    review,
    completion,
)
for module in VERBS:
    app.registered_commands += module.app.registered_commands


def _say_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"seatrial {version('seatrial')}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option(help="YAML laid over the defaults of configs/default.yaml.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_say_version, is_eager=True, help="Print the version, and end."
        ),
    ] = False,
) -> None:
    """Options that every verb shares."""
    context.obj = Shared(config, as_json)


def main() -> None:
    """The console script."""
    # mlflow and the SageMaker SDK call home unless told not to.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # so that what a verb has started is ended, as after Ctrl-C
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    completion.prepare_answer()
    try:
        app(prog_name=completion.PROGRAM)
    except (SeatrialError, ServingError) as error:
        sys.stderr.write(f"seatrial: {error}\n")
        sys.exit(FAILED)
