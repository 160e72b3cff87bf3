"""Both definitions against their golden files, and what EventBridge and the service ask of them.

After a change on purpose, run these tests with UPDATE_GOLDEN=1 and read the difference.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from seatrial.config import load_config
from seatrial.deployment.rollback import NOT_ASKED
from seatrial.errors import InputError
from seatrial.pipelines.processing import offline
from seatrial.pipelines.readiness import profile_arguments
from seatrial.pipelines.rollback import rollback_definition
from seatrial.pipelines.upsert import Definitions, approval_pattern, make_definitions
from seatrial.steps.roll_back import main as roll_back

GOLDEN = Path(__file__).parent.parent / "golden"
CACHED = {"OptimizeModel", "ProfileModel", "BuildBaseline"}


@pytest.fixture(scope="module")
def definitions() -> Definitions:
    return make_definitions(
        load_config(),
        config_uri="s3://bucket/config/0123/config.yaml",
        profiler_uri="s3://bucket/code/4567/profile_model.py",
    )


def steps(definition: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for step in definition["Steps"]:
        yield step
        for branch in ("IfSteps", "ElseSteps"):
            yield from step.get("Arguments", {}).get(branch, [])


@pytest.mark.parametrize("name", ["readiness", "monitoring"])
def test_the_definition_is_the_golden_one(definitions: Definitions, name: str) -> None:
    path, made = GOLDEN / f"{name}.json", getattr(definitions, name) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(made, encoding="utf-8")
    assert made == path.read_text(encoding="utf-8")


def test_the_profiled_server_gets_the_endpoint_s_variables() -> None:
    config = load_config(None, endpoint={"environment": {"OMP_NUM_THREADS": "1", "B": "a=b c"}})
    told = profile_arguments(config)
    assert told[:-4] == profile_arguments(load_config())
    assert told[-4:] == ["--environment", "OMP_NUM_THREADS=1", "--environment", "B=a=b c"]


@pytest.mark.parametrize("name", ["readiness", "monitoring"])
def test_parameters_have_names_that_eventbridge_takes(definitions: Definitions, name: str) -> None:
    parameters = json.loads(getattr(definitions, name))["Parameters"]
    assert parameters
    for parameter in parameters:
        assert re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*", parameter["Name"])


def test_only_steps_without_effect_outside_are_cached(definitions: Definitions) -> None:
    cached = {
        step["Name"]
        for name in ("readiness", "monitoring")
        for step in steps(json.loads(getattr(definitions, name)))
        if step.get("CacheConfig", {}).get("Enabled")
    }
    assert cached == CACHED


@pytest.mark.parametrize("name", ["readiness", "monitoring"])
def test_a_steps_own_failure_is_not_retried(definitions: Definitions, name: str) -> None:
    for step in steps(json.loads(getattr(definitions, name))):
        types = {
            kind for policy in step.get("RetryPolicies", []) for kind in policy["ExceptionType"]
        }
        assert types <= {"Step.SERVICE_FAULT", "Step.THROTTLING", "SageMaker.CAPACITY_ERROR"}


@pytest.mark.parametrize("name", ["readiness", "monitoring"])
def test_the_services_limits_on_a_job_are_kept(definitions: Definitions, name: str) -> None:
    for step in steps(json.loads(getattr(definitions, name))):
        if step["Type"] != "Processing":
            continue
        assert len(step["Arguments"]["ProcessingInputs"]) <= 10
        application = step["Arguments"]["AppSpecification"]
        for word in (*application["ContainerArguments"], *application["ContainerEntrypoint"]):
            assert not isinstance(word, str) or len(word) <= 256


def test_an_approval_matches_and_an_edit_of_metadata_does_not() -> None:
    detail = approval_pattern("flights")["detail"]
    assert detail["ModelApprovalStatus"] == ["Approved"]
    assert detail["UpdatedModelPackageFields"] == ["ModelApprovalStatus"]


def test_a_rejection_matches_only_its_own_rule() -> None:
    assert approval_pattern("flights", status="Rejected")["detail"] == {
        **approval_pattern("flights")["detail"],
        "ModelApprovalStatus": ["Rejected"],
    }


def test_the_rollback_pipeline_is_one_step_that_is_never_cached() -> None:
    definition = json.loads(rollback_definition(load_config(), config_uri="s3://b/config.yaml"))
    (step,) = definition["Steps"]
    application = step["Arguments"]["AppSpecification"]
    assert application["ContainerEntrypoint"][-1] == "seatrial.steps.roll_back"
    for name in ("ModelPackageArn", "EndpointConfigName"):
        assert {"Get": f"Parameters.{name}"} in application["ContainerArguments"]
    given = {item["Name"]: item["DefaultValue"] for item in definition["Parameters"]}
    assert given["ModelPackageArn"] == given["EndpointConfigName"] == NOT_ASKED
    assert step["Arguments"]["RoleArn"] == load_config().roles.deploy
    assert not step.get("CacheConfig", {}).get("Enabled")


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param([], id="nobody"),
        pytest.param(
            ["--model-package-arn", "arn:1", "--endpoint-config-name", "flights-1"], id="both"
        ),
    ],
)
def test_a_rollback_is_asked_for_by_one(asked: list[str], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="allowed one of them, the other none"):
        roll_back([*asked, "--config", str(tmp_path / "no"), "--output", str(tmp_path)])
    assert list(tmp_path.iterdir()) == []


def test_making_a_definition_leaves_no_credentials_behind(definitions: Definitions) -> None:
    import boto3

    assert definitions.readiness
    assert os.environ.get("AWS_ACCESS_KEY_ID") != "offline"
    session = boto3.DEFAULT_SESSION
    credentials = None if session is None else session.get_credentials()
    assert credentials is None or credentials.access_key != "offline"


def test_a_session_that_was_there_before_keeps_its_own_credentials(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import boto3

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    earlier = boto3.Session(region_name="us-east-1")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", earlier)
    with offline("us-east-1"):
        assert boto3.client("s3")._request_signer._credentials.access_key == "offline"
    assert boto3.DEFAULT_SESSION is earlier
    assert earlier.get_credentials() is None
