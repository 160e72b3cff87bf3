"""Serverless endpoints on localcloud, through boto3, with a model server that is not ours."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from onnx import TensorProto, helper

from seatrial.config import load_config
from seatrial.errors import InputError
from seatrial.localcloud.cgroup_search import cgroup_record
from seatrial.localcloud.control import CloudInfo, down, status, status_details, up
from seatrial.localcloud.sweep import work_dir

pytestmark = pytest.mark.flow

BUCKET = "models-of-the-test"
GROUP = "/aws/sagemaker/Endpoints/"
ROLE = "arn:aws:iam::123456789012:role/test"
MB = 2**20


@pytest.fixture(scope="module")
def tiny_cloud(new_cloud: Any) -> Iterator[Any]:
    """A cloud for this file alone: its endpoints would use up the quotas of the others'."""
    with new_cloud(quota="endpoints=50,concurrency=200", idle_s=3, delivery_s=0.5) as running:
        running.client("s3").create_bucket(Bucket=BUCKET)
        yield running


class Aws:
    """The calls of these tests, short."""

    def __init__(self, cloud: Any) -> None:
        self.cloud = cloud
        self.sagemaker = cloud.client("sagemaker")
        self.runtime = cloud.client("sagemaker-runtime")
        self.s3 = cloud.client("s3")

    def model(self, name: str, text: str = "one", **environment: str) -> None:
        """A model whose archive holds model.txt with that text."""
        self.s3.put_object(Bucket=BUCKET, Key=f"{name}/model.tar.gz", Body=archive(text))
        self.sagemaker.create_model(
            ModelName=name,
            ExecutionRoleArn=ROLE,
            PrimaryContainer={
                "Image": "tiny",
                "ModelDataUrl": f"s3://{BUCKET}/{name}/model.tar.gz",
                "Environment": environment,
            },
        )

    def config(self, name: str, model: str | None = None, **serverless: int) -> None:
        """A configuration of the model with the same name, or of another one."""
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[
                {
                    "VariantName": "AllTraffic",
                    "ModelName": model or name,
                    "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 2} | serverless,
                }
            ],
        )

    def endpoint(self, name: str, **environment: str) -> None:
        """Model, configuration and endpoint of that name, in service."""
        self.model(name, **environment)
        self.config(name)
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
        assert self.settled(name)["EndpointStatus"] == "InService"

    def settled(self, name: str) -> dict[str, Any]:
        """The endpoint, once nothing is being done to it any more."""
        return wait_for(
            lambda: self.sagemaker.describe_endpoint(EndpointName=name),
            lambda seen: seen["EndpointStatus"] not in ("Creating", "Updating"),
        )

    def ask(self, name: str, body: str | bytes, **parameters: Any) -> str:
        """The text that the endpoint answers."""
        answer = self.runtime.invoke_endpoint(EndpointName=name, Body=body, **parameters)
        return answer["Body"].read().decode()

    def sandboxes(self, name: str) -> list[dict[str, Any]]:
        """What runs for the endpoint now."""
        details = status_details(self.cloud.info)
        return next(item["sandboxes"] for item in details["endpoints"] if item["name"] == name)

    def log_lines(self, name: str) -> list[str]:
        """All that the endpoint's sandboxes printed."""
        events = self.cloud.client("logs").filter_log_events(logGroupName=GROUP + name)["events"]
        return [event["message"] for event in events]


@pytest.fixture(scope="module")
def aws(tiny_cloud: Any) -> Aws:
    return Aws(tiny_cloud)


def archive(text: str) -> bytes:
    return archive_of({"model.txt": text.encode()})


def archive_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as members:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            members.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def wait_for(look: Any, wanted: Any, timeout_s: float = 15) -> Any:
    deadline = time.monotonic() + timeout_s
    while not wanted(seen := look()):
        assert time.monotonic() < deadline, f"still {seen!r} after {timeout_s} s"
        time.sleep(0.05)
    return seen


def error_of(call: Any, *args: Any, **parameters: Any) -> dict[str, Any]:
    """Error and top-level fields of a call that must fail."""
    with pytest.raises(ClientError) as caught:
        call(*args, **parameters)
    response: dict[str, Any] = caught.value.response
    return response


def test_starts_from_zero_and_answers(aws: Aws) -> None:
    aws.endpoint("from-zero")
    assert aws.sandboxes("from-zero") == []
    assert aws.ask("from-zero", "model") == "one"
    assert len(aws.sandboxes("from-zero")) == 1


