"""Pipelines on localcloud, through boto3: definitions of the SageMaker SDK, run as processes."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = pytest.mark.flow

BUCKET = "pipelines-of-the-test"
ROLE = "arn:aws:iam::123456789012:role/pipeline"
IMAGE = "tiny"
ROOT = "/opt/ml/processing"
LOG_GROUP = "/aws/sagemaker/ProcessingJobs"
# Copies its input's text into its output, after the argument before it.
COPY = (
    "import pathlib, sys; text, source, target = sys.argv[1:];"
    "pathlib.Path(target, 'out.txt').write_text(text + pathlib.Path(source).read_text())"
)


@pytest.fixture(scope="module")
def aws(cloud: Any) -> Any:
    """The clients that the tests use, and the bucket."""
    cloud.client("s3").create_bucket(Bucket=BUCKET)
    return cloud


@pytest.fixture
def sagemaker(aws: Any) -> Any:
    return aws.client("sagemaker")


@pytest.fixture
def s3(aws: Any) -> Any:
    return aws.client("s3")


def name_of_its_own() -> str:
    return f"p-{uuid.uuid4().hex[:12]}"


def s3_input(uri: Any, path: str) -> dict[str, Any]:
    return {"S3Uri": uri, "LocalPath": path, "S3DataType": "S3Prefix", "S3InputMode": "File"}


def job(
    name: str,
    code: str,
    *arguments: Any,
    inputs: dict[str, Any] | None = None,
    outputs: dict[str, Any] | None = None,
    limit_s: int = 60,
    **more: Any,
) -> dict[str, Any]:
    """A Processing step that runs `code` with the image's Python; inputs and outputs are URIs."""
    return {
        "Name": name,
        "Type": "Processing",
        "Arguments": {
            "ProcessingResources": {
                "ClusterConfig": {
                    "InstanceType": "ml.m5.large",
                    "InstanceCount": 1,
                    "VolumeSizeInGB": 1,
                }
            },
            "RoleArn": ROLE,
            "AppSpecification": {
                "ImageUri": more.pop("image", IMAGE),
                "ContainerEntrypoint": ["python3", f"{ROOT}/code/main.py"],
                "ContainerArguments": [*arguments] or ["none"],
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": limit_s},
            "ProcessingInputs": [
                {"InputName": key, "S3Input": s3_input(uri, f"{ROOT}/{key}")}
                for key, uri in {"code": code, **(inputs or {})}.items()
            ],
            "ProcessingOutputConfig": {
                "Outputs": [
                    {
                        "OutputName": key,
                        "S3Output": {
                            "S3Uri": uri,
                            "LocalPath": f"{ROOT}/out/{key}",
                            "S3UploadMode": "EndOfJob",
                        },
                    }
                    for key, uri in (outputs or {}).items()
                ]
            },
        },
        **more,
    }


@pytest.fixture
def code(s3: Any) -> Callable[[str], str]:
    """Puts a program into S3 and gives the URI of its folder."""

    def put(text: str) -> str:
        prefix = f"code/{uuid.uuid4().hex}"
        s3.put_object(Bucket=BUCKET, Key=f"{prefix}/main.py", Body=text.encode())
        return f"s3://{BUCKET}/{prefix}"

    return put


def start(sagemaker: Any, *steps: dict[str, Any], parameters: Any = (), **given: str) -> str:
    name = name_of_its_own()
    definition = json.dumps({"Parameters": list(parameters), "Steps": list(steps)})
    sagemaker.create_pipeline(PipelineName=name, RoleArn=ROLE, PipelineDefinition=definition)
    return start_again(sagemaker, name, **given)


def start_again(sagemaker: Any, name: str, **given: str) -> str:
    parameters = [{"Name": key, "Value": value} for key, value in given.items()]
    answer = sagemaker.start_pipeline_execution(PipelineName=name, PipelineParameters=parameters)
    return str(answer["PipelineExecutionArn"])


def ended(sagemaker: Any, arn: str) -> dict[str, Any]:
    """The execution's description, once it has ended."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        described: dict[str, Any] = sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
        if described["PipelineExecutionStatus"] not in ("Executing", "Stopping"):
            return described
        time.sleep(0.02)
    raise AssertionError(described)


def steps_of(sagemaker: Any, arn: str) -> dict[str, dict[str, Any]]:
    listed = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=arn)
    return {step["StepName"]: step for step in listed["PipelineExecutionSteps"]}


def object_text(s3: Any, key: str) -> str:
    body: bytes = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return body.decode()


def eventually(holds: Callable[[], bool], *, within_s: float = 10) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# --- a definition that the SageMaker SDK has written --------------------------------------------

JUDGE = """
import json, pathlib, sys
threshold, found, target = sys.argv[1:]
value = float(pathlib.Path(found, "value.txt").read_text())
print("judging", value)
verdict = {"ready": value < float(threshold), "message": f"{value} is not below {threshold}"}
pathlib.Path(target, "verdict.json").write_text(json.dumps(verdict))
"""
MEASURE = """
import pathlib, sys, time
other, own, target = sys.argv[1:]
# each waits for the other, so it fails unless they run side by side
meeting = pathlib.Path(other)
(meeting.parent / own).touch()
deadline = time.monotonic() + 15
while not meeting.exists() and time.monotonic() < deadline:
    time.sleep(0.01)
assert meeting.exists()
pathlib.Path(target, "value.txt").write_text("7")
"""


def sdk_definition(measure: str, judge: str, meeting: Path) -> str:
    """Two steps side by side, a third that judges, a condition on its verdict, and Fail."""
    from sagemaker.core.processing import Processor
    from sagemaker.core.shapes import (
        ProcessingInput,
        ProcessingOutput,
        ProcessingS3Input,
        ProcessingS3Output,
    )
    from sagemaker.core.workflow.conditions import ConditionEquals
    from sagemaker.core.workflow.execution_variables import ExecutionVariables
    from sagemaker.core.workflow.functions import Join, JsonGet
    from sagemaker.core.workflow.parameters import ParameterFloat
    from sagemaker.core.workflow.pipeline_context import PipelineSession
    from sagemaker.core.workflow.properties import PropertyFile
    from sagemaker.mlops.workflow.condition_step import ConditionStep
    from sagemaker.mlops.workflow.fail_step import FailStep
    from sagemaker.mlops.workflow.pipeline import Pipeline
    from sagemaker.mlops.workflow.steps import ProcessingStep

    opt_out = {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}}
    session = PipelineSession(
        default_bucket=BUCKET, sagemaker_config={"SchemaVersion": "1.0", "SageMaker": opt_out}
    )
    threshold = ParameterFloat("Threshold", default_value=10.0)
    run_prefix = [f"s3://{BUCKET}/runs", ExecutionVariables.PIPELINE_EXECUTION_ID]

    def step(name: str, arguments: list[Any], inputs: dict[str, Any], **more: Any) -> Any:
        processor = Processor(
            role=ROLE,
            image_uri=IMAGE,
            instance_count=1,
            instance_type="ml.m5.large",
            entrypoint=["python3", f"{ROOT}/code/main.py"],
            sagemaker_session=session,
        )
        uri = Join(on="/", values=[*run_prefix, name])
        target = ProcessingS3Output(s3_uri=uri, local_path=f"{ROOT}/out", s3_upload_mode="EndOfJob")
        recorded = processor.run(
            inputs=[
                ProcessingInput(
                    input_name=key,
                    s3_input=ProcessingS3Input(
                        s3_uri=source,
                        local_path=f"{ROOT}/{key}",
                        s3_data_type="S3Prefix",
                        s3_input_mode="File",
                    ),
                )
                for key, source in inputs.items()
            ],
            outputs=[ProcessingOutput(output_name="out", s3_output=target)],
            arguments=[*arguments, f"{ROOT}/out"],
        )
        return ProcessingStep(name=name, step_args=recorded, **more)

    left = step("Left", [f"{meeting}/right", "left"], {"code": measure})
    right = step("Right", [f"{meeting}/left", "right"], {"code": measure})
    found = left.properties.ProcessingOutputConfig.Outputs["out"].S3Output.S3Uri
    verdict = PropertyFile(name="Verdict", output_name="out", path="verdict.json")
    decide = step(
        "Judge",
        [threshold.to_string(), f"{ROOT}/found"],
        {"code": judge, "found": found},
        property_files=[verdict],
        depends_on=[right],
    )

    def answer(key: str) -> JsonGet:
        return JsonGet(step_name="Judge", property_file=verdict, json_path=key)

    gate = ConditionStep(
        name="Ready",
        conditions=[ConditionEquals(left=answer("ready"), right=True)],
        if_steps=[step("Deploy", [f"{meeting}/left", "left"], {"code": measure})],
        else_steps=[FailStep(name="NotReady", error_message=answer("message"))],
    )
    pipeline = Pipeline(
        name="unused",
        parameters=[threshold],
        steps=[left, right, decide, gate],
        sagemaker_session=session,
    )
    text: str = pipeline.definition()
    return text


@pytest.fixture(scope="module")
def judged(aws: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of a pipeline made by the SDK; it takes seconds, so it is made once."""
    import warnings

    sagemaker, s3 = aws.client("sagemaker"), aws.client("s3")
    for folder, text in (("measure", MEASURE), ("judge", JUDGE)):
        s3.put_object(Bucket=BUCKET, Key=f"sdk/{folder}/main.py", Body=text.encode())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the SDK's own
        definition = sdk_definition(
            f"s3://{BUCKET}/sdk/measure",
            f"s3://{BUCKET}/sdk/judge",
            tmp_path_factory.mktemp("meeting"),
        )
    name = name_of_its_own()
    s3.put_object(Bucket=BUCKET, Key="sdk/definition.json", Body=definition.encode())
    location = {"Bucket": BUCKET, "ObjectKey": "sdk/definition.json"}
    sagemaker.create_pipeline(
        PipelineName=name, RoleArn=ROLE, PipelineDefinitionS3Location=location
    )
    yield name
    sagemaker.delete_pipeline(PipelineName=name)


def test_an_sdk_pipeline_runs_its_steps_side_by_side_and_takes_the_branch(
    judged: str, sagemaker: Any
) -> None:
    arn = start_again(sagemaker, judged)
    execution = ended(sagemaker, arn)
    assert execution["PipelineExecutionStatus"] == "Succeeded", execution
    steps = steps_of(sagemaker, arn)
    assert set(steps) == {"Left", "Right", "Judge", "Ready", "Deploy"}
    assert steps["Left"]["StartTime"] < steps["Right"]["EndTime"]
    assert steps["Right"]["StartTime"] < steps["Left"]["EndTime"]
    assert steps["Judge"]["StartTime"] >= steps["Right"]["EndTime"]
    assert steps["Ready"]["Metadata"]["Condition"]["Outcome"] == "True"


def test_an_sdk_pipeline_fails_with_the_message_of_its_property_file(
    judged: str, aws: Any, sagemaker: Any
) -> None:
    arn = start_again(sagemaker, judged, Threshold="5")
    execution = ended(sagemaker, arn)
    assert execution["PipelineExecutionStatus"] == "Failed"
    assert execution["FailureReason"].endswith("localcloud: NotReady: 7.0 is not below 5.0")
    steps = steps_of(sagemaker, arn)
    assert "Deploy" not in steps
    assert steps["NotReady"]["FailureReason"] == "7.0 is not below 5.0"
    job_name = steps["Judge"]["Metadata"]["ProcessingJob"]["Arn"].split("/")[-1]
    described = sagemaker.describe_processing_job(ProcessingJobName=job_name)
    assert described["ProcessingJobStatus"] == "Completed"
    logs = aws.client("logs")
    (stream,) = logs.describe_log_streams(
        logGroupName=LOG_GROUP, logStreamNamePrefix=f"{described['ProcessingJobName']}/algo-1-"
    )["logStreams"]
    events = logs.get_log_events(logGroupName=LOG_GROUP, logStreamName=stream["logStreamName"])
    assert [event["message"] for event in events["events"]] == ["judging 7.0"]


# --- definitions by hand ------------------------------------------------------------------------


def test_files_pass_from_step_to_step_and_nothing_of_the_jobs_is_left(
    aws: Any, sagemaker: Any, s3: Any, code: Callable[[str], str]
) -> None:
    s3.put_object(Bucket=BUCKET, Key="texts/in.txt", Body=b"c")
    program = code(COPY)
    run = {"Get": "Execution.PipelineExecutionId"}
    uri = {"Std:Join": {"On": "/", "Values": [f"s3://{BUCKET}/runs", run, "One"]}}
    came = {"Get": "Steps.One.ProcessingOutputConfig.Outputs['o'].S3Output.S3Uri"}
    there = f"s3://{BUCKET}/texts/in.txt"
    arn = start(
        sagemaker,
        job("One", program, "b", f"{ROOT}/i/in.txt", f"{ROOT}/out/o", inputs={"i": there},
            outputs={"o": uri}),
        job("Two", program, "a", f"{ROOT}/i/out.txt", f"{ROOT}/out/o", inputs={"i": came},
            outputs={"o": f"s3://{BUCKET}/two"}),
    )  # fmt: skip
    assert ended(sagemaker, arn)["PipelineExecutionStatus"] == "Succeeded"
    assert object_text(s3, "two/out.txt") == "abc"
    jobs = Path(aws.info.state_dir) / "work" / "jobs"
    assert {path.name for folder in jobs.iterdir() for path in folder.iterdir()} == {"output.log"}


def test_a_program_that_fails_says_why(sagemaker: Any, code: Callable[[str], str]) -> None:
    program = code(
        "import sys; print('noise', file=sys.stderr);"
        "print('seatrial: no signature', file=sys.stderr); sys.exit(2)"
    )
    arn = start(sagemaker, job("One", program))
    reason = ended(sagemaker, arn)["FailureReason"]
    text = "AlgorithmError: See job logs for more information. localcloud: seatrial: no signature"
    assert reason == f"Step failure: One or multiple steps failed. localcloud: One: {text}"
    step = steps_of(sagemaker, arn)["One"]
    job_name = step["Metadata"]["ProcessingJob"]["Arn"].split("/")[-1]
    described = sagemaker.describe_processing_job(ProcessingJobName=job_name)
    assert described["FailureReason"] == "AlgorithmError: See job logs for more information"
    assert described["ExitMessage"] == "seatrial: no signature"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param({"image": "nobody/knows:it"}, "does not know 'nobody/knows:it'", id="image"),
        pytest.param(
            {"inputs": {"i": f"s3://{BUCKET}/nothing/here"}},
            f"no object under s3://{BUCKET}/nothing/here",
            id="input",
        ),
        pytest.param({"outputs": {"o": "s3://no-such-bucket/x"}}, "NoSuchBucket", id="bucket"),
        pytest.param({"limit_s": 1}, "stopped at MaxRuntimeInSeconds, 1 s", id="time"),
    ],
)
def test_a_step_that_cannot_run_says_why(
    sagemaker: Any, code: Callable[[str], str], change: dict[str, Any], reason: str
) -> None:
    slow = "import pathlib, time; time.sleep(20)"
    quick = f"import pathlib; pathlib.Path({f'{ROOT}/out/o'!r}, 'x').write_text('x')"
    program = code(slow if "limit_s" in change else "import sys; exec(sys.argv[1])")
    arn = start(sagemaker, job("One", program, quick if "outputs" in change else "", **change))
    assert reason in ended(sagemaker, arn)["FailureReason"]


