"""The demo's story, stage by stage, against whatever AWS the environment points to.

Each stage returns what it found; the demo prints it, the flow tests check it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.aws import S3, client
from seatrial.comparison.ranking import ComparedRun
from seatrial.comparison.tracking import Tracking
from seatrial.config import Config
from seatrial.contracts import Check, Monitoring, Readiness, read_contract
from seatrial.endpoint import EndpointState, get_endpoint
from seatrial.errors import CloudError
from seatrial.examples.flights import train
from seatrial.examples.flights.data import (
    FEATURES,
    NUMBERS,
    TARGET,
    TIME,
    Period,
    load_flights,
    training_flights,
    within,
)
from seatrial.examples.flights.executions import KeptExecutions, OnStatus
from seatrial.examples.flights.traffic import Asked, replay, write_labels
from seatrial.foundation import lay_foundation
from seatrial.pipelines.execution import ExecutionStatus, start
from seatrial.pipelines.git_commit import git_commit
from seatrial.pipelines.registration import InputFiles, approve, register
from seatrial.pipelines.upsert import Upserted, upsert
from seatrial.steps.arm_monitoring import hour_prefixes, wait_for_records

if TYPE_CHECKING:
    import pandas as pd

EXPERIMENT = "flights"
METRIC = "auc"
SMALL_ROWS = 500


@dataclass(frozen=True)
class Scale:
    """How much of the data the story uses."""

    share: float = 1.0
    neighbour_rows: int = train.NEIGHBOUR_ROWS
    batch_rows: int = 8_000


@dataclass(frozen=True)
class WatchedWindow:
    """What monitoring said of a week."""

    execution: ExecutionStatus
    monitoring: Monitoring


class Story:
    """The stages share a folder, a configuration and the data."""

    def __init__(self, out: Path, config: Config, scale: Scale) -> None:
        self.out, self.config, self.scale = out, config, scale
        names = ("s3", "sagemaker", "sagemaker-runtime", "events", "sns", "logs")
        self.clients = {name: client(name, region=config.region) for name in names}
        self.s3 = S3(self.clients["s3"])
        self.kept = KeptExecutions(
            out / "executions",
            config.bucket,
            self.s3,
            self.clients["sagemaker"],
            self.clients["logs"],
        )
        flights = load_flights()
        if scale.share < 1:
            flights = flights.sample(frac=scale.share, random_state=0).sort_values(TIME)
        self.flights: pd.DataFrame = flights.reset_index(drop=True)
        self.training, self.validation = train.split(training_flights(self.flights), seed=0)

    def lay_foundation(self) -> None:
        """Bucket, roles, alert topic and what else is there once, as a stack."""
        lay_foundation(self.config, client("cloudformation", region=self.config.region))

    def upsert_pipelines(self) -> Upserted:
        """Make the pipelines and the approval rule, and keep two definitions beside the run."""
        done = upsert(self.config, clients=self.clients)
        for name in ("readiness", "monitoring"):
            path = self.out / "definitions" / f"{name}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(getattr(done.definitions, name) + "\n", encoding="utf-8")
        return done

    def train_and_compare(self) -> list[ComparedRun]:
        """Two models into MLflow; the runs come back best first."""
        self._use_mlflow()
        for name in ("boosted-trees", "logistic-regression"):
            fitted = train.fit(name, self.training, self.validation)
            train.log_run(fitted, self.training, experiment=EXPERIMENT)
        return list(Tracking(self.mlflow_uri).rank(EXPERIMENT, METRIC).runs)

    def register_best(self, runs: list[ComparedRun]) -> str:
        """Register the best run as a model package that waits for approval; return its ARN."""
        rows = self.validation
        payloads = [
            train.json_payload("one-flight", rows.head(1), FEATURES),
            train.payload("one-hour", rows.head(40), FEATURES),
            train.payload("one-day", rows.head(SMALL_ROWS), FEATURES),
        ]
        return self._register(runs[0], payloads, rows, others=runs[1:])

    def register_neighbours(self) -> str:
        """Register k nearest neighbours with a batch payload that it cannot afford."""
        self._use_mlflow()
        validation = self.validation.sample(
            min(2_000, len(self.validation)), random_state=0
        ).sort_values(TIME)
        fitted = train.fit(
            "nearest-neighbours",
            self.training,
            validation,
            max_rows=self.scale.neighbour_rows,
        )
        run_id = train.log_run(fitted, self.training, experiment=EXPERIMENT)
        run = ComparedRun(run_id, fitted.name, fitted.metrics[METRIC])
        rows = self.training.head(self.scale.batch_rows)
        payloads = [
            train.payload("one-day", rows.head(SMALL_ROWS), NUMBERS),
            train.payload("batch", rows, NUMBERS),
        ]
        # every prediction compares with all training rows: a baseline on 5 000 takes seconds
        reference = self.training.sample(min(5_000, len(self.training)), random_state=0)
        return self._register(
            run, payloads, validation, others=[], reference=reference.sort_values(TIME)
        )

    def _register(
        self,
        run: ComparedRun,
        payloads: list[Any],
        validation: pd.DataFrame,
        *,
        others: list[ComparedRun],
        reference: pd.DataFrame | None = None,
    ) -> str:
        folder = self.out / "models" / run.name
        files = train.write_inputs(
            folder / "inputs",
            self.training if reference is None else reference,
            validation,
            payloads,
        )
        beaten = ", ".join(f"{item.name} {item.metric:.4f}" for item in others)
        return register(
            Tracking(self.mlflow_uri).download_run(run, folder),
            InputFiles.in_folder(files, "binary_classification", target=TARGET, time_column=TIME),
            group=self.config.model_package_group,
            bucket=self.config.bucket,
            image=self.config.images.serving,
            s3=self.s3,
            sagemaker=self.clients["sagemaker"],
            description=f"{run.name}, {METRIC} {run.metric:.4f}",
            metadata={
                "mlflow.run_id": run.run_id,
                f"mlflow.{METRIC}": f"{run.metric:.6f}",
                **({"mlflow.beaten": beaten} if beaten else {}),
            },
            commit=git_commit(Path.cwd(), os.environ),
        )

    def approve_and_follow(self, package_arn: str, on_status: OnStatus) -> ExecutionStatus:
        """Approve the package; the rule starts the pipeline. Follow it to its end."""
        arn = self.kept.started_by(
            lambda: approve(package_arn, self.clients["sagemaker"], because="demo"),
            self.config.readiness_pipeline,
        )
        return self.kept.follow(arn, on_status)

    def readiness(self, execution: ExecutionStatus) -> Readiness:
        """The verdict of an execution."""
        folder = self.kept.keep_outputs(execution)
        return read_contract(Readiness, folder / "JudgeReadiness" / "verdict" / "readiness.json")

    def endpoint(self) -> EndpointState:
        """The endpoint as it is now."""
        return get_endpoint(self.config.endpoint.name, self.clients["sagemaker"])

    def serve(self, period: Period, tick: Callable[[], None]) -> list[Asked]:
        """Send the flights of a week to the endpoint, and see their records arrive in the log."""
        endpoint = self.config.endpoint
        started = datetime.now(UTC)
        asked = replay(
            within(self.flights, period),
            endpoint.name,
            self.clients["sagemaker-runtime"],
            tick=tick,
        )
        prefix = f"s3://{self.config.bucket}/predictions/{endpoint.name}/{endpoint.variant_name}"
        wanted = {request.event_id for request in asked}
        seen, waited_s = wait_for_records(
            wanted,
            hour_prefixes(prefix, started),
            self.s3,
            deadline_s=self.config.monitoring.arm_deadline_s,
            poll_s=0.2,
        )
        if len(seen) < len(wanted):
            raise CloudError(
                "predictions are missing in the log",
                got=f"{len(seen)} of {len(wanted)} after {waited_s:.0f} s",
                allowed="all of them",
                do=f"Look at the delivery stream seatrial-{endpoint.name}",
            )
        return asked

    def watch(
        self, period: Period, on_status: OnStatus, *, labels_uri: str | None = None
    ) -> WatchedWindow:
        """Run the monitoring pipeline on a week."""
        parameters = {
            "EndpointName": self.config.endpoint.name,
            "WindowStart": _midnight(period.start),
            "WindowEnd": _midnight(period.end),
        }
        if labels_uri is not None:
            parameters["LabelsUri"] = labels_uri
        arn = start(self.config.monitoring_pipeline, parameters, self.clients["sagemaker"])
        execution = self.kept.follow(arn, on_status)
        if execution.status != "Succeeded":
            raise CloudError(
                "the monitoring pipeline failed",
                got=execution.failure_reason,
                allowed="Succeeded",
                do=f"Read the logs of {arn}",
            )
        path = self.kept.folder(execution) / "React" / "monitoring" / "monitoring.json"
        return WatchedWindow(execution, read_contract(Monitoring, path))

    def deliver_labels(self, asked: list[Asked]) -> str:
        """The truth arrives: put it into S3, and return its URI."""
        path = write_labels(asked, self.out / "labels" / "summer-week.csv")
        return self.s3.upload(path, f"s3://{self.config.bucket}/labels/{path.name}")

    def keep_records(self) -> Path:
        """Fetch every prediction record that was delivered, as monitoring reads them."""
        name = self.config.endpoint.name
        return self.s3.download_folder(
            f"s3://{self.config.bucket}/predictions/{name}", self.out / "predictions"
        )

    @property
    def mlflow_uri(self) -> str:
        """Where runs are logged."""
        return str(self.config.tracking.mlflow_uri)

    def _use_mlflow(self) -> None:
        import mlflow

        mlflow.set_tracking_uri(self.mlflow_uri)
        if mlflow.get_experiment_by_name(EXPERIMENT) is None:
            artifacts = (self.out / "mlflow-artifacts").absolute().as_uri()
            mlflow.create_experiment(EXPERIMENT, artifact_location=artifacts)


def find_check(readiness: Readiness, code: str) -> Check:
    """The check of that code."""
    return next(check for check in readiness.checks if check.code == code)


def _midnight(day: str) -> str:
    return datetime.fromisoformat(day).strftime("%Y-%m-%dT%H:%M:%SZ")
