"""The account's pipelines: created, changed, described and deleted."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

from seatrial.localcloud.api import AwsError, Handler, Place, validation_error
from seatrial.localcloud.definition_rules import accept_definition
from seatrial.localcloud.execution import Execution
from seatrial.localcloud.listing import created_within, page
from seatrial.localcloud.pipeline import Pipeline
from seatrial.localcloud.pipeline_definition import Definition
from seatrial.localcloud.s3_documents import S3Documents
from seatrial.localcloud.tags import Tags

NAME_PATTERN = "[a-zA-Z0-9](-*[a-zA-Z0-9]){0,255}"


class PipelineShelf:
    """Pipelines by name; the service takes names that differ in case only as the same."""

    def __init__(
        self, place: Place, documents: S3Documents, tags: Tags, *, now: Callable[[], float]
    ) -> None:
        self._place, self._documents, self._tags, self._now = place, documents, tags, now
        self._lock = threading.Lock()
        self._pipelines: dict[str, Pipeline] = {}

    def handlers(self) -> dict[str, Handler]:
        """The calls that concern pipelines only."""
        return {
            "SageMaker.CreatePipeline": self._create,
            "SageMaker.UpdatePipeline": self._update,
            "SageMaker.DescribePipeline": self._describe,
            "SageMaker.ListPipelines": self._list,
            "SageMaker.DeletePipeline": self._delete,
        }

    def get(self, name_or_arn: str) -> Pipeline:
        """The pipeline of that name or ARN; AwsError if there is none."""
        name = name_or_arn.split("/")[-1]
        pipeline = self._pipelines.get(name.lower())
        if pipeline is None:
            known = ", ".join(item.name for item in self._pipelines.values()) or "none"
            raise AwsError(
                "ResourceNotFound", f"localcloud: there is no pipeline {name!r}; there are {known}"
            )
        return pipeline

    def execution(self, arn: str) -> tuple[Pipeline, Execution]:
        """The execution of that ARN and its pipeline; AwsError if there is none."""
        for pipeline in list(self._pipelines.values()):
            if arn in pipeline.executions:
                return pipeline, pipeline.executions[arn]
        raise AwsError(
            "ResourceNotFound",
            f"localcloud: there is no pipeline execution {arn!r}; ListPipelineExecutions names "
            "those that there are",
        )

    def executions(self) -> list[Execution]:
        """Every execution there is."""
        pipelines = list(self._pipelines.values())
        return [execution for item in pipelines for execution in list(item.executions.values())]

    def _create(self, request: dict[str, Any]) -> dict[str, Any]:
        name, token = request["PipelineName"], request.get("ClientRequestToken")
        if not re.fullmatch(NAME_PATTERN, name):
            raise validation_error(
                f"PipelineName is {name!r}; allowed is {NAME_PATTERN}. Rename it"
            )
        there = self._pipelines.get(name.lower())
        if there is not None and token and there.token == token:  # the same request, sent again
            return {"PipelineArn": there.arn}
        definition = self._definition(request)
        if definition is None:
            raise validation_error("give PipelineDefinition or PipelineDefinitionS3Location")
        now = self._now()
        arn = self._place.arn(f"pipeline/{name.lower()}")
        pipeline = Pipeline(name, arn, request["RoleArn"], definition, now, now, token, name)
        pipeline.change(request, definition)
        with self._lock:
            if name.lower() in self._pipelines:
                raise AwsError(
                    "ValidationException",
                    "Pipeline names must be unique within an AWS account and region. Pipeline with "
                    f"name ({name}) already exists.",
                )
            self._pipelines[name.lower()] = pipeline
            self._tags.put(arn, request.get("Tags", []))
        return {"PipelineArn": arn}

    def _update(self, request: dict[str, Any]) -> dict[str, Any]:
        pipeline = self.get(request["PipelineName"])
        definition = self._definition(request)
        with self._lock:
            pipeline.change(request, definition)
            pipeline.modified_at = self._now()
            pipeline.version += definition is not None
        return {"PipelineArn": pipeline.arn, "PipelineVersionId": pipeline.version}

    def _definition(self, request: dict[str, Any]) -> Definition | None:
        text, location = (
            request.get("PipelineDefinition"),
            request.get("PipelineDefinitionS3Location"),
        )
        if text is not None and location is not None:
            raise validation_error(
                "give one of PipelineDefinition and PipelineDefinitionS3Location, not both"
            )
        if location is not None:
            text = self._documents.read_definition(location)
        return None if text is None else accept_definition(text)

    def _describe(self, request: dict[str, Any]) -> dict[str, Any]:
        pipeline = self.get(request["PipelineName"])
        pipeline.refuse_other_version(request)
        answer = {
            **pipeline.summary(),
            "PipelineDefinition": pipeline.definition.text,
            "PipelineStatus": "Active",
            "ParallelismConfiguration": pipeline.parallelism,
            "LastRunTime": pipeline.last_run_at,
        }
        answer.pop("LastExecutionTime", None)
        return {name: value for name, value in answer.items() if value is not None}

    def _list(self, request: dict[str, Any]) -> dict[str, Any]:
        prefix = request.get("PipelineNamePrefix", "")
        wanted = [
            pipeline.summary()
            for pipeline in list(self._pipelines.values())
            if pipeline.name.startswith(prefix)
            and created_within(pipeline.created_at, request, "CreatedAfter", "CreatedBefore")
        ]
        sort_by = "PipelineName" if request.get("SortBy") == "Name" else "CreationTime"
        return page(wanted, request, "PipelineSummaries", sort_by=sort_by)

    def _delete(self, request: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            pipeline = self.get(request["PipelineName"])
            for execution in pipeline.executions.values():
                if not execution.ended.is_set():
                    raise AwsError(
                        "ConflictException",
                        f"localcloud: {execution.identity.arn} is {execution.status}; "
                        "stop it first",
                    )
            del self._pipelines[pipeline.name.lower()]
            self._tags.forget(pipeline.arn)
        return {"PipelineArn": pipeline.arn}
