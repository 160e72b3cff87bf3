"""SageMaker Pipelines: pipelines, their executions, and the processing jobs that they start.

Differences from AWS, on purpose: only the current version of a pipeline is kept; a step's and an
execution's FailureReason go on, after AWS's own text, with what failed; step types are Processing,
Condition and Fail; what a role does is kept (audit.py), and not refused; when a step fails no other
is started, and those that run are let end.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from typing import Any

from seatrial.localcloud.api import Handler, Place, validation_error
from seatrial.localcloud.audit import Audit
from seatrial.localcloud.execution import Execution, Identity
from seatrial.localcloud.execution_handlers import ExecutionHandlers
from seatrial.localcloud.images import ImageMap
from seatrial.localcloud.jobs_of_role import JobsOfRole
from seatrial.localcloud.loopback import Loopback
from seatrial.localcloud.pipeline import Pipeline
from seatrial.localcloud.pipeline_parameters import parameter_values
from seatrial.localcloud.pipeline_shelf import PipelineShelf
from seatrial.localcloud.processing import ProcessingJobs
from seatrial.localcloud.s3_documents import S3Documents
from seatrial.localcloud.step_runs import Jobs, StepRuns
from seatrial.localcloud.tags import Tags


class Pipelines:
    """The part of SageMaker that runs pipelines; `jobs` is for tests that run none."""

    def __init__(
        self,
        place: Place,
        images: ImageMap,
        audit: Audit | None = None,
        tags: Tags | None = None,
        *,
        jobs: Jobs | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        aws = Loopback(place)
        self._place, self._audit = place, audit or Audit()
        self._processing = ProcessingJobs(place, images, aws, self._audit, now=now)
        self._jobs: Jobs = jobs or self._processing
        self._documents = S3Documents(aws)
        self._shelf = PipelineShelf(place, self._documents, tags or Tags(), now=now)
        self._now = now
        self._lock = threading.Lock()
        self._started: dict[str, str] = {}

    def handlers(self) -> dict[str, Handler]:
        """The calls that this answers."""
        return {
            **self._shelf.handlers(),
            **ExecutionHandlers(self._shelf).handlers(),
            **self._processing.handlers(),
            "SageMaker.StartPipelineExecution": self._start,
        }

    def stop(self) -> None:
        """Kill all that runs; for when the cloud goes down."""
        for execution in self._shelf.executions():
            execution.stop()
        self._processing.close()

    def _start(self, request: dict[str, Any]) -> dict[str, Any]:
        pipeline = self._shelf.get(request["PipelineName"])
        pipeline.refuse_other_version(request)
        if "SelectiveExecutionConfig" in request:
            raise validation_error(
                "SelectiveExecutionConfig is not supported; steps with a CacheConfig are not run "
                "twice anyway"
            )
        token = request.get("ClientRequestToken")
        with self._lock:
            arn = self._started.get(token) if token else None
            if arn is None:
                execution = self._execution(pipeline, request)
                arn = execution.identity.arn
                pipeline.executions[arn] = execution
                pipeline.last_run_at = execution.identity.started_at
                execution.start()
                if token:  # the same request, sent again, starts nothing
                    self._started[token] = arn
        return {"PipelineExecutionArn": arn}

    def _execution(self, pipeline: Pipeline, request: dict[str, Any]) -> Execution:
        definition = pipeline.definition
        values = parameter_values(definition.parameters, request.get("PipelineParameters", []))
        now = self._now()
        identity = Identity(
            pipeline_name=pipeline.name,
            pipeline_arn=pipeline.arn,
            execution_id=secrets.token_hex(6),
            started_at=now,
            version=pipeline.version,
            display_name=request.get(
                "PipelineExecutionDisplayName", f"execution-{int(now * 1000)}"
            ),
            description=request.get("PipelineExecutionDescription", ""),
        )
        jobs = JobsOfRole(self._jobs, pipeline.role_arn, self._place, self._audit)
        limit = request.get("ParallelismConfiguration", pipeline.parallelism) or {}
        return Execution(
            identity,
            definition,
            values,
            StepRuns(identity.execution_id, identity.arn, jobs, pipeline.cache, now=self._now),
            lambda uri: self._documents.read_json(
                uri, self._audit.keys(pipeline.role_arn, "sagemaker")
            ),
            max_parallel_steps=limit.get("MaxParallelExecutionSteps"),
            now=self._now,
        )
