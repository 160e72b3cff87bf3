"""The story, stage by stage, against whatever AWS the environment points to."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.aws import S3, client
from seatrial.config import Config, load_config
from seatrial.contracts import Monitoring, Readiness, read_contract
from seatrial.endpoint import invoke
from seatrial.errors import CloudError
from seatrial.examples.flights.executions import KeptExecutions
from seatrial.examples.sentiment import train
from seatrial.examples.sentiment.data import TARGET, load_snippets
from seatrial.foundation import lay_foundation
from seatrial.pipelines.execution import ExecutionStatus, start
from seatrial.pipelines.registration import InputFiles, approve, register
from seatrial.pipelines.upsert import upsert
from seatrial.steps.arm_monitoring import hour_prefixes, wait_for_records

if TYPE_CHECKING:
    import pandas as pd

NAME = "sentiment"
ROWS_A_REQUEST = 10


def sentiment_config(**overrides: Any) -> Config:
    """The defaults with names for the example."""
    return load_config(
        None,
        project=NAME,
        model_package_group=NAME,
        endpoint={"name": NAME, "environment": {"SEATRIAL_ACCEPT_TIME": "1"}},
        # localcloud delivers records within a second; Firehose on AWS needs minutes
        monitoring={"arm_deadline_s": 60, "firehose_buffer_s": 1},
        profile={"max_seconds_per_payload": 5},
        **overrides,
    )


class Story:
    """The stages share a folder, a configuration and the data."""

    def __init__(self, out: Path, config: Config) -> None:
        self.out, self.config = out, config
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
        self.snippets = load_snippets()

    def lay_foundation(self) -> None:
        """Bucket, roles and topic as a stack; the pipelines and the approval rule."""
        lay_foundation(self.config, client("cloudformation", region=self.config.region))
        upsert(self.config, clients=self.clients)

    def train(self) -> float:
        """Fit and save the classifier; return its AUC on reviews that it has not seen."""
        model = train.fit(self.snippets.training)
        train.save(model, self.snippets.training, self.out / "model")
        train.write_inputs(self.snippets, self.out / "inputs")
        return train.auc(model, self.snippets.validation)

    def register(self) -> str:
        """Register the saved model as a package that waits for approval; return its ARN."""
        return register(
            self.out / "model",
            InputFiles.in_folder(
                self.out / "inputs", "binary_classification", target=TARGET, time_column=None
            ),
            group=self.config.model_package_group,
            bucket=self.config.bucket,
            image=self.config.images.serving,
            s3=self.s3,
            sagemaker=self.clients["sagemaker"],
            description="tf-idf and logistic regression",
            metadata={},
        )

    def approve_and_follow(self, package_arn: str) -> ExecutionStatus:
        """Approve the package; the rule starts the pipeline. Follow it to its end."""
        arn = self.kept.started_by(
            lambda: approve(package_arn, self.clients["sagemaker"], because="example"),
            self.config.readiness_pipeline,
        )
        return self.kept.follow(arn, lambda _: None)

    def readiness(self, execution: ExecutionStatus) -> Readiness:
        """The verdict of an execution."""
        folder = self.kept.folder(execution)
        return read_contract(Readiness, folder / "JudgeReadiness/verdict/readiness.json")

    def serve(self, rows: pd.DataFrame, day: str) -> int:
        """Ask for all rows, ten at a time, as if on `day`; wait until the log has them."""
        endpoint, started = self.config.endpoint, datetime.now(UTC)
        asked: set[str] = set()
        for first in range(0, len(rows), ROWS_A_REQUEST):
            part = rows.iloc[first : first + ROWS_A_REQUEST]
            answer = invoke(
                endpoint.name,
                train.csv_payload("part", part).body.encode(),
                runtime=self.clients["sagemaker-runtime"],
                content_type="text/csv",
                accept="text/csv",
                attributes=f"seatrial-time={day}T12:00:00Z",
            )
            asked.add(str(answer.event_id))
        prefix = f"s3://{self.config.bucket}/predictions/{endpoint.name}/{endpoint.variant_name}"
        seen, waited_s = wait_for_records(
            asked, hour_prefixes(prefix, started), self.s3, deadline_s=60, poll_s=0.2
        )
        if len(seen) < len(asked):
            raise CloudError(
                "predictions are missing in the log",
                got=f"{len(seen)} of {len(asked)} after {waited_s:.0f} s",
                allowed="all of them",
                do=f"Look at the delivery stream seatrial-{endpoint.name}",
            )
        return len(asked)

    def watch(self, start_day: str, end_day: str) -> Monitoring:
        """Run the monitoring pipeline on these days, and return what it said."""
        parameters = {
            "EndpointName": self.config.endpoint.name,
            "WindowStart": f"{start_day}T00:00:00Z",
            "WindowEnd": f"{end_day}T00:00:00Z",
        }
        arn = start(self.config.monitoring_pipeline, parameters, self.clients["sagemaker"])
        execution = self.kept.follow(arn, lambda _: None)
        if execution.status != "Succeeded":
            raise CloudError(
                "the monitoring pipeline failed",
                got=execution.failure_reason,
                allowed="Succeeded",
                do=f"Read the logs of {arn}",
            )
        path = self.kept.folder(execution) / "React" / "monitoring" / "monitoring.json"
        return read_contract(Monitoring, path)