def test_stop_ends_the_processes(
    sagemaker: Any, code: Callable[[str], str], tmp_path: Path
) -> None:
    program = code(
        "import os, pathlib, sys, time;"
        "pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); time.sleep(60)"
    )
    pid_file = tmp_path / "pid"
    arn = start(sagemaker, job("One", program, str(pid_file)))
    eventually(lambda: pid_file.exists() and pid_file.read_text() != "")
    sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn)
    assert ended(sagemaker, arn)["PipelineExecutionStatus"] == "Stopped"
    assert steps_of(sagemaker, arn)["One"]["StepStatus"] == "Stopped"
    assert not Path(f"/proc/{pid_file.read_text()}").exists()


def test_a_cached_step_gives_the_former_outputs(
    sagemaker: Any, code: Callable[[str], str], s3: Any
) -> None:
    program = code("import pathlib, sys; pathlib.Path(sys.argv[1], 'x').write_text('x')")
    run = {"Get": "Execution.PipelineExecutionId"}
    uri = {"Std:Join": {"On": "/", "Values": [f"s3://{BUCKET}/cached", run]}}
    cached = {"CacheConfig": {"Enabled": True, "ExpireAfter": "P1D"}}
    step = job("One", program, f"{ROOT}/out/o", outputs={"o": uri}, **cached)
    first = start(sagemaker, step)
    assert ended(sagemaker, first)["PipelineExecutionStatus"] == "Succeeded"
    second = start_again(sagemaker, first.split("/")[1])
    assert ended(sagemaker, second)["PipelineExecutionStatus"] == "Succeeded"
    found = steps_of(sagemaker, second)["One"]
    assert found["CacheHitResult"] == {"SourcePipelineExecutionArn": first}
    keys = s3.list_objects_v2(Bucket=BUCKET, Prefix="cached/")["Contents"]
    assert [item["Key"] for item in keys] == [f"cached/{first.split('/')[-1]}/x"]


