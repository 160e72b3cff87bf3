"""A deployment that does not verify is taken back, and says why."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError

from seatrial.config import load_config
from seatrial.contracts import GoldenPrediction, Payload, SelfTest, ServerlessConfiguration
from seatrial.deployment import Target
from seatrial.endpoint import wait_until_settled
from seatrial.errors import CloudError, DeploymentError
from seatrial.serving.signature import parse_signature
from seatrial.steps.arm_monitoring import arming, hour_prefixes
from seatrial.steps.deploy_endpoint import deploy

CONFIG = load_config()
TARGET = Target(
    endpoint_name="flights",
    variant_name="AllTraffic",
    image="image",
    role="role",
    model_data_url="s3://b/models/abc/model.tar.gz",
    baseline_uri="s3://b/baselines/def",
    records_uri="s3://b/predictions/flights/AllTraffic",
    model_package_arn="arn:1",
    serverless=ServerlessConfiguration(
        memory_size_mb=1024, max_concurrency=5, provisioned_concurrency=None
    ),
    environment={},
)
PAYLOAD = Payload(name="one", content_type="text/csv", rows=1, body="2.0\n")
NOW = datetime(2026, 11, 24, 23, 59, tzinfo=UTC)


def not_found(what: str) -> ClientError:
    error = {"Code": "ValidationException", "Message": f'Could not find {what} "x".'}
    return ClientError({"Error": error}, "Describe")


@dataclass
class FakeSageMaker:
    """Endpoints that change at once; without `obeys` they stay on the old configuration."""

    configuration: str | None = None
    obeys: bool = True
    refuses: str | None = None
    calls: list[str] = field(default_factory=list)

    def describe_endpoint(self, **_: Any) -> dict[str, Any]:
        if self.configuration is None:
            raise not_found("endpoint")
        return {"EndpointStatus": "InService", "EndpointConfigName": self.configuration}

    def describe_model(self, **_: Any) -> None:
        raise not_found("model")

    def describe_endpoint_config(self, **_: Any) -> None:
        raise not_found("endpoint configuration")

    def __getattr__(self, name: str) -> Any:
        def call(**parameters: Any) -> None:
            self.calls.append(name)
            if name == self.refuses:
                error = {"Code": "ResourceLimitExceeded", "Message": "over the limit"}
                raise ClientError({"Error": error}, name)
            if name == "delete_endpoint":
                self.configuration = None
            elif name in ("create_endpoint", "update_endpoint") and self.obeys:
                self.configuration = parameters["EndpointConfigName"]

        return call


class FakeLogs:
    """No log group yet."""

    def describe_log_groups(self, **_: Any) -> dict[str, Any]:
        return {"logGroups": []}

    def __getattr__(self, name: str) -> Any:
        return lambda **_: None


class FakeFirehose:
    """No delivery stream yet."""

    def describe_delivery_stream(self, **_: Any) -> None:
        raise ClientError(
            {"Error": {"Code": "ResourceNotFoundException", "Message": "no"}}, "Describe"
        )

    def create_delivery_stream(self, **_: Any) -> None: ...


@dataclass
class FakeRuntime:
    """Answers every request with `score`."""

    score: str = "4.0"
    attributes: str = "seatrial-event-id=e1"

    def invoke_endpoint(self, **request: Any) -> dict[str, Any]:
        assert request["CustomAttributes"] == "seatrial-synthetic=true"
        body = io.BytesIO(f"{self.score}\n".encode())
        answer = {"Body": body, "ContentType": "text/csv"}
        return {**answer, "CustomAttributes": self.attributes} if self.attributes else answer


class FakeModel:
    """Doubles its input."""

    signature = parse_signature(
        {
            "schema_version": 1,
            "task": "regression",
            "model_file": "model.onnx",
            "inputs": [{"name": "x", "type": "double", "required": True, "onnx_input": "x"}],
            "outputs": [{"name": "y", "type": "double", "onnx_output": "y", "index": 0}],
            "label": None,
            "score": "y",
            "input_example": [{"x": 1.0}],
        }
    )

    def predict(self, columns: Any) -> dict[str, Any]:
        return {"y": 2 * np.asarray(columns["x"], dtype=float)}


def run(sagemaker: FakeSageMaker, runtime: FakeRuntime | None = None) -> Any:
    clients = {
        "sagemaker": sagemaker,
        "sagemaker-runtime": runtime or FakeRuntime(),
        "logs": FakeLogs(),
        "firehose": FakeFirehose(),
    }
    return deploy(
        TARGET,
        [PAYLOAD],
        FakeModel(),  # type: ignore[arg-type]
        CONFIG,
        clients,
        poll_s=0,
        sleep=lambda _: None,
        now=lambda: NOW,
    )


def test_a_verified_deployment_says_how_to_go_back() -> None:
    sagemaker = FakeSageMaker("old")
    found = run(sagemaker)
    assert sagemaker.configuration == TARGET.endpoint_config_name
    assert found.previous_endpoint_config_name == "old"
    assert [action.method for action in found.rollback] == ["update_endpoint"]
    assert found.golden == (GoldenPrediction(event_id="e1", payload="one", max_deviation=0),)


@pytest.mark.parametrize(
    ("score", "agrees"),
    [
        pytest.param("4.00009", True, id="under"),
        pytest.param("4.00011", False, id="over"),
        pytest.param("nan", False, id="not a number"),
    ],
)
def test_an_endpoint_that_predicts_otherwise_is_taken_back(score: str, agrees: bool) -> None:
    sagemaker = FakeSageMaker("old")
    if agrees:
        run(sagemaker, FakeRuntime(score))
        assert sagemaker.configuration == TARGET.endpoint_config_name
    else:
        with pytest.raises(DeploymentError, match="unlike the profiled model"):
            run(sagemaker, FakeRuntime(score))
        assert sagemaker.configuration == "old"


def test_a_first_endpoint_that_fails_is_deleted() -> None:
    sagemaker = FakeSageMaker(None)
    with pytest.raises(DeploymentError):
        run(sagemaker, FakeRuntime("5.0"))
    assert sagemaker.configuration is None
    assert sagemaker.calls[-1] == "delete_endpoint"


def test_a_silent_rollback_of_the_service_is_a_failure_and_needs_no_second_one() -> None:
    sagemaker = FakeSageMaker("old", obeys=False)
    with pytest.raises(DeploymentError, match="InService on old"):
        run(sagemaker)
    assert sagemaker.calls.count("update_endpoint") == 1


def test_an_endpoint_that_logs_nothing_is_taken_back() -> None:
    sagemaker = FakeSageMaker("old")
    with pytest.raises(DeploymentError, match="event id"):
        run(sagemaker, FakeRuntime(attributes=""))
    assert sagemaker.configuration == "old"


def test_a_quota_at_the_update_leaves_the_old_configuration() -> None:
    sagemaker = FakeSageMaker("old", refuses="update_endpoint")
    with pytest.raises(CloudError, match="over the limit"):
        run(sagemaker)
    assert sagemaker.configuration == "old"


def test_waiting_ends_at_its_deadline() -> None:
    class Creating:
        def describe_endpoint(self, **_: Any) -> dict[str, str]:
            return {"EndpointStatus": "Creating", "EndpointConfigName": "new"}

    seconds = iter(range(100))
    with pytest.raises(DeploymentError, match="Creating after 5 s"):
        wait_until_settled(
            "flights",
            Creating(),
            poll_s=1,
            deadline_s=5,
            sleep=lambda _: None,
            clock=lambda: float(next(seconds)),
        )


def self_test(*, expected: bool, alert: bool, alerted: tuple[str, ...] = ()) -> SelfTest:
    moved = ("temp",) if expected else ()
    return SelfTest(
        name="rows",
        rows=500,
        expected_alert=expected,
        alert=alert,
        moved_columns=moved,
        alerted_columns=alerted,
    )


GOOD = (
    self_test(expected=False, alert=False),
    self_test(expected=True, alert=True, alerted=("temp", "dewp")),
)


@pytest.mark.parametrize(
    ("seen", "tests", "said"),
    [
        pytest.param({"e1"}, GOOD, None, id="records and monitor are good"),
        pytest.param(set(), GOOD, "1 of 1 predictions are not in the log", id="no record"),
        pytest.param(
            {"e1"}, (self_test(expected=False, alert=True),), "self-test", id="a false alarm"
        ),
        pytest.param(
            {"e1"}, (self_test(expected=True, alert=False),), "self-test", id="a missed drift"
        ),
        pytest.param(
            {"e1"},
            (self_test(expected=True, alert=True, alerted=("wind",)),),
            "about wind, expected True about temp",
            id="the wrong column",
        ),
    ],
)
def test_only_records_and_a_monitor_that_works_arm(
    seen: set[str], tests: tuple[SelfTest, ...], said: str | None
) -> None:
    result = arming(run(FakeSageMaker("old")), seen, 3.0, tests)
    assert result.armed is (said is None)
    assert (result.reason is None) if said is None else (said in str(result.reason))


def test_records_that_arrive_past_the_hour_are_found() -> None:
    prefixes = hour_prefixes(TARGET.records_uri, NOW)
    assert [prefix.split("AllTraffic/")[1] for prefix in prefixes] == [
        "2026/11/24/22/",
        "2026/11/24/23/",
        "2026/11/25/00/",
    ]
