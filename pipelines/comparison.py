"""Pick the best run of an MLflow experiment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from seatrial.errors import InputError


@dataclass(frozen=True)
class ComparedRun:
    """One finished run of the experiment."""

    run_id: str
    name: str
    metric: float


def compare_runs(experiment: str, *, metric: str, tracking_uri: str) -> list[ComparedRun]:
    """The experiment's finished runs that have `metric`, highest first.

    InputError if there is no such experiment, or no run that could be compared.
    """
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri)
    found = client.get_experiment_by_name(experiment)
    if found is None:
        known = [item.name for item in client.search_experiments()]
        raise InputError(
            "no such MLflow experiment",
            got=experiment,
            allowed=", ".join(known),
            do="Check the name",
        )
    runs = client.search_runs(
        [found.experiment_id],
        filter_string="attributes.status = 'FINISHED'",
        order_by=[f"metrics.`{metric}` DESC"],
    )
    compared = [
        ComparedRun(run.info.run_id, run.info.run_name, run.data.metrics[metric])
        for run in runs
        if metric in run.data.metrics
    ]
    if not compared:
        raise InputError(
            f"no finished run of {experiment} has the metric",
            got=metric,
            allowed=", ".join(sorted({name for run in runs for name in run.data.metrics}))
            or "none",
            do="Log it with mlflow.log_metric",
        )
    return compared


def download_model(run: ComparedRun, folder: Path, *, tracking_uri: str) -> Path:
    """Fetch the MLflow model directory that `run` logged as `model`."""
    import mlflow

    mlflow.set_tracking_uri(tracking_uri)
    return Path(
        mlflow.artifacts.download_artifacts(f"runs:/{run.run_id}/model", dst_path=str(folder))
    )