def test_a_program_sees_this_cloud_and_its_image(
    aws: Any, sagemaker: Any, code: Callable[[str], str]
) -> None:
    program = code(
        "import boto3, os, sys;"
        "boto3.client('s3').put_object(Bucket=sys.argv[1], Key='seen', Body=os.environ['TMPDIR'])"
    )
    arn = start(sagemaker, job("One", program, BUCKET))
    assert ended(sagemaker, arn)["PipelineExecutionStatus"] == "Succeeded"
    seen = object_text(aws.client("s3"), "seen")
    assert seen.startswith(aws.info.state_dir)
    assert not Path(seen).exists()


def test_what_the_definition_lacks_is_said_at_create(sagemaker: Any) -> None:
    definition = json.dumps({"Steps": [{"Name": "T", "Type": "Training", "Arguments": {}}]})
    with pytest.raises(ClientError, match="localcloud: step 'T' is of type 'Training'") as caught:
        sagemaker.create_pipeline(
            PipelineName=name_of_its_own(), RoleArn=ROLE, PipelineDefinition=definition
        )
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    location = {"Bucket": BUCKET, "ObjectKey": "not/there.json"}
    with pytest.raises(ClientError, match=r"s3://.*/not/there\.json cannot be read"):
        sagemaker.create_pipeline(
            PipelineName=name_of_its_own(), RoleArn=ROLE, PipelineDefinitionS3Location=location
        )