def test_headers_go_both_ways(aws: Aws) -> None:
    aws.endpoint("headers")
    answer = aws.runtime.invoke_endpoint(
        EndpointName="headers",
        Body=b"headers",
        ContentType="text/csv",
        Accept="application/json",
        CustomAttributes="seatrial-synthetic=true",
        InferenceId="id-7",
    )
    seen = json.loads(answer["Body"].read())
    assert seen["content-type"] == "text/csv"
    assert seen["accept"] == "application/json"
    assert seen["x-amzn-sagemaker-custom-attributes"] == "seatrial-synthetic=true"
    assert seen["x-amzn-sagemaker-inference-id"] == "id-7"
    assert answer["CustomAttributes"] == "seen=yes"
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    assert answer["ContentType"] == "text/plain"


def test_sandbox_knows_its_endpoint_unless_the_model_says_otherwise(aws: Aws) -> None:
    aws.endpoint("environment", SEATRIAL_VARIANT_NAME="given", SEATRIAL_MODEL_VERSION="7")
    seen = json.loads(aws.ask("environment", "env"))
    assert seen["SEATRIAL_ENDPOINT_NAME"] == "environment"
    assert seen["SEATRIAL_VARIANT_NAME"] == "given"
    assert seen["SEATRIAL_MODEL_VERSION"] == "7"
    assert seen["AWS_ENDPOINT_URL"] == aws.cloud.endpoint_url


def test_unknown_endpoint_is_the_services_error(aws: Aws) -> None:
    error = error_of(aws.ask, "nowhere", "model")
    assert error["Error"]["Code"] == "ValidationError"
    assert error["Error"]["Message"] == "Endpoint nowhere of account 123456789012 not found."
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 400


@pytest.mark.parametrize(
    ("size", "accepted"),
    [
        pytest.param(4 * MB - 1, True, id="under"),
        pytest.param(4 * MB, True, id="exactly-at-limit"),
        pytest.param(4 * MB + 1, False, id="over"),
    ],
)
def test_request_of_4_mb(aws: Aws, payload_endpoint: str, size: int, accepted: bool) -> None:
    body = b"x" * size
    if accepted:
        assert aws.ask(payload_endpoint, body) == str(size)
    else:
        error = error_of(aws.ask, payload_endpoint, body)["Error"]
        assert error["Code"] == "ValidationError"
        assert error["Message"].endswith("has oversize body.")


@pytest.mark.parametrize(
    ("size", "accepted"),
    [
        pytest.param(4 * MB - 1, True, id="under"),
        pytest.param(4 * MB, True, id="exactly-at-limit"),
        pytest.param(4 * MB + 1, False, id="over"),
    ],
)
def test_response_of_4_mb(aws: Aws, payload_endpoint: str, size: int, accepted: bool) -> None:
    if accepted:
        assert len(aws.ask(payload_endpoint, f"size {size}")) == size
    else:
        error = error_of(aws.ask, payload_endpoint, f"size {size}")["Error"]
        assert error["Code"] == "ModelError"
        assert "over 4194304 bytes" in error["Message"]
    assert aws.ask(payload_endpoint, "model") == "one"


@pytest.fixture(scope="module")
def payload_endpoint(aws: Aws) -> str:
    aws.endpoint("payload")
    return "payload"


@pytest.mark.parametrize("requests", [1, 2, 3])
def test_beyond_max_concurrency_is_throttled_at_once(aws: Aws, requests: int) -> None:
    name = f"throttled-{requests}"
    aws.endpoint(name)
    with ThreadPoolExecutor(requests) as pool:
        calls = [pool.submit(aws.ask, name, "sleep 1") for _ in range(requests)]
        errors = [call.exception() for call in calls]
    refused = [error for error in errors if error is not None]
    assert len(refused) == max(0, requests - 2)
    for error in refused:
        assert isinstance(error, ClientError)
        assert error.response["Error"]["Code"] == "ThrottlingException"
        assert "MaxConcurrency" in error.response["Error"]["Message"]


def test_one_request_per_sandbox_at_a_time(aws: Aws) -> None:
    aws.endpoint("side-by-side")
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: aws.ask("side-by-side", "sleep 0.5"), range(2)))
    assert len(aws.sandboxes("side-by-side")) == 2
    aws.ask("side-by-side", "model")
    assert len(aws.sandboxes("side-by-side")) == 2


