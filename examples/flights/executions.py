"""Pipeline executions, followed to their end; what they wrote is kept beside the run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial.aws import S3
from seatrial.errors import CloudError
from seatrial.pipelines.execution import ExecutionStatus, executions, follow, read_log

OnStatus = Callable[[ExecutionStatus], None]


@dataclass(frozen=True)
class KeptExecutions:
    """Keeps each execution in a folder of its own under `out`; `bucket` is where it writes."""

    out: Path
    bucket: str
    s3: S3
    sagemaker: Any
    logs: Any

    def folder(self, execution: ExecutionStatus) -> Path:
        """Where an execution's files are kept."""
        return self.out / f"{execution.pipeline}-{execution.execution_id}"

    def keep_outputs(self, execution: ExecutionStatus) -> Path:
        """Fetch everything the execution's steps wrote."""
        prefix = f"s3://{self.bucket}/runs/{execution.pipeline}/{execution.execution_id}"
        return self.s3.download_folder(prefix, self.folder(execution))

    def started_by(self, cause: Callable[[], None], pipeline: str, wait_s: float = 30) -> str:
        """The ARN of the execution that `cause` starts; CloudError if none comes."""
        before = set(executions(pipeline, self.sagemaker))
        cause()
        started = time.monotonic()
        while time.monotonic() - started < wait_s:
            new = [arn for arn in executions(pipeline, self.sagemaker) if arn not in before]
            if new:
                return new[0]
            time.sleep(0.1)
        raise CloudError(
            "the approval did not start the pipeline",
            got=f"no new execution of {pipeline} within {wait_s:.0f} s",
            allowed="one execution",
            do="Check the EventBridge rule: seatrial pipeline upsert",
        )

    def follow(self, arn: str, on_status: OnStatus) -> ExecutionStatus:
        """Its state at the end, once its outputs and logs are kept."""
        for now in follow(arn, self.sagemaker, poll_s=0.25):
            on_status(now)
        self.keep_outputs(now)
        self._keep_logs(now)
        return now

    def _keep_logs(self, execution: ExecutionStatus) -> None:
        for step in execution.steps:
            if step.job_name is not None and not step.cached:
                path = self.folder(execution) / "logs" / f"{step.name}.log"
                path.parent.mkdir(parents=True, exist_ok=True)
                text = read_log(step.job_name, sagemaker=self.sagemaker, logs=self.logs)
                path.write_text(text, encoding="utf-8")
