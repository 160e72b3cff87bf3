"""A window's verdict as an MLflow run, so that windows compare over time."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from seatrial.config import TrackingConfig
from seatrial.contracts import Reaction
from seatrial.monitoring.quiet import quiet
from seatrial.monitoring.reactions import Findings

SQLITE = "sqlite:///"
# MLflow takes no more in one call (many slices have more), and no longer parameters.
MAX_METRICS = 1000
MAX_PARAM_CHARACTERS = 6000
CONSEQUENCES = ("retraining", "rollback")


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


def log_run(
    tracking: TrackingConfig,
    findings: Findings,
    done: Sequence[Reaction],
    artifacts: Iterable[Path],
) -> Reaction:
    """Write one finished run with these files; its time is the window's end."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    ended_ms = int(findings.window.ended_at.timestamp() * 1000)
    with quiet("mlflow", "alembic"):
        from mlflow import MlflowClient
        from mlflow.entities import Metric, Param

        client = MlflowClient(tracking_uri=tracking.mlflow_uri)
        experiment = client.get_experiment_by_name(tracking.experiment)
        experiment_id = (
            client.create_experiment(
                tracking.experiment, artifact_location=artifact_location(str(tracking.mlflow_uri))
            )
            if experiment is None
            else experiment.experiment_id
        )
        name = f"{findings.window.endpoint_name} {findings.window.started_at:%Y-%m-%d %H:%M}"
        run_id: str = client.create_run(experiment_id, run_name=name).info.run_id
        client.log_batch(
            run_id,
            params=[Param(name, value) for name, value in run_params(findings, done).items()],
        )
        metrics = [
            Metric(name, value, ended_ms, 0) for name, value in run_metrics(findings).items()
        ]
        for start in range(0, len(metrics), MAX_METRICS):
            client.log_batch(run_id, metrics=metrics[start : start + MAX_METRICS])
        for path in artifacts:
            client.log_artifact(run_id, str(path))
        client.set_terminated(run_id)
    return Reaction(kind="mlflow", target=tracking.experiment, detail=f"run {run_id}")


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