@pytest.mark.parametrize(("status_code", "side"), [(400, "client"), (503, "server")])
def test_error_of_the_model_is_passed_on(aws: Aws, status_code: int, side: str) -> None:
    aws.endpoint(f"model-error-{status_code}")
    error = error_of(aws.ask, f"model-error-{status_code}", f"status {status_code} wrong width")
    assert error["Error"]["Code"] == "ModelError"
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert error["OriginalStatusCode"] == status_code
    assert error["OriginalMessage"] == "wrong width"
    assert f"log-group:{GROUP}model-error-{status_code}:log-stream:" in error["LogStreamArn"]
    assert error["Error"]["Message"].startswith(
        f'Received {side} error ({status_code}) from primary with message "wrong width". See https'
    )


def test_crash_of_the_model_is_a_model_error_and_the_next_request_is_served(aws: Aws) -> None:
    aws.endpoint("crash")
    error = error_of(aws.ask, "crash", "die")
    assert error["Error"]["Code"] == "ModelError"
    assert "localcloud: the sandbox died" in error["Error"]["Message"]
    assert aws.ask("crash", "model") == "one"
    assert "last words" in aws.log_lines("crash")


def test_sandbox_over_its_memory_is_killed(aws: Aws) -> None:
    aws.endpoint("memory")
    assert aws.ask("memory", "hold 300") == "held"
    error = error_of(aws.ask, "memory", "hold 800")
    assert error["Error"]["Code"] == "ModelError"
    assert "insufficient memory" in error["Error"]["Message"]
    assert "of the 1024 MB it has" in error["Error"]["Message"]
    assert aws.ask("memory", "model") == "one"


def test_idle_sandboxes_are_stopped(aws: Aws) -> None:
    aws.endpoint("idle")
    aws.ask("idle", "model")
    pid = aws.sandboxes("idle")[0]["pid"]
    wait_for(lambda: aws.sandboxes("idle"), lambda seen: seen == [])
    assert not Path(f"/proc/{pid}").exists()
    assert aws.ask("idle", "model") == "one"


def test_provisioned_sandboxes_are_there_before_the_first_request(aws: Aws) -> None:
    aws.model("provisioned")
    aws.config("provisioned", ProvisionedConcurrency=2)
    aws.sagemaker.create_endpoint(EndpointName="provisioned", EndpointConfigName="provisioned")
    aws.settled("provisioned")
    assert len(aws.sandboxes("provisioned")) == 2
    os.kill(aws.sandboxes("provisioned")[0]["pid"], signal.SIGKILL)
    pids = {item["pid"] for item in aws.sandboxes("provisioned")}
    wait_for(
        lambda: {item["pid"] for item in aws.sandboxes("provisioned")},
        lambda seen: len(seen) == 2 and seen != pids,
    )


def test_update_keeps_the_old_model_serving_until_the_new_one_is_ready(aws: Aws) -> None:
    aws.endpoint("update")
    aws.model("update-2", text="two")
    aws.config("update-2")
    stop, answers = threading.Event(), []

    def keep_asking() -> None:
        while not stop.is_set():
            answers.append(aws.ask("update", "model"))

    asking = threading.Thread(target=keep_asking)
    asking.start()
    aws.sagemaker.update_endpoint(EndpointName="update", EndpointConfigName="update-2")
    settled = aws.settled("update")
    stop.set()
    asking.join()
    assert settled["EndpointStatus"] == "InService"
    assert settled["EndpointConfigName"] == "update-2"
    assert "FailureReason" not in settled
    assert aws.ask("update", "model") == "two"
    assert answers == sorted(answers)  # "one" … then "two", no error in between


def test_failed_update_goes_back_to_what_was_there(aws: Aws) -> None:
    aws.endpoint("rollback")
    aws.model("rollback-2", text="two", TINY_EXIT="yes")
    aws.config("rollback-2")
    aws.sagemaker.update_endpoint(EndpointName="rollback", EndpointConfigName="rollback-2")
    settled = aws.settled("rollback")
    assert settled["EndpointStatus"] == "InService"
    assert settled["EndpointConfigName"] == "rollback"
    assert "did not pass the ping health check" in settled["FailureReason"]
    assert aws.ask("rollback", "model") == "one"


