"""Executions with jobs that do nothing: which steps run, in which order, and how they end."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seatrial.localcloud.api import AwsError, Place
from seatrial.localcloud.images import ImageMap
from seatrial.localcloud.pipeline_definition import RetryPolicy
from seatrial.localcloud.pipelines import Pipelines
from seatrial.localcloud.retries import delay_before_retry
from seatrial.localcloud.step_cache import cache_key
from seatrial.localcloud.step_runs import job_name

ROLE = "arn:aws:iam::123456789012:role/pipeline"
DONE = {"ProcessingJobStatus": "Completed"}


class FakeJobs:
    """Ends each step's jobs as told, one after the other; Completed if not told anything.

    What is told may be an AwsError to raise, a description, or a Barrier to wait at first.
    """

    def __init__(self, **ends: Any) -> None:
        self.ends = {step: list(several) for step, several in ends.items()}
        self.created: list[dict[str, Any]] = []
        self.stopped: list[str] = []
        self._stop = threading.Event()

    def create(self, request: dict[str, Any]) -> str:
        self.created.append(request)
        name = request["ProcessingJobName"]
        ends = self.ends.get(step_of(name))
        if ends and isinstance(ends[0], AwsError):
            raise ends.pop(0)
        return f"arn:aws:sagemaker:us-east-1:123456789012:processing-job/{name}"

    def wait(self, name: str) -> dict[str, Any]:
        ends = self.ends.get(step_of(name), [])
        end = ends.pop(0) if ends else DONE
        if end == "until stopped":
            assert self._stop.wait(10)
            return {"ProcessingJobStatus": "Stopped"}
        if isinstance(end, threading.Barrier):
            end.wait(10)
            end = DONE
        (request,) = [r for r in self.created if r["ProcessingJobName"] == name]
        return {**request, "ProcessingJobArn": f"arn/{name}", **end}

    def stop(self, name: str) -> None:
        self.stopped.append(step_of(name))
        self._stop.set()

    @property
    def ran(self) -> list[str]:
        return [step_of(request["ProcessingJobName"]) for request in self.created]


def step_of(name: str) -> str:
    return name.split("-")[2]


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class Cloud:
    """Pipelines with fake jobs, and the calls that the tests make."""

    def __init__(self, tmp_path: Path, jobs: FakeJobs) -> None:
        place = Place("us-east-1", "http://127.0.0.1:9", str(tmp_path))
        self.jobs, self.time = jobs, 1_000_000.0
        self._pipelines = Pipelines(place, ImageMap(images={}), jobs=jobs, now=lambda: self.time)
        self._handlers = self._pipelines.handlers()

    def call(self, name: str, **request: Any) -> dict[str, Any]:
        return self._handlers[f"SageMaker.{name}"](request)

    def create(self, *steps: dict[str, Any], parameters: Any = (), **more: Any) -> None:
        text = json.dumps({"Parameters": list(parameters), "Steps": list(steps)})
        self.call("CreatePipeline", PipelineName="P", RoleArn=ROLE, PipelineDefinition=text, **more)

    def start(self, **request: Any) -> str:
        arn = self.call("StartPipelineExecution", PipelineName="P", **request)
        return str(arn["PipelineExecutionArn"])

    def run(self, **request: Any) -> dict[str, Any]:
        return self.ended(self.start(**request))

    def ended(self, arn: str) -> dict[str, Any]:
        _, execution = self._pipelines._shelf.execution(arn)
        assert execution.ended.wait(20)
        return self.call("DescribePipelineExecution", PipelineExecutionArn=arn)

    def steps(self, execution: dict[str, Any]) -> dict[str, dict[str, Any]]:
        arn = execution["PipelineExecutionArn"]
        listed = self.call("ListPipelineExecutionSteps", PipelineExecutionArn=arn)
        return {step["StepName"]: step for step in listed["PipelineExecutionSteps"]}


NewCloud = Callable[..., Cloud]


@pytest.fixture
def new_cloud(tmp_path: Path) -> NewCloud:
    return lambda **ends: Cloud(tmp_path, FakeJobs(**ends))


def job(name: str, *needs: str, environment: Any = None, **more: Any) -> dict[str, Any]:
    output = {"S3Uri": {"Get": "Execution.PipelineExecutionId"}, "LocalPath": "/opt/ml/o"}
    arguments = {
        "AppSpecification": {"ImageUri": "img", "ContainerEntrypoint": ["true"]},
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "o", "S3Output": output}]},
        "Environment": environment or {},
    }
    step = {"Name": name, "Type": "Processing", "Arguments": arguments, **more}
    return {**step, "DependsOn": list(needs)} if needs else step


def condition(yes: list[dict[str, Any]], no: list[dict[str, Any]]) -> dict[str, Any]:
    equals = {"Type": "Equals", "LeftValue": {"Get": "Parameters.Go"}, "RightValue": True}
    arguments = {"Conditions": [equals], "IfSteps": yes, "ElseSteps": no}
    return {"Name": "Gate", "Type": "Condition", "Arguments": arguments}


def fail(message: Any) -> dict[str, Any]:
    return {"Name": "No", "Type": "Fail", "Arguments": {"ErrorMessage": message}}


GO = [{"Name": "Go", "Type": "Boolean", "DefaultValue": True}]
NO_GO = [{"Name": "Go", "Value": "false"}]
X = {"Name": "X", "Type": "String"}
FAILED = {"ProcessingJobStatus": "Failed", "FailureReason": "AlgorithmError: See job logs"}


def test_steps_run_after_what_they_need(new_cloud: NewCloud) -> None:
    cloud = new_cloud()
    arn = {"Get": "Steps.A.ProcessingJobArn"}
    cloud.create(job("C", "B"), job("B", environment={"X": arn}), job("A"))
    execution = cloud.run()
    assert execution["PipelineExecutionStatus"] == "Succeeded"
    assert cloud.jobs.ran == ["A", "B", "C"]
    assert cloud.jobs.created[1]["Environment"]["X"].startswith("arn/pipelines-")
    assert {step["StepStatus"] for step in cloud.steps(execution).values()} == {"Succeeded"}


def test_steps_that_wait_for_nothing_run_side_by_side(new_cloud: NewCloud) -> None:
    both = threading.Barrier(2)  # broken, and the step failed, if they do not
    cloud = new_cloud(A=[both], B=[both])
    cloud.create(job("A"), job("B"))
    assert cloud.run()["PipelineExecutionStatus"] == "Succeeded"


@pytest.mark.parametrize("where", ["pipeline", "execution"])
def test_parallelism_is_limited(new_cloud: NewCloud, where: str) -> None:
    both = threading.Barrier(2)
    cloud = new_cloud(A=[both], B=["until stopped"])
    limit = {"ParallelismConfiguration": {"MaxParallelExecutionSteps": 1}}
    cloud.create(job("A"), job("B"), **(limit if where == "pipeline" else {}))
    arn = cloud.start(**(limit if where == "execution" else {}))
    both.wait(10)  # A runs, and nothing else has started until it ends
    assert cloud.jobs.ran[0] == "A"
    eventually(lambda: "B" in cloud.jobs.ran)
    cloud.call("StopPipelineExecution", PipelineExecutionArn=arn)
    cloud.ended(arn)


def test_one_branch_runs_and_what_needs_the_other_does_not(new_cloud: NewCloud) -> None:
    cloud = new_cloud()
    cloud.create(condition([job("Yes")], [fail("no")]), job("After", "Yes"), parameters=GO)
    taken = cloud.run()
    assert taken["PipelineExecutionStatus"] == "Succeeded"
    assert list(cloud.steps(taken)) == ["After", "Yes", "Gate"]  # newest first
    assert cloud.steps(taken)["Gate"]["Metadata"] == {"Condition": {"Outcome": "True"}}


def test_a_fail_step_gives_its_message(new_cloud: NewCloud) -> None:
    cloud = new_cloud()
    text = {"Std:Join": {"On": " ", "Values": ["go is", {"Get": "Parameters.Go"}]}}
    cloud.create(condition([job("Yes")], [fail(text)]), job("After", "Yes"), parameters=GO)
    failed = cloud.run(PipelineParameters=NO_GO)
    assert failed["PipelineExecutionStatus"] == "Failed"
    assert failed["FailureReason"] == (
        "Step failure: One or multiple steps failed. localcloud: No: go is false"
    )
    step = cloud.steps(failed)["No"]
    assert step["StepStatus"] == "Failed"
    assert step["FailureReason"] == "go is false"
    assert step["Metadata"] == {"Fail": {"ErrorMessage": "go is false"}}
    assert cloud.jobs.ran == []


def test_long_messages_are_cut_where_the_service_cuts(new_cloud: NewCloud) -> None:
    cloud = new_cloud()
    cloud.create(fail("m" * 3072))
    failed = cloud.run()
    step = cloud.steps(failed)["No"]
    assert len(step["Metadata"]["Fail"]["ErrorMessage"]) == 3072
    assert len(step["FailureReason"]) == 1024
    assert len(failed["FailureReason"]) <= 1300


def test_a_resolved_message_over_3072_characters_is_said_to_be(new_cloud: NewCloud) -> None:
    cloud = new_cloud()
    text = {"Std:Join": {"On": "", "Values": ["m" * 3072, {"Get": "Parameters.Go"}]}}
    cloud.create(fail(text), parameters=GO)
    reason = cloud.steps(cloud.run())["No"]["FailureReason"]
    assert reason == "localcloud: the ErrorMessage has 3076 characters; 3072 are allowed"


def test_after_a_failure_nothing_starts_and_what_runs_is_let_end(new_cloud: NewCloud) -> None:
    both = threading.Barrier(2)
    cloud = new_cloud(A=[{**FAILED, "ExitMessage": "seatrial: no"}], B=[both])
    cloud.create(job("A"), job("B"), job("C", "B"), job("D", "A"))
    arn = cloud.start()
    running = {"PipelineExecutionArn": arn}
    eventually(lambda: "FailureReason" in cloud.steps(running).get("A", {}))
    both.wait(10)
    execution = cloud.ended(arn)
    assert execution["PipelineExecutionStatus"] == "Failed"
    steps = cloud.steps(execution)
    assert steps["A"]["FailureReason"] == "AlgorithmError: See job logs. localcloud: seatrial: no"
    assert steps["B"]["StepStatus"] == "Succeeded"
    assert set(steps) == {"A", "B"}


def test_a_job_that_is_refused_fails_its_step(new_cloud: NewCloud) -> None:
    cloud = new_cloud(A=[AwsError("ValidationException", "localcloud: unknown image")])
    cloud.create(job("A"))
    reason = cloud.steps(cloud.run())["A"]["FailureReason"]
    assert reason == (
        "ClientError: Failed to invoke sagemaker:CreateProcessingJob. Error Details: "
        "localcloud: unknown image"
    )


def test_stop_ends_what_runs_and_starts_no_more(new_cloud: NewCloud) -> None:
    cloud = new_cloud(A=["until stopped"])
    cloud.create(job("A"), job("B", "A"))
    arn = cloud.start()
    cloud.call("StopPipelineExecution", PipelineExecutionArn=arn)
    execution = cloud.ended(arn)
    assert execution["PipelineExecutionStatus"] == "Stopped"
    assert cloud.jobs.stopped == ["A"]
    assert cloud.steps(execution)["A"]["StepStatus"] == "Stopped"
    assert "B" not in cloud.jobs.ran
    with pytest.raises(AwsError, match="is Stopped; only one that is Executing"):
        cloud.call("StopPipelineExecution", PipelineExecutionArn=arn)


CACHED = {"CacheConfig": {"Enabled": True, "ExpireAfter": "PT1H"}}


def test_a_step_that_succeeded_with_the_same_input_is_not_run_again(new_cloud: NewCloud) -> None:
    cloud = new_cloud()
    uri = {"Get": "Steps.A.ProcessingOutputConfig.Outputs['o'].S3Output.S3Uri"}
    cloud.create(job("A", **CACHED), job("B", environment={"X": uri}))
    first, second = cloud.run(), cloud.run()
    assert cloud.jobs.ran == ["A", "B", "B"]
    step = cloud.steps(second)["A"]
    assert step["CacheHitResult"]["SourcePipelineExecutionArn"] == first["PipelineExecutionArn"]
    assert step["StepStatus"] == "Succeeded"
    assert step["Metadata"]["ProcessingJob"]["Arn"].startswith("arn/pipelines-")
    # what comes after reads where the first execution has written
    uses = [request["Environment"]["X"] for request in cloud.jobs.created if request["Environment"]]
    assert uses == [first["PipelineExecutionArn"].split("/")[-1]] * 2


def test_other_input_is_another_step(new_cloud: NewCloud) -> None:
    cloud = new_cloud()
    cloud.create(job("A", environment={"X": {"Get": "Parameters.X"}}, **CACHED), parameters=[X])
    for value in ("1", "2", "1"):
        cloud.run(PipelineParameters=[{"Name": "X", "Value": value}])
    assert [request["Environment"]["X"] for request in cloud.jobs.created] == ["1", "2"]


@pytest.mark.parametrize(("age_s", "runs"), [(3599, 1), (3600, 1), (3601, 2)])
def test_a_result_expires(new_cloud: NewCloud, age_s: float, runs: int) -> None:
    cloud = new_cloud()
    cloud.create(job("A", **CACHED))
    cloud.run()
    cloud.time += age_s
    cloud.run()
    assert len(cloud.jobs.ran) == runs


def test_a_failed_step_is_run_again_and_an_uncached_one_always(new_cloud: NewCloud) -> None:
    cloud = new_cloud(A=[FAILED])
    cloud.create(job("A", **CACHED), job("B"))
    statuses = [cloud.run()["PipelineExecutionStatus"] for _ in range(3)]
    assert statuses == ["Failed", "Succeeded", "Succeeded"]
    assert cloud.jobs.ran.count("A") == 2
    assert cloud.jobs.ran.count("B") == 3


def test_the_cache_is_the_pipelines_own(new_cloud: NewCloud) -> None:
    cloud = new_cloud()
    cloud.create(job("A", **CACHED))
    cloud.run()
    cloud.call("DeletePipeline", PipelineName="P")
    cloud.create(job("A", **CACHED))
    cloud.run()
    assert cloud.jobs.ran == ["A", "A"]


def test_the_key_is_the_program_its_environment_and_inputs() -> None:
    same = {"AppSpecification": 1, "Environment": 2, "ProcessingInputs": 3, "RoleArn": 4}
    key = cache_key("A", same)
    assert cache_key("A", {**same, "RoleArn": 9, "ProcessingResources": 9}) == key
    changed = [
        {**same, name: 9} for name in ("AppSpecification", "Environment", "ProcessingInputs")
    ]
    assert len({key, cache_key("B", same), *(cache_key("A", each) for each in changed)}) == 5


def retrying(*faults: str, times: int = 2) -> dict[str, Any]:
    policy = {"ExceptionType": list(faults), "IntervalSeconds": 0, "MaxAttempts": times}
    return {"RetryPolicies": [policy]}


@pytest.mark.parametrize(
    ("end", "fault"),
    [
        (AwsError("InternalFailure", "x", status=500), "Step.SERVICE_FAULT"),
        (AwsError("ThrottlingException", "x"), "Step.THROTTLING"),
        (AwsError("ResourceLimitExceeded", "x"), "SageMaker.RESOURCE_LIMIT"),
        ({**FAILED, "FailureReason": "InternalServerError: x"}, "SageMaker.JOB_INTERNAL_ERROR"),
        ({**FAILED, "FailureReason": "CapacityError: x"}, "SageMaker.CAPACITY_ERROR"),
    ],
)
def test_a_fault_is_tried_again_as_its_policy_says(
    new_cloud: NewCloud, end: Any, fault: str
) -> None:
    cloud = new_cloud(A=[end, end, None])
    cloud.jobs.ends["A"][2] = DONE
    cloud.create(job("A", **retrying(fault)))
    execution = cloud.run()
    assert execution["PipelineExecutionStatus"] == "Succeeded"
    assert cloud.steps(execution)["A"]["AttemptCount"] == 3
    assert len({request["ProcessingJobName"] for request in cloud.jobs.created}) == 3


def test_retries_end(new_cloud: NewCloud) -> None:
    throttled = AwsError("ThrottlingException", "slow down")
    cloud = new_cloud(A=[throttled] * 4)
    cloud.create(job("A", **retrying("Step.THROTTLING", times=2)))
    execution = cloud.run()
    assert execution["PipelineExecutionStatus"] == "Failed"
    assert cloud.steps(execution)["A"]["AttemptCount"] == 3


def test_a_program_that_fails_is_never_tried_again(new_cloud: NewCloud) -> None:
    cloud = new_cloud(A=[FAILED])
    faults = ("Step.SERVICE_FAULT", "Step.THROTTLING", "SageMaker.JOB_INTERNAL_ERROR")
    cloud.create(job("A", **retrying(*faults, "SageMaker.CAPACITY_ERROR")))
    assert cloud.steps(cloud.run())["A"]["AttemptCount"] == 1


def test_stop_ends_the_wait_for_a_retry(new_cloud: NewCloud) -> None:
    cloud = new_cloud(A=[AwsError("ThrottlingException", "slow down")])
    policy = {"ExceptionType": ["Step.THROTTLING"], "IntervalSeconds": 600, "MaxAttempts": 1}
    cloud.create(job("A", RetryPolicies=[policy]))
    arn = cloud.start()
    eventually(lambda: bool(cloud.jobs.created))
    cloud.call("StopPipelineExecution", PipelineExecutionArn=arn)
    assert cloud.ended(arn)["PipelineExecutionStatus"] == "Stopped"


def policy(**bounds: Any) -> RetryPolicy:
    values: dict[str, Any] = {"max_retries": None, "expire_after_s": None, **bounds}
    return RetryPolicy(frozenset({"F"}), interval_s=10, backoff_rate=2, **values)


@pytest.mark.parametrize(
    ("retries", "elapsed_s", "bounds", "delay"),
    [
        pytest.param(0, 0, {"max_retries": 2}, 10, id="first"),
        pytest.param(1, 0, {"max_retries": 2}, 20, id="backed off"),
        pytest.param(2, 0, {"max_retries": 2}, None, id="used up"),
        pytest.param(0, 50, {"expire_after_s": 60}, 10, id="just in time"),
        pytest.param(0, 50.1, {"expire_after_s": 60}, None, id="too late"),
    ],
)
def test_delays(retries: int, elapsed_s: float, bounds: Any, delay: float | None) -> None:
    policies = [policy(**bounds)]
    found = delay_before_retry(policies, "F", retries=retries, elapsed_s=elapsed_s)
    assert found == delay
    assert delay_before_retry(policies, "G", retries=0, elapsed_s=0) is None


def test_parameters_of_an_execution_are_listed(new_cloud: NewCloud) -> None:
    cloud = new_cloud()
    cloud.create(job("A"), parameters=[*GO, X])
    execution = cloud.run(PipelineParameters=[{"Name": "X", "Value": "v"}])
    arn = execution["PipelineExecutionArn"]
    listed = cloud.call("ListPipelineParametersForExecution", PipelineExecutionArn=arn)
    assert listed["PipelineParameters"] == [
        {"Name": "Go", "Value": "true"},
        {"Name": "X", "Value": "v"},
    ]


def test_a_start_that_is_sent_again_starts_once(new_cloud: NewCloud) -> None:
    cloud = new_cloud()
    cloud.create(job("A"))
    arns = {cloud.start(ClientRequestToken="t" * 32) for _ in range(2)}
    cloud.ended(*arns)
    assert cloud.jobs.ran == ["A"]


def test_a_pipeline_can_be_updated_and_an_execution_keeps_its_definition(
    new_cloud: NewCloud,
) -> None:
    cloud = new_cloud()
    cloud.create(job("A"))
    execution = cloud.run()
    text = json.dumps({"Steps": [job("B")]})
    updated = cloud.call("UpdatePipeline", PipelineName="P", PipelineDefinition=text)
    assert updated["PipelineVersionId"] == 2
    cloud.run()
    assert cloud.jobs.ran == ["A", "B"]
    arn = execution["PipelineExecutionArn"]
    kept = cloud.call("DescribePipelineDefinitionForExecution", PipelineExecutionArn=arn)
    assert '"A"' in kept["PipelineDefinition"]
    assert cloud.call("DescribePipeline", PipelineName=updated["PipelineArn"])["LastRunTime"]


def test_names_are_taken_once_and_unknown_ones_named(new_cloud: NewCloud) -> None:
    cloud = new_cloud()
    cloud.create(job("A"))
    with pytest.raises(AwsError, match=r"Pipeline names must be unique .* \(P\) already exists"):
        cloud.create(job("A"))
    with pytest.raises(AwsError, match="no pipeline 'Q'; there are P") as caught:
        cloud.call("DescribePipeline", PipelineName="Q")
    assert caught.value.code == "ResourceNotFound"


def test_a_pipeline_that_runs_cannot_be_deleted(new_cloud: NewCloud) -> None:
    cloud = new_cloud(A=["until stopped"])
    cloud.create(job("A"))
    arn = cloud.start()
    with pytest.raises(AwsError, match="is Executing; stop it first"):
        cloud.call("DeletePipeline", PipelineName="P")
    cloud.call("StopPipelineExecution", PipelineExecutionArn=arn)
    cloud.ended(arn)
    cloud.call("DeletePipeline", PipelineName="P")
    assert cloud.call("ListPipelines")["PipelineSummaries"] == []


def test_executions_are_listed_newest_first_page_by_page(new_cloud: NewCloud) -> None:
    cloud = new_cloud()
    cloud.create(job("A"))
    arns = []
    for _ in range(3):
        arns.append(cloud.run()["PipelineExecutionArn"])
        cloud.time += 1
    first = cloud.call("ListPipelineExecutions", PipelineName="P", MaxResults=2)
    token = first.pop("NextToken")
    second = cloud.call("ListPipelineExecutions", PipelineName="P", NextToken=token)
    listed = first["PipelineExecutionSummaries"] + second["PipelineExecutionSummaries"]
    assert [item["PipelineExecutionArn"] for item in listed] == arns[::-1]
    assert "NextToken" not in second


@pytest.mark.parametrize("step", ["A", "S" * 64, "with_underscores", "___"])
def test_job_names_can_be_jobs_names(step: str) -> None:
    name = job_name("a1b2c3d4e5f6", step)
    assert len(name) <= 63
    assert all(character.isalnum() or character == "-" for character in name)


def test_what_selects_steps_or_versions_is_refused(new_cloud: NewCloud) -> None:
    cloud = new_cloud()
    cloud.create(job("A"))
    with pytest.raises(AwsError, match="SelectiveExecutionConfig is not supported"):
        cloud.start(SelectiveExecutionConfig={})
    with pytest.raises(AwsError, match="version 7 of pipeline 'P' is not kept"):
        cloud.start(PipelineVersionId=7)
