"""Asking MLflow: quietly, with its errors explained, and with the plugin that an ARN takes."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager

from seatrial.errors import CloudError, InputError
from seatrial.monitoring.quiet import quiet


def require_plugin(uri: str) -> None:
    """InputError for an ARN of something else, or without the plugin that it takes."""
    if not uri.startswith("arn:"):
        return
    parts = uri.split(":", 5)
    kind = parts[5].split("/")[0] if len(parts) == 6 else ""
    if parts[2:3] != ["sagemaker"] or kind not in ("mlflow-tracking-server", "mlflow-app"):
        raise InputError(
            "the tracking URI is not the ARN of a managed MLflow",
            got=uri,
            allowed="arn:aws:sagemaker:…:mlflow-app/ID, or …:mlflow-tracking-server/NAME",
            do="Copy it from aws sagemaker list-mlflow-tracking-servers",
        )
    if importlib.util.find_spec("sagemaker_mlflow") is None:
        raise InputError(
            "the tracking URI is SageMaker's, and its plugin is not installed",
            got=uri,
            allowed="an environment with sagemaker-mlflow",
            do="Install seatrial[managed-mlflow]",
        )


@contextmanager
def asked(uri: str) -> Iterator[None]:
    """Quiet, and with what MLflow raises turned into a CloudError."""
    with quiet("mlflow", "alembic"), _current(uri):
        from mlflow.exceptions import MlflowException
        from requests.exceptions import RequestException

        try:
            yield
        except (MlflowException, RequestException, OSError) as error:
            raise CloudError(
                "MLflow could not do what was asked of it",
                got=first_line(error),
                allowed="a tracking server or database that can be reached, and a filter it knows",
                do=f"Check --mlflow-uri ({uri}) and --filter",
            ) from error


@contextmanager
def _current(uri: str) -> Iterator[None]:
    """Downloads, registration and the plugin's headers know no client, only the process's URIs."""
    import mlflow

    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before[0])
        mlflow.set_registry_uri(before[1])


def first_line(error: Exception) -> str:
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[0][:200] if said else 'no reason given'}"
