"""A plan holds only what is missing, and the way back leads to what was there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from seatrial.config import load_config
from seatrial.contracts import ServerlessConfiguration
from seatrial.deployment import Existing, Target, plan, plan_rollback
from seatrial.endpoint import EndpointState
from seatrial.errors import DeploymentError
from seatrial.verification import verify_configuration

CONFIG = load_config()
TARGET = Target(
    endpoint_name="flights",
    variant_name="AllTraffic",
    image="image",
    role="role",
    model_data_url="s3://b/models/abc/model.tar.gz",
    baseline_uri="s3://b/baselines/def",
    records_uri=f"s3://{CONFIG.bucket}/predictions/flights/AllTraffic",
    model_package_arn="arn:1",
    serverless=ServerlessConfiguration(
        memory_size_mb=1024, max_concurrency=5, provisioned_concurrency=None
    ),
    environment={},
)
NOTHING = Existing(None, False, False, False, False)
OLD = EndpointState("flights", "InService", "flights-old", None)


def methods(existing: Existing) -> list[str]:
    return [action.method for action in plan(TARGET, existing, CONFIG)]


def test_a_first_deployment_makes_everything_records_first() -> None:
    assert methods(NOTHING) == [
        "create_log_group",
        "create_delivery_stream",
        "put_subscription_filter",
        "create_model",
        "create_endpoint_config",
        "create_endpoint",
    ]


def test_an_endpoint_with_another_configuration_is_updated() -> None:
    assert methods(replace(NOTHING, endpoint=OLD))[-1] == "update_endpoint"


def test_deploying_what_serves_already_changes_nothing() -> None:
    serving = replace(OLD, endpoint_config_name=TARGET.endpoint_config_name)
    assert methods(Existing(serving, True, True, True, True)) == ["put_subscription_filter"]
    assert plan_rollback(TARGET, serving) == []


def test_names_derive_from_content() -> None:
    same = replace(TARGET)
    assert same.endpoint_config_name == TARGET.endpoint_config_name
    for other in (
        replace(TARGET, model_data_url="s3://b/models/other/model.tar.gz"),
        replace(TARGET, image="other"),
        replace(TARGET, environment={"A": "1"}),
        replace(TARGET, baseline_uri="s3://b/baselines/other"),
        replace(TARGET, serverless=TARGET.serverless.model_copy(update={"memory_size_mb": 2048})),
    ):
        assert other.endpoint_config_name != TARGET.endpoint_config_name
    long = replace(TARGET, endpoint_name="e" * 63)
    assert len(long.endpoint_config_name) <= 63


def test_the_way_back_is_the_old_configuration_or_no_endpoint() -> None:
    (back,) = plan_rollback(TARGET, OLD)
    assert back.method == "update_endpoint"
    assert back.parameters["EndpointConfigName"] == "flights-old"
    (back,) = plan_rollback(TARGET, None)
    assert back.method == "delete_endpoint"


def test_records_reach_the_prefix_that_monitoring_reads() -> None:
    stream = next(
        action
        for action in plan(TARGET, NOTHING, CONFIG)
        if action.method == "create_delivery_stream"
    )
    destination = stream.parameters["ExtendedS3DestinationConfiguration"]
    assert destination["Prefix"].startswith("predictions/flights/AllTraffic/!{timestamp:")


@pytest.mark.parametrize(
    "state",
    [
        pytest.param(None, id="gone"),
        pytest.param(replace(OLD, status="Failed"), id="failed"),
        pytest.param(OLD, id="silently rolled back"),
    ],
)
def test_in_service_on_another_configuration_is_a_failure(state: EndpointState | None) -> None:
    with pytest.raises(DeploymentError, match="does not serve the new configuration"):
        verify_configuration(TARGET, state)


def test_in_service_on_the_new_configuration_is_good() -> None:
    verify_configuration(TARGET, replace(OLD, endpoint_config_name=TARGET.endpoint_config_name))
