"""The one door to MLflow: runs, the champion, model files, versions and aliases.

The tracking URI may be the ARN of SageMaker's managed MLflow (a tracking server or an MLflow app),
which takes the plugin `sagemaker-mlflow`, the extra `managed-mlflow`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial.comparison.mlflow_access import asked, first_line, require_plugin
from seatrial.comparison.ranking import ComparedRun, Ranking, rank_runs
from seatrial.contracts import Comparison
from seatrial.errors import InputError
from seatrial.monitoring.quiet import quiet
from seatrial.monitoring.tracking import artifact_location

MODEL = "model"  # the name that runs log their model by
MISSING = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


@dataclass(frozen=True)
class Champion:
    """The version that the alias points to."""

    version: str
    run_id: str
    name: str
    experiment: str


class Tracking:
    """MLflow at one tracking URI, quietly; every error of it is a CloudError."""

    def __init__(self, uri: str) -> None:
        require_plugin(uri)
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        with quiet():
            from mlflow import MlflowClient

        self._uri = uri
        with asked(uri):
            self._client: Any = MlflowClient(tracking_uri=uri, registry_uri=uri)

    def rank(
        self, experiment: str, metric: str, *, where: str = "", lower: bool = False
    ) -> Ranking:
        """The experiment's finished runs that logged `metric`; `where` is MLflow's search filter.

        InputError if there is no such experiment, or no run that could be compared.
        """
        with asked(self._uri):
            found = self._client.get_experiment_by_name(experiment)
            known = [] if found else [item.name for item in self._client.search_experiments()]
            runs = self._all_runs(found.experiment_id, where) if found else []
        if found is None:
            raise InputError(
                "no such MLflow experiment",
                got=experiment,
                allowed=", ".join(known),
                do="Check the name and the tracking URI",
            )
        return rank_runs(runs, experiment, metric, lower=lower)

    def _all_runs(self, experiment_id: str, where: str) -> list[Any]:
        from mlflow.entities import ViewType

        runs: list[Any] = []
        token = None
        while True:
            page = self._client.search_runs(
                [experiment_id], where, ViewType.ACTIVE_ONLY, 1000, page_token=token
            )
            runs += page
            token = page.token
            if not token:
                return runs

    def champion(self, model: str, alias: str) -> Champion | None:
        """The registered model's version of that alias; None if there is none yet."""
        from mlflow.exceptions import MlflowException

        with asked(self._uri):
            try:
                version = self._client.get_model_version_by_alias(model, alias)
            except MlflowException as error:
                if error.error_code not in MISSING:
                    raise
                return None
            return self._champion(version)

    def version_of_run(self, model: str, run_id: str) -> Champion | None:
        """The registered model's newest version that was made of the run; None without one."""
        with asked(self._uri):
            known = self._client.search_model_versions(f"name = '{model}'")
            made = [version for version in known if version.run_id == run_id]
            newest = max(made, key=lambda version: int(version.version), default=None)
            return None if newest is None else self._champion(newest)

    def set_alias(self, model: str, alias: str, version: str) -> None:
        """Let the alias point to that version."""
        with asked(self._uri):
            self._client.set_registered_model_alias(model, alias, version)

    def _champion(self, version: Any) -> Champion:
        number, run_id = str(version.version), version.run_id
        if not run_id:
            return Champion(number, "", version.name, "")
        run = self._client.get_run(run_id)
        experiment = self._client.get_experiment(run.info.experiment_id)
        return Champion(number, run_id, run.info.run_name, experiment.name)

    def download_run(self, run: ComparedRun, folder: Path) -> Path:
        """The MLflow model directory that the run logged as `model`."""
        return self._download(f"runs:/{run.run_id}/{MODEL}", folder, f"run {run.name}")

    def download_version(self, model: str, version: str, folder: Path) -> Path:
        """The model directory of a registered version."""
        return self._download(f"models:/{model}/{version}", folder, f"{model} {version}")

    def _download(self, uri: str, folder: Path, what: str) -> Path:
        import mlflow
        from mlflow.exceptions import MlflowException

        folder.mkdir(parents=True, exist_ok=True)
        with asked(self._uri):
            try:
                return Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(folder)))
            except (MlflowException, OSError) as error:
                raise InputError(
                    f"{what} has no model that can be fetched",
                    got=f"{uri}: {first_line(error)}",
                    allowed=f"a model that was logged as {MODEL}",
                    do=f'Log it with mlflow.<flavor>.log_model(…, name="{MODEL}")',
                ) from error

    def enter(self, model: str, run: ComparedRun, alias: str) -> str:
        """The run's version of the registered model, made if need be, with the alias on it."""
        import mlflow

        with asked(self._uri):
            known = self._client.search_model_versions(f"name = '{model}'")
            version = next((str(v.version) for v in known if v.run_id == run.run_id), None)
            if version is None:
                made = mlflow.register_model(f"runs:/{run.run_id}/{MODEL}", model)
                version = str(made.version)
            self._client.set_registered_model_alias(model, alias, version)
        return version

    def log(self, comparison: Comparison, artifact: Path, experiment: str) -> str:
        """Write the comparison as a run of an experiment of its own; return the run's id."""
        with asked(self._uri):
            found = self._client.get_experiment_by_name(experiment)
            experiment_id = (
                found.experiment_id
                if found
                else self._client.create_experiment(
                    experiment, artifact_location=artifact_location(self._uri)
                )
            )
            name = f"{comparison.challenger.name}: {comparison.decision}"
            run_id: str = self._client.create_run(experiment_id, run_name=name).info.run_id
            for key, value in run_params(comparison).items():
                self._client.log_param(run_id, key, value)
            for key, number in run_metrics(comparison).items():
                self._client.log_metric(run_id, key, number)
            self._client.log_artifact(run_id, str(artifact))
            self._client.set_terminated(run_id)
        return run_id


def run_params(comparison: Comparison) -> dict[str, str]:
    """Who was compared, and the verdict."""
    champion = comparison.champion
    return {
        "challenger": comparison.challenger.run_id,
        "champion": champion.run_id if champion else "none",
        "metric": comparison.metric,
        "decision": comparison.decision,
        "reasons": "; ".join(comparison.reasons)[:500],
    }


def run_metrics(comparison: Comparison) -> dict[str, float]:
    """The figures, by name, that comparisons compare by over time."""
    found = {"rows": float(comparison.rows), "accepted": float(comparison.accepted)}
    sides = {"challenger": comparison.challenger, "champion": comparison.champion}
    for side, model in sides.items():
        if model is not None:
            found |= {f"{side}.{name}": value for name, value in model.quality.items()}
    if comparison.gain is not None:
        gain = comparison.gain
        found |= {"gain": gain.value, "gain.low": gain.low, "gain.high": gain.high}
    return found