def test_in_progress_endpoint_is_left_alone(aws: Aws) -> None:
    aws.model("busy", TINY_PING="503")
    aws.config("busy")
    arn = aws.sagemaker.create_endpoint(EndpointName="busy", EndpointConfigName="busy")
    expected = f'Cannot update in-progress endpoint "{arn["EndpointArn"]}".'
    for call in (
        lambda: aws.sagemaker.update_endpoint(EndpointName="busy", EndpointConfigName="busy"),
        lambda: aws.sagemaker.delete_endpoint(EndpointName="busy"),
    ):
        error = error_of(call)["Error"]
        assert (error["Code"], error["Message"]) == ("ValidationException", expected)
    assert "is Creating" in error_of(aws.ask, "busy", "model")["Error"]["Message"]


@pytest.mark.parametrize(
    ("environment", "body"),
    [
        pytest.param({"TINY_EXIT": "yes"}, None, id="server-that-ends"),
        pytest.param({"TINY_HOLD_MB": "1100"}, None, id="start-over-the-memory"),
        pytest.param({}, b"not an archive", id="broken-archive"),
        pytest.param({}, archive("one")[:-20], id="cut-archive"),
    ],
)
def test_endpoint_that_cannot_start_fails_with_a_reason(
    aws: Aws, environment: dict[str, str], body: bytes | None, request: pytest.FixtureRequest
) -> None:
    name = "fails-" + request.node.callspec.id
    aws.model(name, **environment)
    aws.config(name)
    if body is not None:
        aws.s3.put_object(Bucket=BUCKET, Key=f"{name}/model.tar.gz", Body=body)
    aws.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    settled = aws.settled(name)
    assert settled["EndpointStatus"] == "Failed"
    if body is None:
        assert settled["FailureReason"] == (
            "The primary container for production variant AllTraffic did not pass the ping health "
            "check. Please check CloudWatch logs for this endpoint."
        )
    else:
        assert f"s3://{BUCKET}/{name}/model.tar.gz" in settled["FailureReason"]
    assert "is Failed" in error_of(aws.ask, name, "model")["Error"]["Message"]
    aws.sagemaker.delete_endpoint(EndpointName=name)


def test_deleted_endpoint_is_gone_with_its_sandboxes(aws: Aws) -> None:
    aws.endpoint("deleted")
    aws.ask("deleted", "model")
    pid = aws.sandboxes("deleted")[0]["pid"]
    aws.sagemaker.delete_endpoint(EndpointName="deleted")
    aws.sagemaker.get_waiter("endpoint_deleted").wait(
        EndpointName="deleted", WaiterConfig={"Delay": 1, "MaxAttempts": 10}
    )
    assert not Path(f"/proc/{pid}").exists()
    assert error_of(aws.ask, "deleted", "model")["Error"]["Code"] == "ValidationError"


def test_log_records_reach_s3_by_the_filter_and_each_once(aws: Aws) -> None:
    aws.endpoint("records")
    prefix = "predictions/records/AllTraffic/"
    watch(aws.cloud, "records", prefix)
    for number in range(20):
        aws.ask("records", f'say {{"captureData": {number}}}')
        aws.ask("records", f"say something else {number}")
    aws.ask("records", "complain on stderr")

    def delivered() -> list[str]:
        listed = aws.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        bodies = [aws.s3.get_object(Bucket=BUCKET, Key=item["Key"])["Body"] for item in listed]
        return [line for body in bodies for line in body.read().decode().splitlines()]

    lines = wait_for(delivered, lambda seen: len(seen) >= 20)
    time.sleep(1)
    assert sorted(delivered()) == sorted(f'{{"captureData": {number}}}' for number in range(20))
    assert len(lines) == 20
    assert {"something else 0", "on stderr"} <= set(aws.log_lines("records"))
    key = aws.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)["Contents"][0]["Key"]
    hour = datetime.now(UTC)
    assert key.startswith(f"{prefix}{hour:%Y/%m/%d}/")
    assert key.split("/")[-1].startswith(f"seatrial-records-1-{hour:%Y-%m-%d}-")