def test_parameters_are_checked_at_start(sagemaker: Any, code: Callable[[str], str]) -> None:
    step = job("One", code(""), {"Get": "Parameters.X"})
    parameters = [{"Name": "X", "Type": "String"}]
    with pytest.raises(ClientError, match="parameter 'X' has no default and was not given"):
        start(sagemaker, step, parameters=parameters)
    with pytest.raises(ClientError, match="the pipeline has no parameter 'Y'; it has X"):
        start(sagemaker, step, parameters=parameters, Y="1")


def test_a_processing_job_runs_by_itself(
    sagemaker: Any, code: Callable[[str], str], s3: Any
) -> None:
    arguments = job("One", code("print('alone')"))["Arguments"]
    name = name_of_its_own()
    sagemaker.create_processing_job(ProcessingJobName=name, **arguments)
    waiter = sagemaker.get_waiter("processing_job_completed_or_stopped")
    waiter.wait(ProcessingJobName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    with pytest.raises(ClientError, match="Job name must be unique"):
        sagemaker.create_processing_job(ProcessingJobName=name, **arguments)
    listed = sagemaker.list_processing_jobs(NameContains=name)["ProcessingJobSummaries"]
    assert [item["ProcessingJobStatus"] for item in listed] == ["Completed"]


def test_cloud_down_ends_what_runs(new_cloud: Any, tmp_path: Path) -> None:
    with new_cloud() as other:
        other.client("s3").create_bucket(Bucket=BUCKET)
        text = (
            "import os, pathlib, sys, time;"
            "pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); time.sleep(60)"
        )
        other.client("s3").put_object(Bucket=BUCKET, Key="c/main.py", Body=text.encode())
        pid_file = tmp_path / "pid"
        start(other.client("sagemaker"), job("One", f"s3://{BUCKET}/c", str(pid_file)))
        eventually(lambda: pid_file.exists() and pid_file.read_text() != "")
    eventually(lambda: not os.path.exists(f"/proc/{pid_file.read_text()}"))  # noqa: PTH110
