"""One pipeline: its current definition, its executions, and the results they may use again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from seatrial.localcloud.api import validation_error
from seatrial.localcloud.execution import Execution
from seatrial.localcloud.pipeline_definition import Definition
from seatrial.localcloud.step_cache import StepCache


@dataclass
class Pipeline:
    """One pipeline, its executions and the results that they may use again."""

    name: str
    arn: str
    role_arn: str
    definition: Definition
    created_at: float
    modified_at: float
    token: str | None
    display_name: str
    description: str = ""
    parallelism: dict[str, int] | None = None
    version: int = 1
    last_run_at: float | None = None
    executions: dict[str, Execution] = field(default_factory=dict)
    cache: StepCache = field(default_factory=StepCache)

    def change(self, request: dict[str, Any], definition: Definition | None) -> None:
        """Take over what CreatePipeline or UpdatePipeline gives."""
        self.definition = definition or self.definition
        self.display_name = request.get("PipelineDisplayName", self.display_name)
        self.description = request.get("PipelineDescription", self.description)
        self.role_arn = request.get("RoleArn", self.role_arn)
        self.parallelism = request.get("ParallelismConfiguration", self.parallelism)

    def refuse_other_version(self, request: dict[str, Any]) -> None:
        """AwsError if the request is for a version that is not the current one."""
        alias, version = request.get("PipelineVersionAlias"), request.get("PipelineVersionId")
        if alias is not None or version not in (None, self.version):
            raise validation_error(
                f"version {alias or version} of pipeline {self.name!r} is not kept; the current "
                f"one is {self.version}"
            )

    def summary(self) -> dict[str, Any]:
        """A line of ListPipelines."""
        line = {
            "PipelineArn": self.arn,
            "PipelineName": self.name,
            "PipelineDisplayName": self.display_name,
            "PipelineDescription": self.description,
            "RoleArn": self.role_arn,
            "CreationTime": self.created_at,
            "LastModifiedTime": self.modified_at,
            "LastExecutionTime": self.last_run_at,
        }
        return {name: value for name, value in line.items() if value}
