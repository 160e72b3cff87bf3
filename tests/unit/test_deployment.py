"""Plans of deployments: what is missing, in which order, and the way back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from seatrial.config import load_config
from seatrial.contracts import ServerlessConfiguration, Serving
from seatrial.deployment.existing import Existing
from seatrial.deployment.operator import check_serves
from seatrial.deployment.planning import plan, plan_way_back
from seatrial.deployment.refusals import check_endpoint, check_quotas, overridden
from seatrial.deployment.target import PROJECT_TAG, Target
from seatrial.endpoint import EndpointState
from seatrial.errors import DeploymentError, InputError
from seatrial.limits import load_limits
from seatrial.readiness.facts import Account, Quota

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
NOTHING = Existing(None, False, None, False, False, False)
BEFORE = Serving(
    endpoint_config_name="flights-old", max_concurrency=5, provisioned_concurrency=None
)
OLD = EndpointState.in_service("flights", BEFORE)
RECORDED = Existing(OLD, False, None, True, True, True)


def serverless(**changes: Any) -> ServerlessConfiguration:
    return TARGET.serverless.model_copy(update=changes)


def methods(existing: Existing, target: Target = TARGET) -> list[str]:
    return [action.method for action in plan(target, existing, CONFIG)]


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
    assert methods(RECORDED) == ["create_model", "create_endpoint_config", "update_endpoint"]


def test_deploying_what_serves_already_plans_nothing() -> None:
    serving = EndpointState.in_service("flights", TARGET.serving)
    assert methods(Existing(serving, True, TARGET.serving, True, True, True)) == []


def test_a_failed_creation_is_cleared_away_first() -> None:
    failed = EndpointState("flights", "Failed", TARGET.endpoint_config_name, "no ping")
    existing = Existing(failed, True, TARGET.serving, True, True, True)
    assert methods(existing) == ["delete_endpoint", "create_endpoint"]


def test_concurrency_alone_changes_in_place() -> None:
    serving = EndpointState.in_service("flights", TARGET.serving)
    more = replace(TARGET, serverless=serverless(max_concurrency=6))
    existing = Existing(serving, True, TARGET.serving, True, True, True)
    (action,) = plan(more, existing, CONFIG)
    assert action.method == "update_endpoint_weights_and_capacities"
    assert action.parameters["DesiredWeightsAndCapacities"] == [
        {"VariantName": "AllTraffic", "ServerlessUpdateConfig": {"MaxConcurrency": 6}}
    ]


def test_a_configuration_that_is_there_with_another_concurrency_is_adjusted_after_the_update() -> (
    None
):
    more = replace(TARGET, serverless=serverless(max_concurrency=6))
    there = replace(RECORDED, model=True, endpoint_config=TARGET.serving)
    wanted = ["update_endpoint", "update_endpoint_weights_and_capacities"]
    assert methods(there, more) == wanted
    wanted[0] = "create_endpoint"
    assert methods(replace(there, endpoint=None), more) == wanted


def test_names_derive_from_content() -> None:
    same = replace(TARGET, origin={PROJECT_TAG: "flights"})
    assert same.endpoint_config_name == TARGET.endpoint_config_name
    in_place = replace(TARGET, serverless=serverless(max_concurrency=6))
    assert in_place.endpoint_config_name == TARGET.endpoint_config_name
    others = [
        replace(TARGET, model_data_url="s3://b/models/other/model.tar.gz"),
        replace(TARGET, image="other"),
        replace(TARGET, environment={"A": "1"}),
        replace(TARGET, baseline_uri="s3://b/baselines/other"),
        replace(TARGET, kms_key_arn="arn:key"),
        replace(TARGET, serverless=serverless(memory_size_mb=2048)),
        replace(TARGET, serverless=serverless(provisioned_concurrency=1)),
    ]
    names = {other.endpoint_config_name for other in others}
    assert len(names | {TARGET.endpoint_config_name}) == len(others) + 1
    long = replace(TARGET, endpoint_name="e" * 63)
    assert len(long.endpoint_config_name) <= 63


def test_the_way_back_is_the_old_configuration_or_no_endpoint() -> None:
    (back,) = plan_way_back(TARGET, BEFORE)
    assert back.method == "update_endpoint"
    assert back.parameters["EndpointConfigName"] == "flights-old"
    (back,) = plan_way_back(TARGET, None)
    assert back.method == "delete_endpoint"
    assert plan_way_back(TARGET, TARGET.serving) == []


def test_records_reach_the_prefix_that_monitoring_reads() -> None:
    stream = next(
        action
        for action in plan(TARGET, NOTHING, CONFIG)
        if action.method == "create_delivery_stream"
    )
    destination = stream.parameters["ExtendedS3DestinationConfiguration"]
    assert destination["Prefix"].startswith("predictions/flights/AllTraffic/!{timestamp:")


def test_a_key_encrypts_whatever_can_be_encrypted() -> None:
    plain = {action.method: action.parameters for action in plan(TARGET, NOTHING, CONFIG)}
    keyed = replace(TARGET, kms_key_arn="arn:key")
    made = {action.method: action.parameters for action in plan(keyed, NOTHING, CONFIG)}
    assert made["create_endpoint_config"]["KmsKeyId"] == "arn:key"
    assert made["create_log_group"]["kmsKeyId"] == "arn:key"
    destination = made["create_delivery_stream"]["ExtendedS3DestinationConfiguration"]
    key = destination["EncryptionConfiguration"]["KMSEncryptionConfig"]["AWSKMSKeyARN"]
    assert key == "arn:key"
    assert "KmsKeyId" not in plain["create_endpoint_config"]


@pytest.mark.parametrize(
    "state",
    [
        pytest.param(None, id="gone"),
        pytest.param(replace(OLD, status="Failed"), id="failed"),
        pytest.param(OLD, id="silently rolled back"),
        pytest.param(
            EndpointState.in_service(
                "flights", TARGET.serving.model_copy(update={"max_concurrency": 4})
            ),
            id="another concurrency",
        ),
    ],
)
def test_in_service_on_anything_else_is_a_failure(state: EndpointState | None) -> None:
    with pytest.raises(DeploymentError, match="does not serve the wanted configuration"):
        check_serves("flights", TARGET.serving, state)


def test_in_service_on_the_new_configuration_is_good() -> None:
    check_serves("flights", TARGET.serving, EndpointState.in_service("flights", TARGET.serving))


def test_an_endpoint_of_instances_is_refused_with_what_to_do_instead() -> None:
    instances = replace(OLD, serving=None, serverless=False)
    with pytest.raises(InputError, match=r"AWS cannot make it serverless.*endpoint\.name to a new"):
        check_endpoint(instances, {PROJECT_TAG: "seatrial"}, "seatrial")


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        pytest.param({}, "it has no tag seatrial:project", id="nobody's"),
        pytest.param({PROJECT_TAG: "other"}, "is 'other'", id="another project's"),
        pytest.param({PROJECT_TAG: "seatrial"}, None, id="ours"),
    ],
)
def test_only_an_endpoint_of_this_project_is_changed(
    tags: dict[str, str], said: str | None
) -> None:
    check_endpoint(None, {}, "seatrial")
    if said is None:
        check_endpoint(OLD, tags, "seatrial")
    else:
        with pytest.raises(InputError, match=said):
            check_endpoint(OLD, tags, "seatrial")


def account(*, memory_mb: int = 3072, concurrency: int = 10, endpoints: int = 5) -> Account:
    """Four endpoints with five requests at once are there."""
    quotas = [Quota(value, "account quota") for value in (memory_mb, concurrency, endpoints)]
    return Account(*quotas, other_concurrency=5, other_endpoints=4)


@pytest.mark.parametrize(
    ("quotas", "is_new", "said"),
    [
        pytest.param({}, True, None, id="all exactly at"),
        pytest.param({"endpoints": 4}, True, "not enough endpoints: got '5", id="endpoints over"),
        pytest.param({"endpoints": 4}, False, None, id="an update needs no other endpoint"),
        pytest.param({"concurrency": 11}, True, None, id="concurrency under"),
        pytest.param({"concurrency": 9}, False, "requests at once", id="concurrency over"),
        pytest.param({"memory_mb": 1024}, True, None, id="memory exactly at"),
        pytest.param({"memory_mb": 1023}, True, "MB of memory", id="memory over"),
    ],
)
def test_an_account_without_room_is_said_so(
    quotas: dict[str, int], is_new: bool, said: str | None
) -> None:
    if said is None:
        check_quotas(TARGET.serverless, account(**quotas), is_new=is_new)
    else:
        with pytest.raises(InputError, match=said):
            check_quotas(TARGET.serverless, account(**quotas), is_new=is_new)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"memory_size_mb": 1024}, "less than the verdict", id="memory under"),
        pytest.param({"memory_size_mb": 2048}, None, id="memory exactly as judged"),
        pytest.param({"memory_size_mb": 3072}, None, id="memory over"),
        pytest.param({"max_concurrency": 200}, None, id="concurrency exactly at"),
        pytest.param({"max_concurrency": 201}, "service's limit", id="concurrency over"),
        pytest.param({"provisioned_concurrency": 5}, None, id="provisioned exactly at"),
        pytest.param({"provisioned_concurrency": 6}, "allowed 1 to 5", id="provisioned over"),
    ],
)
def test_an_override_is_taken_within_the_limits(changes: dict[str, int], said: str | None) -> None:
    endpoint = CONFIG.endpoint.model_copy(update=changes)
    config = CONFIG.model_copy(update={"endpoint": endpoint})
    recommended = serverless(memory_size_mb=2048)
    if said is None:
        wanted = recommended.model_copy(update=changes)
        assert overridden(recommended, config, load_limits()) == wanted
    else:
        with pytest.raises(InputError, match=said):
            overridden(recommended, config, load_limits())
