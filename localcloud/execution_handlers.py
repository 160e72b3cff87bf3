"""The calls that look at an execution, or stop it."""

from __future__ import annotations

from typing import Any

from seatrial.localcloud.api import Handler, validation_error
from seatrial.localcloud.execution import Execution
from seatrial.localcloud.expressions import as_text
from seatrial.localcloud.listing import created_within, page
from seatrial.localcloud.pipeline_shelf import PipelineShelf
from seatrial.localcloud.step_runs import StepState


class ExecutionHandlers:
    """Answers from what the executions tell of themselves."""

    def __init__(self, shelf: PipelineShelf) -> None:
        self._shelf = shelf

    def handlers(self) -> dict[str, Handler]:
        """The calls that this answers."""
        return {
            "SageMaker.DescribePipelineExecution": self._describe,
            "SageMaker.DescribePipelineDefinitionForExecution": self._definition,
            "SageMaker.ListPipelineExecutions": self._list,
            "SageMaker.ListPipelineExecutionSteps": self._steps,
            "SageMaker.ListPipelineParametersForExecution": self._parameters,
            "SageMaker.StopPipelineExecution": self._stop,
        }

    def _describe(self, request: dict[str, Any]) -> dict[str, Any]:
        _, execution = self._shelf.execution(request["PipelineExecutionArn"])
        return {
            "PipelineArn": execution.identity.pipeline_arn,
            "PipelineExecutionArn": execution.identity.arn,
            "PipelineExecutionDisplayName": execution.identity.display_name,
            "PipelineExecutionStatus": execution.status,
            "CreationTime": execution.identity.started_at,
            "LastModifiedTime": execution.changed_at,
            "PipelineVersionId": execution.identity.version,
            **_if_given("PipelineExecutionDescription", execution.identity.description),
            **_if_given("FailureReason", execution.failure_reason),
        }

    def _definition(self, request: dict[str, Any]) -> dict[str, Any]:
        _, execution = self._shelf.execution(request["PipelineExecutionArn"])
        return {
            "PipelineDefinition": execution.definition.text,
            "CreationTime": execution.identity.started_at,
        }

    def _list(self, request: dict[str, Any]) -> dict[str, Any]:
        summaries = [
            _summary(execution)
            for execution in list(self._shelf.get(request["PipelineName"]).executions.values())
            if created_within(
                execution.identity.started_at, request, "CreatedAfter", "CreatedBefore"
            )
        ]
        by_arn = request.get("SortBy") == "PipelineExecutionArn"
        sort_by = "PipelineExecutionArn" if by_arn else "StartTime"
        return page(summaries, request, "PipelineExecutionSummaries", sort_by=sort_by)

    def _steps(self, request: dict[str, Any]) -> dict[str, Any]:
        _, execution = self._shelf.execution(request["PipelineExecutionArn"])
        steps = [_step(state) for state in execution.steps()]
        return page(steps, request, "PipelineExecutionSteps", sort_by="StartTime")

    def _parameters(self, request: dict[str, Any]) -> dict[str, Any]:
        _, execution = self._shelf.execution(request["PipelineExecutionArn"])
        parameters = [
            {"Name": name, "Value": as_text(value)} for name, value in execution.parameters.items()
        ]
        return page(
            parameters, request, "PipelineParameters", sort_by="Name", default_order="Ascending"
        )

    def _stop(self, request: dict[str, Any]) -> dict[str, Any]:
        _, execution = self._shelf.execution(request["PipelineExecutionArn"])
        if not execution.stop():
            raise validation_error(
                f"{execution.identity.arn} is {execution.status}; only one that is Executing can "
                "be stopped"
            )
        return {"PipelineExecutionArn": execution.identity.arn}


def _summary(execution: Execution) -> dict[str, Any]:
    return {
        "PipelineExecutionArn": execution.identity.arn,
        "StartTime": execution.identity.started_at,
        "PipelineExecutionStatus": execution.status,
        "PipelineExecutionDisplayName": execution.identity.display_name,
        **_if_given("PipelineExecutionDescription", execution.identity.description),
        **_if_given("PipelineExecutionFailureReason", execution.failure_reason),
    }


def _step(state: StepState) -> dict[str, Any]:
    cached_from = state.cached_from
    return {
        "StepName": state.step.name,
        "StartTime": state.started_at,
        "StepStatus": state.status,
        "Metadata": state.metadata,
        "AttemptCount": state.attempts,
        **_if_given("StepDisplayName", state.step.display_name),
        **_if_given("StepDescription", state.step.description),
        **_if_given("EndTime", state.ended_at),
        **_if_given("FailureReason", state.failure_reason),
        **_if_given("CacheHitResult", cached_from and {"SourcePipelineExecutionArn": cached_from}),
    }


def _if_given(name: str, value: Any) -> dict[str, Any]:
    return {name: value} if value else {}
