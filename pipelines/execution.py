"""Start pipeline executions, follow them, and fetch what they wrote."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from seatrial.aws import explained
from seatrial.pipelines.readiness import NOT_READY

JOB_LOGS = "/aws/sagemaker/ProcessingJobs"
FINISHED = ("Succeeded", "Failed", "Stopped")


@dataclass(frozen=True)
class StepStatus:
    """One step of an execution; `seconds` is None until it has ended."""

    name: str
    status: str
    failure_reason: str | None
    seconds: float | None
    cached: bool
    job_name: str | None


@dataclass(frozen=True)
class ExecutionStatus:
    """An execution and its steps, in the order they were started."""

    arn: str
    status: str
    failure_reason: str | None
    steps: tuple[StepStatus, ...]

    @property
    def finished(self) -> bool:
        """True once nothing more will happen."""
        return self.status in FINISHED

    @property
    def pipeline(self) -> str:
        """The pipeline's name, in lower case as ARNs have it."""
        return self.arn.split("/")[1]

    @property
    def not_ready(self) -> bool:
        """True if the gate's verdict ended it, and not a failure."""
        return any(step.name == NOT_READY and step.status == "Failed" for step in self.steps)

    @property
    def execution_id(self) -> str:
        """The last part of the ARN; outputs in S3 are below it."""
        return self.arn.rsplit("/", 1)[-1]


def start(pipeline: str, parameters: dict[str, str], sagemaker: Any) -> str:
    """Start an execution and return its ARN."""
    with explained(f"the start of {pipeline}", do="Run seatrial pipeline upsert first"):
        answer = sagemaker.start_pipeline_execution(
            PipelineName=pipeline,
            PipelineParameters=[{"Name": k, "Value": v} for k, v in parameters.items()],
        )
    return str(answer["PipelineExecutionArn"])


def executions(pipeline: str, sagemaker: Any) -> list[str]:
    """ARNs of the pipeline's executions, the newest first."""
    with explained(f"the executions of {pipeline}", do="Run seatrial pipeline upsert first"):
        pages = sagemaker.get_paginator("list_pipeline_executions").paginate(
            PipelineName=pipeline, SortBy="CreationTime", SortOrder="Descending"
        )
        return [
            item["PipelineExecutionArn"]
            for page in pages
            for item in page["PipelineExecutionSummaries"]
        ]


def status(arn: str, sagemaker: Any) -> ExecutionStatus:
    """How the execution stands."""
    with explained(f"the execution {arn}", do="Check the ARN"):
        found = sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
        pages = sagemaker.get_paginator("list_pipeline_execution_steps").paginate(
            PipelineExecutionArn=arn, SortOrder="Ascending"
        )
        steps = tuple(_step(item) for page in pages for item in page["PipelineExecutionSteps"])
    return ExecutionStatus(arn, found["PipelineExecutionStatus"], found.get("FailureReason"), steps)


def follow(
    arn: str, sagemaker: Any, *, poll_s: float, sleep: Callable[[float], None] = time.sleep
) -> Iterator[ExecutionStatus]:
    """Yield the status until the execution has finished; the last one is final."""
    while True:
        now = status(arn, sagemaker)
        yield now
        if now.finished:
            return
        sleep(poll_s)


def _step(item: dict[str, Any]) -> StepStatus:
    started, ended = item.get("StartTime"), item.get("EndTime")
    job_arn = item.get("Metadata", {}).get("ProcessingJob", {}).get("Arn")
    return StepStatus(
        name=item["StepName"],
        status=item["StepStatus"],
        failure_reason=item.get("FailureReason"),
        seconds=(ended - started).total_seconds() if started and ended else None,
        cached="CacheHitResult" in item,
        job_name=job_arn.rsplit("/", 1)[-1] if job_arn else None,
    )


def read_log(job_name: str, *, sagemaker: Any, logs: Any) -> str:
    """What a step's job printed, from CloudWatch Logs.

    A job's ARN, and so `job_name`, is in lower case; its log stream has the name as it was given.
    """
    with explained(f"the log of {job_name}", do="Allow logs:GetLogEvents"):
        job = sagemaker.describe_processing_job(ProcessingJobName=job_name)
        streams = logs.describe_log_streams(
            logGroupName=JOB_LOGS, logStreamNamePrefix=f"{job['ProcessingJobName']}/"
        )["logStreams"]
        lines: list[str] = []
        for stream in streams:
            pages = logs.get_paginator("filter_log_events").paginate(
                logGroupName=JOB_LOGS, logStreamNames=[stream["logStreamName"]]
            )
            lines += [event["message"] for page in pages for event in page["events"]]
    return "".join(f"{line}\n" for line in lines)
