"""Serverless endpoints on localcloud, through boto3, with a model server that is not ours."""

from __future__ import annotations

import json
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cloud_calls import BUCKET, GROUP, MB, ROLE, Aws, archive, error_of, total, wait_for

from seatrial.localcloud.whereabouts import status_details

pytestmark = pytest.mark.flow


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


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"InferenceId": "x" * 65}, "at 'inferenceId' failed to satisfy constraint"),
        ({"CustomAttributes": "x" * 1025}, "at 'customAttributes' failed to satisfy constraint"),
        ({"TargetModel": "other.tar.gz"}, "localcloud: TargetModel 'other.tar.gz'; a serverless"),
        ({"TargetVariant": "Other"}, "has no variant 'Other'"),
    ],
)
def test_what_the_service_refuses_does_not_reach_the_model(
    aws: Aws, payload_endpoint: str, parameters: dict[str, str], text: str
) -> None:
    error = error_of(aws.ask, payload_endpoint, "model", **parameters)["Error"]
    assert error["Code"] == "ValidationError"
    assert text in error["Message"]
    assert aws.ask(payload_endpoint, "model", TargetVariant="AllTraffic") == "one"


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
    _, _, stream = error["LogStreamArn"].partition(":log-stream:")
    logs = aws.cloud.client("logs")
    found = logs.get_log_events(logGroupName=GROUP + "crash", logStreamName=stream)["events"]
    assert [event["message"] for event in found] == ["last words"]


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


def test_endpoint_whose_archive_is_gone_fails_in_the_services_words(aws: Aws) -> None:
    aws.model("lost")
    aws.config("lost")
    aws.s3.delete_object(Bucket=BUCKET, Key="lost/model.tar.gz")
    aws.sagemaker.create_endpoint(EndpointName="lost", EndpointConfigName="lost")
    settled = aws.settled("lost")
    assert settled["EndpointStatus"] == "Failed"
    assert settled["FailureReason"].startswith(
        'Failed to download model data for container "container_1" from URL: '
        f'"s3://{BUCKET}/lost/model.tar.gz".'
    )
    aws.sagemaker.delete_endpoint(EndpointName="lost")


def test_model_without_an_archive_in_s3_is_refused(aws: Aws) -> None:
    container = {"Image": "tiny", "ModelDataUrl": f"s3://{BUCKET}/nowhere.tar.gz"}
    create = aws.sagemaker.create_model
    error = error_of(create, ModelName="n", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    assert error["Error"]["Message"] == (
        f"Could not find model data at s3://{BUCKET}/nowhere.tar.gz."
    )


def test_call_that_nobody_here_answers_is_no_mystery(aws: Aws) -> None:
    error = error_of(aws.cloud.client("service-quotas").list_services)
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert error["Error"]["Code"] == "NotImplemented"
    assert "list_services action has not been implemented" in error["Error"]["Message"]


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
    cloudwatch = aws.cloud.client("cloudwatch")

    def used(name: str, statistic: str = "Sum") -> float:
        metric = f"ServerlessProvisionedConcurrency{name}"
        return total(cloudwatch, "resized", metric, statistic)

    wait_for(lambda: used("SpilloverInvocations"), lambda seen: seen == 2)
    assert used("Invocations") == 1
    assert used("Executions", "Maximum") == 1
    assert used("Utilization", "Maximum") == 1
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