def test_our_own_serving_image_predicts_and_records(cloud: Any) -> None:
    cloud.client("s3").create_bucket(Bucket=BUCKET)
    aws = Aws(cloud)
    files = {"model.onnx": doubling_graph(), "signature.json": json.dumps(DOUBLING).encode()}
    aws.s3.put_object(Bucket=BUCKET, Key="ours/model.tar.gz", Body=archive_of(files))
    aws.sagemaker.create_model(
        ModelName="ours",
        ExecutionRoleArn=ROLE,
        PrimaryContainer={
            "Image": load_config().images.serving,
            "ModelDataUrl": f"s3://{BUCKET}/ours/model.tar.gz",
            "Environment": {"SEATRIAL_MODEL_VERSION": "7"},
        },
    )
    aws.config("ours")
    watch(cloud, "ours", "predictions/ours/AllTraffic/")
    aws.sagemaker.create_endpoint(EndpointName="ours", EndpointConfigName="ours")
    assert aws.settled("ours")["EndpointStatus"] == "InService"
    answer = aws.runtime.invoke_endpoint(
        EndpointName="ours", Body=b"1.5\n4\n", ContentType="text/csv", InferenceId="mine"
    )
    assert [float(line) for line in answer["Body"].read().split()] == [3.0, 8.0]
    error = error_of(aws.ask, "ours", "one,two,three", ContentType="text/csv")
    assert (error["Error"]["Code"], error["OriginalStatusCode"]) == ("ModelError", 400)

    def records() -> list[dict[str, Any]]:
        listed = aws.s3.list_objects_v2(Bucket=BUCKET, Prefix="predictions/ours/")
        bodies = [
            aws.s3.get_object(Bucket=BUCKET, Key=item["Key"])["Body"].read()
            for item in listed.get("Contents", [])
        ]
        return [json.loads(line) for body in bodies for line in body.splitlines()]

    first = wait_for(records, len)[0]
    assert first["eventMetadata"]["inferenceId"] == "mine"
    assert first["captureData"]["endpointOutput"]["data"].split() == ["3.0", "8.0"]
    ours = first["seatrial"]
    assert (ours["endpoint"], ours["variant"], ours["model_version"], ours["rows"]) == (
        *("ours", "AllTraffic", "7", 2),
    )
    assert f"seatrial-event-id={first['eventMetadata']['eventId']}" in answer["CustomAttributes"]
    aws.sagemaker.delete_endpoint(EndpointName="ours")


DOUBLING = {
    "schema_version": 1,
    "task": "regression",
    "model_file": "model.onnx",
    "inputs": [{"name": "x", "type": "double", "required": True, "onnx_input": "x"}],
    "outputs": [{"name": "y", "type": "double", "onnx_output": "y", "index": 0}],
    "label": None,
    "score": "y",
    "input_example": [{"x": 1.0}],
}


