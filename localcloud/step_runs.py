"""Run one step of a pipeline execution to its end."""

from __future__ import annotations

import re
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from seatrial.localcloud.api import AwsError
from seatrial.localcloud.conditions import all_hold
from seatrial.localcloud.expressions import Scope, Unresolved, as_text, resolve
from seatrial.localcloud.pipeline_definition import Step
from seatrial.localcloud.retries import delay_before_retry, fault_of_error, fault_of_job
from seatrial.localcloud.step_cache import CachedStep, StepCache, cache_key

MAX_ERROR_MESSAGE_CHARACTERS = 3072
MAX_JOB_NAME_CHARACTERS = 63


class Jobs(Protocol):
    """What runs processing jobs."""

    def create(self, request: dict[str, Any]) -> str:
        """Start a job, and return its ARN."""

    def wait(self, name: str) -> dict[str, Any]:
        """The job's description, once it has ended."""

    def stop(self, name: str) -> None:
        """Ask the job to end."""


@dataclass
class StepState:
    """What ListPipelineExecutionSteps tells of a step that has started."""

    step: Step
    started_at: float
    status: str = "Starting"
    ended_at: float | None = None
    attempts: int = 0
    failure_reason: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    cached_from: str | None = None
    properties: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StepResult:
    """How a step ended."""

    status: str
    properties: dict[str, Any] = field(default_factory=dict)
    failure_reason: str = ""


class StepRuns:
    """Runs the steps of one execution, each in the thread that calls `run`."""

    def __init__(
        self,
        execution_id: str,
        execution_arn: str,
        jobs: Jobs,
        cache: StepCache,
        *,
        now: Callable[[], float],
    ) -> None:
        self._id, self._arn = execution_id, execution_arn
        self._jobs, self._cache, self._now = jobs, cache, now
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._running: set[str] = set()

    def run(self, state: StepState, scope: Scope) -> StepResult:
        """Run the step; a step that fails is a result, never an exception."""
        kinds = {"Processing": self._process, "Condition": _decide, "Fail": _fail}
        try:
            return kinds[state.step.type](state, scope)
        except Unresolved as error:
            return StepResult("Failed", failure_reason=f"localcloud: {error}")

    def stop(self) -> None:
        """Stop the jobs that run, and start none again."""
        self._stopped.set()
        with self._lock:
            running = list(self._running)
        for name in running:
            self._jobs.stop(name)

    def _process(self, state: StepState, scope: Scope) -> StepResult:
        key = ""
        if state.step.cache is not None:
            request = resolve(state.step.arguments, _with_job_name(scope, ""))
            key = cache_key(state.step.name, request)
            age = state.step.cache.max_age
            found = self._cache.find(key, max_age=age, now=self._now())
            if found is not None:
                state.cached_from = found.execution_arn
                state.metadata = _job_metadata(found.properties)
                return StepResult("Succeeded", properties=found.properties)
        result = self._try_until_done(state, scope)
        if key and result.status == "Succeeded":
            self._cache.keep(key, CachedStep(self._now(), self._arn, result.properties))
        return result

    def _try_until_done(self, state: StepState, scope: Scope) -> StepResult:
        began, retries = self._now(), Counter[str | None]()
        while True:
            state.attempts += 1
            result, fault = self._attempt(state, scope)
            if result.status != "Failed":
                return result
            delay = delay_before_retry(
                state.step.retry_policies,
                fault,
                retries=retries[fault],
                elapsed_s=self._now() - began,
            )
            if delay is None:
                return result
            retries[fault] += 1
            if self._stopped.wait(delay):
                return StepResult("Stopped")

    def _attempt(self, state: StepState, scope: Scope) -> tuple[StepResult, str | None]:
        name = job_name(self._id, state.step.name)
        request = resolve(state.step.arguments, _with_job_name(scope, name))
        try:
            arn = self._jobs.create({**request, "ProcessingJobName": name})
        except AwsError as error:
            text = (
                "ClientError: Failed to invoke sagemaker:CreateProcessingJob. Error Details: "
                f"{error.message}"
            )
            return StepResult("Failed", failure_reason=text), fault_of_error(error)
        state.status = "Executing"
        state.metadata = {"ProcessingJob": {"Arn": arn}}
        return self._follow(name)

    def _follow(self, name: str) -> tuple[StepResult, str | None]:
        with self._lock:
            self._running.add(name)
        if self._stopped.is_set():  # it was not among those that `stop` saw
            self._jobs.stop(name)
        job = self._jobs.wait(name)
        with self._lock:
            self._running.discard(name)
        if job["ProcessingJobStatus"] == "Completed":
            return StepResult("Succeeded", properties=job), None
        if job["ProcessingJobStatus"] == "Stopped" and not job.get("FailureReason"):
            return StepResult("Stopped"), None
        return StepResult("Failed", failure_reason=_job_reason(job)), fault_of_job(job)


def job_name(execution_id: str, step: str) -> str:
    """A name such as AWS gives: `pipelines-<execution>-<step>-<random>`, at most 63 characters."""
    tail = secrets.token_hex(5)
    room = MAX_JOB_NAME_CHARACTERS - len(f"pipelines-{execution_id}--{tail}")
    plain = re.sub(r"[^a-zA-Z0-9]+", "-", step).strip("-")[:room].strip("-")
    return f"pipelines-{execution_id}-{plain}-{tail}"


def _decide(state: StepState, scope: Scope) -> StepResult:
    outcome = all_hold(resolve(state.step.arguments.get("Conditions", []), scope))
    state.metadata = {"Condition": {"Outcome": str(outcome)}}
    return StepResult("Succeeded", properties={"Outcome": outcome})


def _fail(state: StepState, scope: Scope) -> StepResult:
    message = as_text(resolve(state.step.arguments.get("ErrorMessage", ""), scope))
    if len(message) > MAX_ERROR_MESSAGE_CHARACTERS:
        raise Unresolved(
            f"the ErrorMessage has {len(message)} characters; {MAX_ERROR_MESSAGE_CHARACTERS} are "
            "allowed"
        )
    state.metadata = {"Fail": {"ErrorMessage": message}}
    return StepResult("Failed", failure_reason=message)


def _job_metadata(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"ProcessingJob": {"Arn": properties["ProcessingJobArn"]}}


def _job_reason(job: dict[str, Any]) -> str:
    """The job's FailureReason; its ExitMessage, which AWS leaves with the job, marked as ours."""
    reason: str = job.get("FailureReason", "")
    message = job.get("ExitMessage")
    return f"{reason}. localcloud: {message}" if message else reason


def _with_job_name(scope: Scope, name: str) -> Scope:
    return replace(scope, execution={**scope.execution, "ProcessingJobName": name})
