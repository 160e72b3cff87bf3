"""Account quotas: under, at and over each, and what Service Quotas tells of them."""

from __future__ import annotations

from typing import Any

import pytest

from seatrial.errors import InputError
from seatrial.limits import load_limits
from seatrial.localcloud.api import AwsError, NotOurs, Place
from seatrial.localcloud.quotas import (
    AccountQuotas,
    Quotas,
    Usage,
    check_quotas,
    new_account,
    read_quotas,
)
from seatrial.localcloud.service_quotas import ServiceQuotas

QUOTAS = Quotas(memory_size_mb=3072, total_concurrency=10, endpoints=5)
PLACE = Place(region="eu-west-1", endpoint_url="http://127.0.0.1:1", work_dir="/nowhere")


def over(
    *, memory_mb: int = 1024, concurrency: int = 1, usage: Usage, replaces: int | None = None
) -> str | None:
    """The message of the refusal, None if there is none."""
    try:
        check_quotas(QUOTAS, usage, memory_mb=memory_mb, concurrency=concurrency, replaces=replaces)
    except AwsError as error:
        assert error.code == "ResourceLimitExceeded"
        return error.message
    return None


def test_a_new_account_has_what_the_limits_file_assumes() -> None:
    assert new_account(load_limits()) == QUOTAS


@pytest.mark.parametrize(
    ("memory_mb", "fits"),
    [
        pytest.param(2048, True, id="under"),
        pytest.param(3072, True, id="exactly-at-quota"),
        pytest.param(4096, False, id="over"),
    ],
)
def test_memory_quota_in_the_services_words(memory_mb: int, fits: bool) -> None:
    message = over(memory_mb=memory_mb, usage=Usage(0, 0))
    if fits:
        assert message is None
    else:
        assert message is not None
        assert message.startswith(
            "The account-level service limit 'Memory size in MB per serverless endpoint' is 3072 "
            "MBs, with current utilization of 0 MBs and a request delta of 4096 MBs."
        )


@pytest.mark.parametrize(
    ("concurrency", "fits"),
    [
        pytest.param(3, True, id="under"),
        pytest.param(4, True, id="exactly-at-quota"),
        pytest.param(5, False, id="over"),
    ],
)
def test_total_concurrency_is_shared_by_all_endpoints(concurrency: int, fits: bool) -> None:
    message = over(concurrency=concurrency, usage=Usage(total_concurrency=6, endpoints=1))
    assert (message is None) is fits


def test_an_update_is_counted_by_its_difference() -> None:
    usage = Usage(total_concurrency=4, endpoints=1)
    assert over(concurrency=6, usage=usage, replaces=5) is None
    message = over(concurrency=7, usage=usage, replaces=5)
    assert message is not None
    assert "is 10, with current utilization of 9 and a request delta of 2" in message


@pytest.mark.parametrize(
    ("endpoints", "fits"),
    [
        pytest.param(3, True, id="under"),
        pytest.param(4, True, id="exactly-at-quota"),
        pytest.param(5, False, id="over"),
    ],
)
def test_number_of_endpoints(endpoints: int, fits: bool) -> None:
    assert (over(usage=Usage(0, endpoints)) is None) is fits
    assert over(usage=Usage(0, endpoints), replaces=1) is None


def test_quotas_are_read_over_the_default() -> None:
    assert read_quotas("", QUOTAS) == QUOTAS
    assert read_quotas("memory=6144, endpoints=50", QUOTAS) == Quotas(6144, 10, 50)


@pytest.mark.parametrize("text", ["memory", "memory=", "memory=6GB", "disk=5", "memory=-1"])
def test_other_quotas_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="memory=MB, concurrency=N, endpoints=N"):
        read_quotas(text, QUOTAS)


def call(quotas: ServiceQuotas, name: str, **request: object) -> dict[str, Any]:
    return quotas.handlers()[f"ServiceQuotasV20190624.{name}"](
        {"ServiceCode": "sagemaker"} | request
    )


def test_service_quotas_tells_all_but_the_memory() -> None:
    raised = Quotas(memory_size_mb=6144, total_concurrency=20, endpoints=5)
    quotas = ServiceQuotas(PLACE, AccountQuotas(raised), QUOTAS)
    applied = call(quotas, "GetServiceQuota", QuotaCode="L-96300102")["Quota"]
    default = call(quotas, "GetAWSDefaultServiceQuota", QuotaCode="L-96300102")["Quota"]
    assert (applied["Value"], default["Value"]) == (20.0, 10.0)
    listed = call(quotas, "ListServiceQuotas")["Quotas"]
    assert [item["Value"] for item in listed] == [20.0, 5.0]


def test_unknown_quotas_and_other_services() -> None:
    quotas = ServiceQuotas(PLACE, AccountQuotas(QUOTAS), QUOTAS)
    for name in ("GetServiceQuota", "RequestServiceQuotaIncrease"):
        with pytest.raises(AwsError, match="no quota 'L-1'; it has L-96300102, L-99AD19BF"):
            call(quotas, name, QuotaCode="L-1", DesiredValue=7)
        with pytest.raises(NotOurs):
            call(quotas, name, ServiceCode="vpc", QuotaCode="L-1")
    with pytest.raises(AwsError, match="no request 'none'"):
        call(quotas, "GetRequestedServiceQuotaChange", RequestId="none")


def test_an_increase_is_granted_and_remembered() -> None:
    account = AccountQuotas(QUOTAS)
    quotas = ServiceQuotas(PLACE, account, QUOTAS)
    ask = {"QuotaCode": "L-99AD19BF", "DesiredValue": 6.0}
    granted = call(quotas, "RequestServiceQuotaIncrease", **ask)["RequestedQuota"]
    assert (granted["Status"], granted["DesiredValue"]) == ("APPROVED", 6.0)
    assert account.current == Quotas(memory_size_mb=3072, total_concurrency=10, endpoints=6)
    assert call(quotas, "GetServiceQuota", QuotaCode="L-99AD19BF")["Quota"]["Value"] == 6.0
    assert call(quotas, "GetAWSDefaultServiceQuota", QuotaCode="L-99AD19BF")["Quota"]["Value"] == 5
    found = call(quotas, "GetRequestedServiceQuotaChange", RequestId=granted["Id"])
    assert found["RequestedQuota"] == granted
    history = "ListRequestedServiceQuotaChangeHistory"
    assert call(quotas, history)["RequestedQuotas"] == [granted]
    assert call(quotas, history, Status="PENDING")["RequestedQuotas"] == []
    assert call(quotas, history + "ByQuota", QuotaCode="L-96300102")["RequestedQuotas"] == []


@pytest.mark.parametrize("desired", [4.0, 5.0])
def test_no_more_than_there_is_cannot_be_asked_for(desired: float) -> None:
    quotas = ServiceQuotas(PLACE, AccountQuotas(QUOTAS), QUOTAS)
    ask = {"QuotaCode": "L-99AD19BF", "DesiredValue": desired}
    with pytest.raises(AwsError, match="ask for more than the 5 that the account has") as caught:
        call(quotas, "RequestServiceQuotaIncrease", **ask)
    assert caught.value.code == "IllegalArgumentException"