def doubling_graph() -> bytes:
    """y = x + x."""
    described = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1]) for name in ("x", "y")
    ]
    node = helper.make_node("Add", ["x", "x"], ["y"])
    graph = helper.make_graph([node], "doubling", described[:1], described[1:])
    opsets = [helper.make_opsetid("", 18)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    content: bytes = model.SerializeToString()
    return content


def watch(cloud: Any, endpoint: str, prefix: str) -> None:
    """Log delivery for the endpoint, as a deployment sets it up."""
    stream = cloud.client("firehose").create_delivery_stream(
        DeliveryStreamName=f"seatrial-{endpoint}",
        ExtendedS3DestinationConfiguration={
            "RoleARN": ROLE,
            "BucketARN": f"arn:aws:s3:::{BUCKET}",
            "Prefix": f"{prefix}!{{timestamp:yyyy/MM/dd/HH}}/",
            "ErrorOutputPrefix": "errors/!{firehose:error-output-type}/",
            "BufferingHints": {"IntervalInSeconds": 60, "SizeInMBs": 1},
            "ProcessingConfiguration": {
                "Enabled": True,
                "Processors": [
                    {
                        "Type": "Decompression",
                        "Parameters": [
                            {"ParameterName": "CompressionFormat", "ParameterValue": "GZIP"}
                        ],
                    },
                    {
                        "Type": "CloudWatchLogProcessing",
                        "Parameters": [
                            {"ParameterName": "DataMessageExtraction", "ParameterValue": "true"}
                        ],
                    },
                ],
            },
        },
    )
    logs = cloud.client("logs")
    with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_group(logGroupName=GROUP + endpoint)
    logs.put_subscription_filter(
        logGroupName=GROUP + endpoint,
        filterName="seatrial",
        filterPattern='"captureData"',
        destinationArn=stream["DeliveryStreamARN"],
        roleArn=ROLE,
    )


def test_metrics_have_the_services_names_and_count_every_request(aws: Aws) -> None:
    aws.endpoint("metrics")
    for _ in range(5):
        aws.ask("metrics", "model")
    error_of(aws.ask, "metrics", "status 400 no")
    now = datetime.now(UTC)

    def statistic(name: str, statistic: str, namespace: str = "AWS/SageMaker") -> float:
        points = aws.cloud.client("cloudwatch").get_metric_statistics(
            Namespace=namespace,
            MetricName=name,
            Dimensions=[
                {"Name": "EndpointName", "Value": "metrics"},
                {"Name": "VariantName", "Value": "AllTraffic"},
            ],
            StartTime=now - timedelta(hours=1),
            EndTime=now + timedelta(hours=1),
            Period=7200,
            Statistics=[statistic],
        )["Datapoints"]
        return sum(point[statistic] for point in points)

    wait_for(lambda: statistic("Invocations", "Sum"), lambda seen: seen == 6)
    assert statistic("Invocation4XXErrors", "Sum") == 1
    assert statistic("Invocation5XXErrors", "Sum") == 0
    assert statistic("ModelSetupTime", "SampleCount") == 1
    assert 10_000 < statistic("ModelSetupTime", "Maximum") < 10_000_000  # microseconds
    assert 0 < statistic("ModelLatency", "Minimum") < 1_000_000
    assert statistic("OverheadLatency", "Maximum") > statistic("ModelSetupTime", "Maximum") / 2
    assert 0 < statistic("MemoryUtilization", "Maximum", "/aws/sagemaker/Endpoints") < 100


def test_each_new_state_is_an_event(aws: Aws) -> None:
    sqs, events = aws.cloud.client("sqs"), aws.cloud.client("events")
    url = sqs.create_queue(QueueName="endpoint-events")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    pattern = {
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker Endpoint State Change"],
        "detail": {"EndpointName": ["eventful"], "EndpointStatus": [{"anything-but": "UPDATING"}]},
    }
    events.put_rule(Name="endpoint-events", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="endpoint-events", Targets=[{"Id": "q", "Arn": arn["QueueArn"]}])
    aws.endpoint("eventful")
    aws.sagemaker.update_endpoint(EndpointName="eventful", EndpointConfigName="eventful")
    aws.settled("eventful")
    aws.sagemaker.delete_endpoint(EndpointName="eventful")
    seen: list[dict[str, Any]] = []

    def received() -> list[dict[str, Any]]:
        found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        seen.extend(json.loads(message["Body"]) for message in found)
        return seen

    wait_for(received, lambda found: len(found) >= 4)
    seen.sort(key=lambda event: event["detail"]["LastModifiedTime"])
    statuses = [event["detail"]["EndpointStatus"] for event in seen]
    assert statuses == ["CREATING", "IN_SERVICE", "IN_SERVICE", "DELETING"]
    assert seen[0]["resources"] == [seen[0]["detail"]["EndpointArn"]]
    assert seen[0]["detail"]["EndpointConfigName"] == "eventful"


def test_ledger_has_what_would_be_billed(aws: Aws) -> None:
    aws.endpoint("ledger")
    aws.ask("ledger", "sleep 0.3")
    aws.ask("ledger", "size 1000")
    error_of(aws.ask, "ledger", "status 400 no")
    error_of(aws.ask, "ledger", b"x" * (4 * MB + 1))
    account = status_details(aws.cloud.info)["ledger"]["ledger"]
    assert account["requests"] == 3
    assert 300 < account["billed_ms"] < 700
    assert account["gb_seconds"] == pytest.approx(account["billed_ms"] / 1000)
    assert account["bytes_in"] == len("sleep 0.3" + "size 1000" + "status 400 no")
    assert account["bytes_out"] == len("slept" + "no") + 1000
    assert account["setup_ms"] > 10
    aws.sagemaker.delete_endpoint(EndpointName="ledger")
    assert status_details(aws.cloud.info)["ledger"]["ledger"] == account


def test_percentiles_are_those_of_the_requests(aws: Aws) -> None:
    aws.endpoint("percentiles")
    aws.ask("percentiles", "model")
    for wait_s in (0.05, 0.05, 0.05, 0.4):
        aws.ask("percentiles", f"sleep {wait_s}")
    now = datetime.now(UTC)

    def points(**statistics: list[str]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = aws.cloud.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName="ModelLatency",
            Dimensions=[
                {"Name": "EndpointName", "Value": "percentiles"},
                {"Name": "VariantName", "Value": "AllTraffic"},
            ],
            StartTime=now - timedelta(hours=1),
            EndTime=now + timedelta(hours=1),
            Period=7200,
            **statistics,
        )["Datapoints"]
        return found

    wait_for(
        lambda: points(Statistics=["SampleCount"]),
        lambda seen: sum(point["SampleCount"] for point in seen) == 5,
    )
    [point] = points(ExtendedStatistics=["p10", "p50", "p90", "p99"])
    found = point["ExtendedStatistics"]
    assert set(found) == {"p10", "p50", "p90", "p99"}
    assert found["p10"] < 49_000 < found["p50"] < 300_000 < 398_000 < found["p90"] == found["p99"]
    for statistics in ({"ExtendedStatistics": ["tm90"]}, {"ExtendedStatistics": ["p101"]}):
        error = error_of(points, **statistics)["Error"]
        assert error["Code"].startswith("InvalidParameterValue")
    error = error_of(points, ExtendedStatistics=["p50"], Statistics=["Sum"])["Error"]
    assert "not both" in error["Message"]


def test_capacity_is_changed_in_place_and_has_its_metrics(aws: Aws) -> None:
    aws.endpoint("resized")
    aws.ask("resized", "model")
    [before] = aws.sandboxes("resized")
    aws.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName="resized",
        DesiredWeightsAndCapacities=[
            {
                "VariantName": "AllTraffic",
                "ServerlessUpdateConfig": {"MaxConcurrency": 3, "ProvisionedConcurrency": 1},
            }
        ],
    )
    settled = aws.settled("resized")
    assert settled["EndpointStatus"] == "InService"
    assert settled["ProductionVariants"][0]["CurrentServerlessConfig"]["MaxConcurrency"] == 3
    assert aws.sandboxes("resized")[0]["pid"] == before["pid"]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: aws.ask("resized", "sleep 1"), range(3)))
    now = datetime.now(UTC)

    def total(name: str, statistic: str = "Sum") -> float:
        points = aws.cloud.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName=f"ServerlessProvisionedConcurrency{name}",
            Dimensions=[
                {"Name": "EndpointName", "Value": "resized"},
                {"Name": "VariantName", "Value": "AllTraffic"},
            ],
            StartTime=now - timedelta(hours=1),
            EndTime=now + timedelta(hours=1),
            Period=7200,
            Statistics=[statistic],
        )["Datapoints"]
        return sum(float(point[statistic]) for point in points)

    wait_for(lambda: total("SpilloverInvocations"), lambda seen: seen == 2)
    assert total("Invocations") == 1
    assert total("Executions", "Maximum") == 1
    assert total("Utilization", "Maximum") == 1
    wait_for(lambda: aws.sandboxes("resized"), lambda seen: len(seen) == 1)


