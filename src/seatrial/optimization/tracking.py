"""The candidates as MLflow runs below one run of the optimisation, so that all of them compare."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seatrial.contracts import Candidate, Optimization
from seatrial.errors import CloudError
from seatrial.monitoring.quiet import quiet
from seatrial.monitoring.tracking import artifact_location

PARENT_TAG = "mlflow.parentRunId"


def run_params(candidate: Candidate) -> dict[str, str]:
    """What it is, and what became of it."""
    verdict = candidate.rejection or candidate.passed_over or "survives"
    return {
        "candidate": candidate.name,
        "backend": candidate.backend,
        "precision": candidate.precision,
        "graph_optimization": candidate.graph_optimization,
        "verdict": verdict[:500],
    }


def run_metrics(candidate: Candidate) -> dict[str, float]:
    """Its figures; those of a batch size end with the rows."""
    found: dict[str, float | None] = {
        "survives": float(candidate.survivor),
        "model_size_mb": candidate.model_size_mb,
        "archive_size_mb": candidate.archive_size_mb,
        "peak_memory_mb": candidate.peak_memory_mb,
    }
    for item in candidate.latencies:
        found[f"p50_ms.rows_{item.rows}"] = item.p50_ms
        if item.p99_ms is not None:
            found[f"p99_ms.rows_{item.rows}"] = item.p99_ms
        found[f"cpu_ms.rows_{item.rows}"] = item.cpu_ms
        found[f"speedup.rows_{item.rows}"] = item.speedup.value if item.speedup else None
    if candidate.start is not None:
        found["cold_start_cpu_ms"] = candidate.start.cpu_ms
        found["load_ms"] = candidate.start.load_ms
    if candidate.agreement is not None:
        found["mean_deviation"] = candidate.agreement.mean_deviation
        found["max_deviation"] = candidate.agreement.max_deviation
        found["rank_correlation"] = candidate.agreement.rank_correlation
        found["label_agreement_ratio"] = candidate.agreement.label_agreement_ratio
    found |= candidate.quality
    found |= {f"{metric}.drop_high": drop.high for metric, drop in candidate.drops.items()}
    return {name: value for name, value in found.items() if value is not None}


def log_optimization(
    optimization: Optimization, artifact: Path, *, tracking_uri: str, experiment: str
) -> str:
    """Write the runs, and return the id of the one above them; CloudError if MLflow cannot."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    with quiet():  # its import sets its loggers' levels, so those come after it
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

    with quiet("mlflow", "alembic"):
        try:
            client = MlflowClient(tracking_uri=tracking_uri)
            return _log(client, optimization, artifact, tracking_uri, experiment)
        except (MlflowException, OSError) as error:
            raise CloudError(
                "MLflow did not take the figures; optimization.json has them",
                got=f"{type(error).__name__}: {str(error).splitlines()[0][:200]}",
                allowed="a tracking server or database that can be written",
                do="Check the tracking URI, and run it again: nothing is measured twice",
            ) from error


def _log(
    client: Any, optimization: Optimization, artifact: Path, tracking_uri: str, experiment: str
) -> str:
    found = client.get_experiment_by_name(experiment)
    location = artifact_location(tracking_uri)
    experiment_id = (
        client.create_experiment(experiment, artifact_location=location)
        if found is None
        else found.experiment_id
    )
    parent: str = client.create_run(experiment_id, run_name="optimization").info.run_id
    for name, value in _context(optimization):
        client.log_param(parent, name, value)
    for metric, number in optimization.original_quality.items():
        client.log_metric(parent, metric, number)
    client.log_artifact(parent, str(artifact))
    for candidate in optimization.candidates:
        run = client.create_run(
            experiment_id, run_name=candidate.name, tags={PARENT_TAG: parent}
        ).info.run_id
        for name, value in run_params(candidate).items():
            client.log_param(run, name, value)
        for metric, number in run_metrics(candidate).items():
            client.log_metric(run, metric, number)
        client.set_terminated(run)
    client.set_terminated(parent)
    return parent


def _context(optimization: Optimization) -> Iterator[tuple[str, str]]:
    yield "inputs_sha256", optimization.inputs_sha256 or ""
    yield "model_package_arn", optimization.model_package_arn or ""
    yield "flavor", optimization.flavor
    yield "task", optimization.task
    yield "cpu", optimization.cpu
    yield "cpu_flags", " ".join(optimization.cpu_flags)
    yield "measured_with", optimization.measured_with or ""
    yield "survivors", ", ".join(item.name for item in optimization.survivors)
