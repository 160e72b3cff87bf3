"""`seatrial compare`: is the best run of an MLflow experiment better than the champion?"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seatrial.cli.compare_table import as_json, say_outcome
from seatrial.cli.optimize import TaskName, progress
from seatrial.cli.output import AGAINST, say_json, shared

if TYPE_CHECKING:
    from seatrial.comparison.validation import Brought
    from seatrial.config import Config

app = typer.Typer()
_SERVICES = ("s3", "sagemaker", "application-autoscaling")


@app.command()
def compare(
    context: typer.Context,
    experiment: Annotated[str, typer.Argument(help="The MLflow experiment whose runs compete.")],
    model: Annotated[
        str | None, typer.Option(help="The registered model; default: the experiment's name.")
    ] = None,
    metric: Annotated[
        str | None, typer.Option(help="auc, accuracy, f1, brier, rmse or mae; default: the task's.")
    ] = None,
    rank_by: Annotated[
        str | None,
        typer.Option(help="The logged metric that picks the challenger; default: --metric."),
    ] = None,
    where: Annotated[
        str, typer.Option("--filter", help="MLflow's search filter for the runs that compete.")
    ] = "",
    champion_alias: Annotated[
        str | None, typer.Option(help="Default: comparison.champion_alias.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Parquet of validation rows; default: those of the champion's package."),
    ] = None,
    target: Annotated[str | None, typer.Option(help="With --data: the target's column.")] = None,
    task: Annotated[TaskName, typer.Option(help="With --data.")] = "binary_classification",
    time_column: Annotated[str | None, typer.Option(help="With --data.")] = None,
    reference: Annotated[
        Path | None, typer.Option(help="Parquet of the reference period; default: --data.")
    ] = None,
    payloads: Annotated[
        Path | None, typer.Option(help="Sample requests, JSON Lines; default: made of --data.")
    ] = None,
    approve: Annotated[
        bool | None,
        typer.Option(help="Approve what is accepted: the readiness pipeline starts."),
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Compare, and change nothing.")] = False,
    mlflow_uri: Annotated[
        str | None, typer.Option(help="Default: tracking.mlflow_uri; may be a managed one's ARN.")
    ] = None,
    trust: Annotated[
        list[str] | None,
        typer.Option(help="mlflow:/EXPERIMENT or …/RUN_ID whose pickles may run code; repeatable."),
    ] = None,
    python: Annotated[
        Path | None, typer.Option(help="The serving environment's interpreter.")
    ] = None,
) -> None:
    """Compare the best run with the champion: exit 1 if it is not better, or a guard bars it."""
    from seatrial.aws import client
    from seatrial.comparison.answering import Request, answer
    from seatrial.comparison.tracking import Tracking
    from seatrial.config import load_config
    from seatrial.optimization.serving_python import find_serving_python
    from seatrial.pipelines.git_commit import git_commit

    options = shared(context)
    given = {"metric": metric, "champion_alias": champion_alias, "approve": approve}
    config = load_config(
        options.config_path, comparison={k: v for k, v in given.items() if v is not None}
    )
    request = Request(
        experiment=experiment,
        model=model or experiment,
        where=where,
        rank_by=rank_by,
        brought=_brought(data, target, task, (time_column, reference, payloads)),
        trusted=tuple(trust or ()),
        python=find_serving_python(os.environ, python),
        dry_run=dry_run,
        commit=git_commit(Path.cwd(), os.environ),
    )
    clients = {name: client(name, region=config.region) for name in _SERVICES}
    with progress() as tell:
        tracking = Tracking(tracking_uri(config, mlflow_uri))
        outcome = answer(request, config, tracking, clients, tell=tell)
    if options.as_json:
        say_json(as_json(outcome))
    else:
        say_outcome(outcome, dry_run=dry_run)
    if not outcome.good:
        raise typer.Exit(AGAINST)


def tracking_uri(config: Config, given: str | None) -> str:
    """Where MLflow is; InputError if nobody says."""
    from seatrial.errors import InputError

    uri = given or config.tracking.mlflow_uri
    if uri is None:
        raise InputError(
            "there is no MLflow to ask",
            got="no --mlflow-uri, and tracking.mlflow_uri is null",
            allowed="a tracking URI: http(s)://…, sqlite:///…, or the ARN of a managed MLflow",
            do="Give one",
        )
    return uri


def _brought(
    data: Path | None,
    target: str | None,
    task: TaskName,
    others: tuple[str | None, Path | None, Path | None],
) -> Brought | None:
    """The files given, or None for the champion's own; InputError for parts without --data."""
    from seatrial.comparison.validation import Brought
    from seatrial.errors import InputError

    time_column, reference, payloads = others
    if data is None and not any((target, *others)):
        return None
    if data is None or target is None:
        raise InputError(
            "the data are not complete",
            got=f"--data {data}, --target {target}",
            allowed="both, or neither and nothing else about the data",
            do="Give both",
        )
    return Brought(task, target, time_column, data, reference or data, payloads, str(data))