def test_big_files_go_through_s3_whole(aws: Aws, tmp_path: Path) -> None:
    content = os.urandom(9 * MB)  # more than one part
    (tmp_path / "up").write_bytes(content)
    key = "a folder/year=2026/up é+.bin"
    aws.s3.upload_file(str(tmp_path / "up"), BUCKET, key)
    aws.s3.download_file(BUCKET, key, str(tmp_path / "down"))
    assert (tmp_path / "down").read_bytes() == content
    assert [item["Key"] for item in aws.s3.list_objects_v2(Bucket=BUCKET, Prefix="a f")["Contents"]]


def test_only_one_of_many_conditional_writes_wins(aws: Aws) -> None:
    def write(number: int) -> bool:
        try:
            aws.s3.put_object(Bucket=BUCKET, Key="lease", Body=str(number), IfNoneMatch="*")
        except ClientError as error:
            assert error.response["Error"]["Code"] == "PreconditionFailed"
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(write, range(16))) == 1


def test_quotas_hold_at_create_and_update(new_cloud: Any) -> None:
    with new_cloud() as running:
        running.client("s3").create_bucket(Bucket=BUCKET)
        aws = Aws(running)
        for name, memory, concurrency in (("at", 3072, 5), ("over", 4096, 1), ("five", 1024, 5)):
            aws.model(name)
            aws.config(name, MemorySizeInMB=memory, MaxConcurrency=concurrency)
        aws.config("six", model="five", MaxConcurrency=6)
        create = aws.sagemaker.create_endpoint

        error = error_of(create, EndpointName="over", EndpointConfigName="over")["Error"]
        assert error["Code"] == "ResourceLimitExceeded"
        assert error["Message"].startswith(
            "The account-level service limit 'Memory size in MB per serverless endpoint' is 3072 "
            "MBs, with current utilization of 0 MBs and a request delta of 4096 MBs."
        )
        create(EndpointName="at", EndpointConfigName="at")
        error = error_of(create, EndpointName="six", EndpointConfigName="six")["Error"]
        assert error["Code"] == "ResourceLimitExceeded"
        assert "is 10, with current utilization of 5 and a request delta of 6" in error["Message"]
        create(EndpointName="five", EndpointConfigName="five")
        assert aws.settled("five")["EndpointStatus"] == "InService"
        update = aws.sagemaker.update_endpoint
        error = error_of(update, EndpointName="five", EndpointConfigName="six")["Error"]
        assert error["Code"] == "ResourceLimitExceeded"
        error = error_of(update, EndpointName="five", EndpointConfigName="over")["Error"]
        assert "request delta of 4096 MBs" in error["Message"]
        update(EndpointName="five", EndpointConfigName="five")
        assert aws.settled("five")["EndpointStatus"] == "InService"

        quotas = running.client("service-quotas")
        quota = quotas.get_service_quota(ServiceCode="sagemaker", QuotaCode="L-96300102")["Quota"]
        assert (quota["Value"], quota["Adjustable"]) == (10.0, True)
        listed = quotas.list_service_quotas(ServiceCode="sagemaker")["Quotas"]
        assert {item["QuotaCode"] for item in listed} == {"L-96300102", "L-99AD19BF"}


