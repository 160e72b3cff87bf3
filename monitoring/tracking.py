"""A window's verdict as an MLflow run in the endpoint's experiment: windows compare over time."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seatrial.config import TrackingConfig
from seatrial.contracts import Reaction
from seatrial.errors import CloudError
from seatrial.monitoring.quiet import quiet
from seatrial.monitoring.reactions import Findings

SQLITE = "sqlite:///"
# MLflow takes no more in one call (many slices have more), and no longer parameters.
MAX_METRICS = 1000
MAX_PARAM_CHARACTERS = 6000
CONSEQUENCES = ("retraining", "rollback")
# Set when the run is made, so that one that was never finished is known by it, too.
WINDOW_TAG = "seatrial.window"


def run_params(findings: Findings, done: Sequence[Reaction]) -> dict[str, str]:
    """What identifies the window, and what became of the endpoint and of a training."""
    window = findings.window
    return {
        "endpoint": window.endpoint_name,
        "endpoint_config": window.endpoint_config_name,
        "window_start": window.started_at.isoformat(),
        "window_end": window.ended_at.isoformat(),
        "baseline": window.baseline_uri,
        **{item.kind: _said(item) for item in done if item.kind in CONSEQUENCES},
    }


def _said(reaction: Reaction) -> str:
    said = reaction.detail if reaction.done else f"not done: {reaction.detail}"
    return said[:MAX_PARAM_CHARACTERS]


def run_metrics(findings: Findings) -> dict[str, float]:
    """The verdict in numbers: drift score by column, quality metrics also by slice, counts."""
    metrics = {
        "alert": float(findings.alert),
        "rows": float(findings.window.rows),
        "drifted_columns": float(len(findings.drift.drifted_columns)),
        "quality_failures": float(len(findings.quality.failed)),
    }
    metrics |= {f"drift.{item.column}": item.score for item in findings.drift.columns}
    for item in findings.labels.metrics:
        metrics |= {item.metric: item.value, f"{item.metric}.change": item.change or 0.0}
    metrics |= {f"{item.metric}.estimated": item.value for item in findings.labels.estimates}
    for part in findings.labels.slices:
        metrics |= {f"slice {part.name} {item.metric}": item.value for item in part.metrics}
    if findings.drift.classifier is not None and findings.drift.classifier.auc is not None:
        metrics["classifier.auc"] = findings.drift.classifier.auc
    if findings.window.completeness_ratio is not None:
        metrics["completeness_ratio"] = findings.window.completeness_ratio
    return {_allowed(name): value for name, value in metrics.items()}


def experiment_of(tracking: TrackingConfig, endpoint_name: str) -> str:
    """The name of the endpoint's own experiment."""
    return f"{tracking.experiment}/{endpoint_name}"


def log_run(
    tracking: TrackingConfig,
    findings: Findings,
    done: Sequence[Reaction],
    artifacts: Iterable[Path],
) -> Reaction:
    """Write one finished run with these files; its time is the window's end.

    It takes the place of the window's earlier runs: of a verdict before, or of a step that was
    ended in the midst. They are deleted last, as MLflow deletes: they can be restored.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    name = experiment_of(tracking, findings.window.endpoint_name)
    with _asked(tracking):
        from mlflow import MlflowClient

        client = MlflowClient(tracking_uri=tracking.mlflow_uri)
        experiment_id = find_experiment(client, name, artifact_location(str(tracking.mlflow_uri)))
        earlier = _runs_of(client, experiment_id, findings)
        run_id = _write_run(client, experiment_id, findings, done, artifacts)
        for run in earlier:
            client.delete_run(run)
    return Reaction(kind="mlflow", target=name, detail=f"run {run_id}")


def find_experiment(client: Any, name: str, location: str | None) -> str:
    """The id of the experiment, made if need be; CloudError if somebody has deleted it."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            made: str = client.create_experiment(name, artifact_location=location)
            return made
        except MlflowException as error:  # another step was quicker
            found = client.get_experiment_by_name(name)
            if found is None:
                raise error
    if found.lifecycle_stage != "active":
        raise CloudError(
            f"the MLflow experiment {name} was deleted",
            got=f"experiment {found.experiment_id}, {found.lifecycle_stage}",
            allowed="one that is active, or none of that name",
            do=f"mlflow experiments restore --experiment-id {found.experiment_id}, or give "
            "tracking.experiment another name",
        )
    known: str = found.experiment_id
    return known


def _runs_of(client: Any, experiment_id: str, findings: Findings) -> list[str]:
    """The runs that there are of this window."""
    where = f"tags.`{WINDOW_TAG}` = '{_window_of(findings)}'"
    return [run.info.run_id for run in client.search_runs([experiment_id], where)]


def _window_of(findings: Findings) -> str:
    return f"{findings.window.started_at.isoformat()}/{findings.window.ended_at.isoformat()}"


@contextmanager
def _asked(tracking: TrackingConfig) -> Iterator[None]:
    """Quiet, and with what MLflow raises turned into a CloudError."""
    with quiet("mlflow", "alembic"):
        from mlflow.exceptions import MlflowException
        from requests.exceptions import RequestException

        try:
            yield
        except (MlflowException, RequestException, OSError) as error:
            said = str(error).strip().splitlines()
            raise CloudError(
                "MLflow did not take the window's run",
                got=f"{type(error).__name__}: {said[0][:200] if said else 'no reason given'}",
                allowed="a tracking server or database that can be written",
                do=f"Check tracking.mlflow_uri ({tracking.mlflow_uri}), and run React again",
            ) from error


def _write_run(
    client: Any,
    experiment_id: str,
    findings: Findings,
    done: Sequence[Reaction],
    artifacts: Iterable[Path],
) -> str:
    from mlflow.entities import Metric, Param

    window = findings.window
    ended_ms = int(window.ended_at.timestamp() * 1000)
    name = f"{window.endpoint_name} {window.started_at:%Y-%m-%d %H:%M}"
    tags = {WINDOW_TAG: _window_of(findings)}
    run_id: str = client.create_run(experiment_id, run_name=name, tags=tags).info.run_id
    params = [Param(name, value) for name, value in run_params(findings, done).items()]
    client.log_batch(run_id, params=params)
    metrics = [Metric(name, value, ended_ms, 0) for name, value in run_metrics(findings).items()]
    for start in range(0, len(metrics), MAX_METRICS):
        client.log_batch(run_id, metrics=metrics[start : start + MAX_METRICS])
    for path in artifacts:
        client.log_artifact(run_id, str(path))
    client.set_terminated(run_id)
    return run_id


def artifact_location(tracking_uri: str) -> str | None:
    """Where a new experiment keeps its files: beside a SQLite database, else where the server says.

    MLflow itself would put them into the step's working directory, which ends with the job.
    """
    if not tracking_uri.startswith(SQLITE):
        return None
    database = Path(tracking_uri.removeprefix(SQLITE)).absolute()
    return (database.parent / "mlflow-artifacts").as_uri()


def _allowed(name: str) -> str:
    """MLflow takes letters, digits, and these signs in a metric's name."""
    return "".join(sign if sign.isalnum() or sign in "_-. /" else "_" for sign in name)
