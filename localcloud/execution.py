"""One execution of a pipeline: starts the steps that can start, side by side, until none can."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from seatrial.localcloud.expressions import Scope, Unresolved
from seatrial.localcloud.json_paths import PathError, find
from seatrial.localcloud.pipeline_definition import Definition
from seatrial.localcloud.pipeline_parameters import Value
from seatrial.localcloud.step_order import startable
from seatrial.localcloud.step_runs import StepResult, StepRuns, StepState

MAX_STEP_REASON_CHARACTERS = 1024
MAX_REASON_CHARACTERS = 1300
# AWS says no more, whatever failed: the rest is found with ListPipelineExecutionSteps.
STEPS_FAILED = "Step failure: One or multiple steps failed."


@dataclass(frozen=True)
class Identity:
    """What an execution is called."""

    pipeline_name: str
    pipeline_arn: str
    execution_id: str
    started_at: float
    version: int
    display_name: str
    description: str = ""

    @property
    def arn(self) -> str:
        """The execution's ARN."""
        return f"{self.pipeline_arn}/execution/{self.execution_id}"


class Execution:
    """Runs from `start` to its end; `ended` is set then."""

    def __init__(
        self,
        identity: Identity,
        definition: Definition,
        parameters: dict[str, Value],
        runs: StepRuns,
        read_json: Callable[[str], Any],
        *,
        max_parallel_steps: int | None,
        now: Callable[[], float],
    ) -> None:
        self.identity, self.definition, self.parameters = identity, definition, parameters
        self.status, self.failure_reason = "Executing", ""
        self.changed_at = identity.started_at
        self.ended = threading.Event()
        self._runs, self._read_json, self._now = runs, read_json, now
        self._max_parallel_steps = max_parallel_steps or len(definition.steps)
        self._changed = threading.Condition()
        self._states: dict[str, StepState] = {}

    def start(self) -> None:
        """Begin, and return at once."""
        name = f"execution-{self.identity.execution_id}"
        threading.Thread(target=self._coordinate, name=name, daemon=True).start()

    def stop(self) -> bool:
        """Stop what runs and start no more; false if it has ended already."""
        with self._changed:
            if self.ended.is_set():
                return False
            self.status, self.changed_at = "Stopping", self._now()
            self._changed.notify()
        self._runs.stop()
        return True

    def steps(self) -> list[StepState]:
        """The steps that have started, in that order."""
        with self._changed:
            return list(self._states.values())

    def _coordinate(self) -> None:
        with self._changed:
            while True:
                for name in self._next():
                    self._launch(name)
                if not self._running():
                    break
                self._changed.wait()
            self._end()

    def _running(self) -> list[StepState]:
        return [state for state in self._states.values() if state.ended_at is None]

    def _next(self) -> list[str]:
        statuses = {name: state.status for name, state in self._states.items()}
        if self.status != "Executing" or {"Failed", "Stopped"} & set(statuses.values()):
            return []
        outcomes = {
            name: state.properties["Outcome"]
            for name, state in self._states.items()
            if "Outcome" in state.properties
        }
        room = self._max_parallel_steps - len(self._running())
        return startable(self.definition.steps, statuses, outcomes)[: max(room, 0)]

    def _launch(self, name: str) -> None:
        state = StepState(self.definition.steps[name], started_at=self._now())
        self._states[name] = state
        scope = self._scope()
        threading.Thread(target=self._run, args=(state, scope), name=name, daemon=True).start()

    def _run(self, state: StepState, scope: Scope) -> None:
        try:
            result = self._runs.run(state, scope)
        except Exception as error:  # else the execution would wait for this step for ever
            result = StepResult("Failed", failure_reason=f"localcloud: {error!r}")
        with self._changed:
            state.properties = result.properties
            state.failure_reason = result.failure_reason[:MAX_STEP_REASON_CHARACTERS]
            state.status, state.ended_at = result.status, self._now()
            self.changed_at = state.ended_at
            self._changed.notify()

    def _end(self) -> None:
        states = list(self._states.values())
        failed = [state for state in states if state.status == "Failed"]
        if self.status == "Stopping" or any(state.status == "Stopped" for state in states):
            self.status = "Stopped"
        elif failed:
            self.status = "Failed"
            reasons = "; ".join(f"{state.step.name}: {state.failure_reason}" for state in failed)
            self.failure_reason = f"{STEPS_FAILED} localcloud: {reasons}"[:MAX_REASON_CHARACTERS]
        else:
            self.status = "Succeeded"
        self.changed_at = self._now()
        self.ended.set()

    def _scope(self) -> Scope:
        identity = self.identity
        succeeded = {
            name: state.properties
            for name, state in self._states.items()
            if state.status == "Succeeded"
        }
        return Scope(
            parameters=self.parameters,
            execution={
                "StartDateTime": _iso(identity.started_at),
                "CurrentDateTime": _iso(self._now()),
                "PipelineName": identity.pipeline_name,
                "PipelineArn": identity.pipeline_arn,
                "PipelineExecutionId": identity.execution_id,
                "PipelineExecutionArn": identity.arn,
            },
            steps=succeeded,
            read_file=lambda step, file: self._property_file(succeeded[step], step, file),
            read_uri=self._read_json,
        )

    def _property_file(self, properties: dict[str, Any], step: str, name: str) -> Any:
        file = self.definition.steps[step].property_files[name]
        path = f"ProcessingOutputConfig.Outputs['{file.output}'].S3Output.S3Uri"
        try:
            folder = find(properties, path)
        except PathError as error:
            raise Unresolved(f"property file {name} of step {step}: {error}") from error
        return self._read_json(f"{folder.rstrip('/')}/{file.path}")


def _iso(moment: float) -> str:
    text = datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