def test_down_leaves_nothing(new_cloud: Any) -> None:
    with new_cloud(cpu_share=True) as running:
        running.client("s3").create_bucket(Bucket=BUCKET)
        aws = Aws(running)
        aws.endpoint("gone")
        cpu_s = float(aws.ask("gone", "burn 0.5"))
        if status_details(running.info)["cpu_share"].startswith("the tier's"):
            assert cpu_s < 0.4  # 1024 of 1769 MB: 0.29 s
        pid, info = aws.sandboxes("gone")[0]["pid"], running.info
        groups = cgroup_folders(info)
        assert status(Path(info.state_dir)) == info
        assert down(Path(info.state_dir)) is True
        assert_gone(info, pid, groups)
        assert down(Path(info.state_dir)) is False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_nothing_is_left_after_kill_9_or_ctrl_c_either(
    new_cloud: Any, number: signal.Signals
) -> None:
    with new_cloud() as running:
        running.client("s3").create_bucket(Bucket=BUCKET)
        aws = Aws(running)
        aws.endpoint("gone")
        aws.ask("gone", "model")
        pid, info = aws.sandboxes("gone")[0]["pid"], running.info
        groups = cgroup_folders(info)
        os.kill(info.pid, number)
        wait_for(lambda: Path(f"/proc/{pid}").exists(), lambda alive: not alive)
        down(Path(info.state_dir))
        assert_gone(info, pid, groups)


def cgroup_folders(info: CloudInfo) -> list[Path]:
    """The control groups that the cloud has made here, if it can make any."""
    record = cgroup_record(work_dir(Path(info.state_dir)))
    found = [Path(line) for line in record.read_text().split()] if record.exists() else []
    capped = "cgroup" in status_details(info)["memory_cap"]
    assert capped == any(list(folder.glob("*/cgroup.procs")) for folder in found)
    return found


def assert_gone(info: CloudInfo, sandbox_pid: int, groups: list[Path]) -> None:
    assert status(Path(info.state_dir)) is None
    assert not [folder for folder in groups if folder.exists()]
    assert not Path(f"/proc/{sandbox_pid}").exists()
    assert sorted(path.name for path in Path(info.state_dir).iterdir()) == [
        "cloud.log",
        "images.yaml",
    ]


def test_second_cloud_in_one_folder_and_port_in_use_are_refused(tiny_cloud: Any) -> None:
    info = tiny_cloud.info
    state_dir, images = Path(info.state_dir), Path(info.state_dir) / "images.yaml"
    with pytest.raises(InputError, match="a localcloud is up there already"):
        up(state_dir, images_file=images, region="us-east-1")
    port = info.endpoint_url.rsplit(":", 1)[1]
    result = subprocess.run(
        [
            *(sys.executable, "-m", "seatrial.localcloud", "--port", port),
            *("--state-dir", str(state_dir / "other"), "--images", str(images)),
        ],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert result.returncode == 2
    assert f"the port cannot be used: got {port}" in result.stderr
    assert status(state_dir) == info
