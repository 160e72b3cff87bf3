"""What CreateEndpointConfig and CreateModel refuse, and with which text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from seatrial.limits import load_limits
from seatrial.localcloud.api import AwsError
from seatrial.localcloud.endpoint_rules import (
    check_deployment_config,
    check_endpoint_config,
    check_model,
)
from seatrial.localcloud.models import Model


def config(*, memory: int = 2048, concurrency: int = 5, **more: Any) -> dict[str, Any]:
    serverless = {"MemorySizeInMB": memory, "MaxConcurrency": concurrency}
    provisioned = more.pop("provisioned", None)
    if provisioned is not None:
        serverless["ProvisionedConcurrency"] = provisioned
    variant = {"VariantName": "AllTraffic", "ModelName": "m", "ServerlessConfig": serverless}
    return {"EndpointConfigName": "c", "ProductionVariants": [variant], **more}


def refusal(request: dict[str, Any]) -> AwsError:
    with pytest.raises(AwsError) as caught:
        check_endpoint_config(request, load_limits())
    assert caught.value.code == "ValidationException"
    return caught.value


@pytest.mark.parametrize("memory", [1024, 2048, 3072, 4096, 5120, 6144])
def test_every_tier_is_taken(memory: int) -> None:
    check_endpoint_config(config(memory=memory), load_limits())


@pytest.mark.parametrize("memory", [0, 1023, 1500, 6143, 6145, 7168])
def test_what_is_not_a_tier_is_refused_with_the_tiers(memory: int) -> None:
    assert refusal(config(memory=memory)).message == (
        f"1 validation error detected: Value '{memory}' at 'MemorySizeInMB' failed to satisfy "
        "constraint: Member must satisfy enum value set: [1024, 2048, 3072, 4096, 5120, 6144]"
    )


@pytest.mark.parametrize(
    ("concurrency", "allowed"),
    [
        pytest.param(0, False, id="under-the-least"),
        pytest.param(1, True, id="least"),
        pytest.param(199, True, id="under"),
        pytest.param(200, True, id="exactly-at-limit"),
        pytest.param(201, False, id="over"),
    ],
)
def test_max_concurrency_is_1_to_200(concurrency: int, allowed: bool) -> None:
    request = config(concurrency=concurrency)
    if allowed:
        check_endpoint_config(request, load_limits())
    else:
        assert f"Value '{concurrency}' at 'MaxConcurrency'" in refusal(request).message


@pytest.mark.parametrize(
    ("provisioned", "allowed"),
    [
        pytest.param(4, True, id="under"),
        pytest.param(5, True, id="exactly-at-limit"),
        pytest.param(6, False, id="over"),
    ],
)
def test_provisioned_concurrency_is_at_most_the_maximum(provisioned: int, allowed: bool) -> None:
    request = config(concurrency=5, provisioned=provisioned)
    if allowed:
        check_endpoint_config(request, load_limits())
    else:
        assert "ProvisionedConcurrency 6 is over MaxConcurrency 5" in refusal(request).message


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("DataCaptureConfig", {"EnableCapture": True}),
        ("ShadowProductionVariants", [{"VariantName": "shadow"}]),
        ("AsyncInferenceConfig", {"OutputConfig": {}}),
        ("ExplainerConfig", {"ClarifyExplainerConfig": {}}),
        ("VpcConfig", {"Subnets": ["s"], "SecurityGroupIds": ["g"]}),
        ("EnableNetworkIsolation", True),
        ("CrossRegionTrafficConfig", {"MaxInvocationsPerSecondPerInstance": 1}),
    ],
)
def test_what_serverless_does_not_support_is_refused(field: str, value: Any) -> None:
    assert "a serverless endpoint does not support" in refusal(config(**{field: value})).message


def test_data_capture_that_is_switched_off_is_none() -> None:
    check_endpoint_config(config(DataCaptureConfig={"EnableCapture": False}), load_limits())


def test_two_variants_are_refused() -> None:
    request = config()
    request["ProductionVariants"] *= 2
    assert "2 production variants" in refusal(request).message


def test_instance_variants_are_refused() -> None:
    request = config()
    del request["ProductionVariants"][0]["ServerlessConfig"]
    assert "only serverless endpoints run here" in refusal(request).message


@pytest.mark.parametrize("field", ["InstanceType", "InitialInstanceCount"])
def test_instance_and_serverless_together_are_refused(field: str) -> None:
    request = config()
    request["ProductionVariants"][0][field] = 1
    assert f"{field} together with ServerlessConfig" in refusal(request).message


def test_managed_scaling_is_refused_in_the_services_words() -> None:
    request = config()
    request["ProductionVariants"][0]["ManagedInstanceScaling"] = {"Status": "ENABLED"}
    assert refusal(request).message == (
        "ManagedInstanceScaling is only supported for inference component endpoints."
    )


def model(**request: Any) -> Model:
    return Model({"ModelName": "m", **request}, datetime.now(UTC))


CONTAINER = {"Image": "i", "ModelDataUrl": "s3://b/model.tar.gz"}


def test_one_container_with_one_archive_is_taken() -> None:
    check_model(model(PrimaryContainer=CONTAINER))
    check_model(model(Containers=[CONTAINER]))


@pytest.mark.parametrize(
    ("request_fields", "reason"),
    [
        ({"Containers": [CONTAINER, CONTAINER]}, "has 2 containers"),
        ({"PrimaryContainer": {"Image": "i", "ModelDataSource": {}}}, "has ModelDataSource"),
        ({"PrimaryContainer": {**CONTAINER, "Mode": "MultiModel"}}, "serves one model"),
        ({"PrimaryContainer": CONTAINER, "VpcConfig": {"Subnets": ["s"]}}, "asks for a VPC"),
        ({"PrimaryContainer": CONTAINER, "EnableNetworkIsolation": True}, "network isolation"),
    ],
)
def test_models_that_serverless_cannot_run(request_fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(AwsError, match=reason):
        check_model(model(**request_fields))


@pytest.mark.parametrize(
    "deployment",
    [None, {}, {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE"}}}],
)
def test_all_at_once_is_how_an_update_goes(deployment: dict[str, Any] | None) -> None:
    check_deployment_config(deployment)


@pytest.mark.parametrize(
    "deployment",
    [
        {"RollingUpdatePolicy": {}},
        {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": {"Type": "CANARY"}}},
        {"AutoRollbackConfiguration": {"Alarms": []}},
    ],
)
def test_other_ways_are_refused(deployment: dict[str, Any]) -> None:
    with pytest.raises(AwsError, match="localcloud: "):
        check_deployment_config(deployment)
