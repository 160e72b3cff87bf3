"""GetCostAndUsage out of the ledger: by day or month, tier and tag, and nothing that is guessed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from seatrial.localcloud.api import AwsError, Place
from seatrial.localcloud.cost_explorer import CostExplorer
from seatrial.localcloud.ledger import Ledger
from seatrial.localcloud.metrics import Invocation

REQUEST = Invocation(
    endpoint_name="e",
    variant_name="v",
    status=200,
    model_s=2.0,
    overhead_s=0.5,
    setup_s=1.0,
    in_flight_ratio=0.5,
    memory_ratio=0.25,
    memory_mb=3072,
    bytes_in=1000,
    bytes_out=2000,
)
ASKED = {
    "TimePeriod": {"Start": "2026-01-30", "End": "2026-02-02"},
    "Granularity": "MONTHLY",
    "Metrics": ["UnblendedCost", "UsageQuantity"],
    "GroupBy": [{"Type": "DIMENSION", "Key": "USAGE_TYPE"}],
}


@pytest.fixture
def ledger() -> Ledger:
    """A request a day from 29 January to 2 February, and one of another endpoint."""
    now = [0.0]
    made = Ledger(lambda: now[0])
    for month, day in ((1, 29), (1, 30), (1, 31), (2, 1), (2, 2)):
        now[0] = datetime(2026, month, day, 23, 59, tzinfo=UTC).timestamp()
        made.record(REQUEST)
    made.record(replace(REQUEST, endpoint_name="f", memory_mb=1024))
    return made


def ask(ledger: Ledger, region: str = "us-east-1", **changes: Any) -> dict[str, Any]:
    explorer = CostExplorer(
        Place(region, "http://127.0.0.1:1", "/nowhere"),
        ledger.postings,
        lambda name: {"seatrial:endpoint": name},
    )
    (handler,) = explorer.handlers().values()
    return handler({**ASKED, **changes})


def found(answer: dict[str, Any]) -> list[dict[str, tuple[float, float]]]:
    return [
        {
            group["Keys"][0]: (
                float(group["Metrics"]["UsageQuantity"]["Amount"]),
                float(group["Metrics"]["UnblendedCost"]["Amount"]),
            )
            for group in piece["Groups"]
        }
        for piece in answer["ResultsByTime"]
    ]


def test_a_month_is_cut_to_the_period_and_its_end_is_not_included(ledger: Ledger) -> None:
    answer = ask(ledger)
    periods = [tuple(piece["TimePeriod"].values()) for piece in answer["ResultsByTime"]]
    assert periods == [("2026-01-30", "2026-02-01"), ("2026-02-01", "2026-02-02")]
    january, february = found(answer)
    assert january == {
        "ServerlessInf:Mem-3GB": pytest.approx((4.0, 4 * 3 * 0.00002)),
        "Data-Bytes-In": pytest.approx((2e-6, 2e-6 * 0.016)),
        "Data-Bytes-Out": pytest.approx((4e-6, 4e-6 * 0.016)),
    }
    assert february["ServerlessInf:Mem-3GB"][0] == 2


def test_by_the_day_each_day_stands_alone(ledger: Ledger) -> None:
    days = found(ask(ledger, Granularity="DAILY"))
    assert [day["ServerlessInf:Mem-3GB"][0] for day in days] == [2, 2, 2]


def test_a_tag_tells_one_endpoint_from_another(ledger: Ledger) -> None:
    period = {"Start": "2026-02-02", "End": "2026-02-03"}
    tag = {"Tags": {"Key": "seatrial:endpoint", "Values": ["f"]}}
    usage = {"Dimensions": {"Key": "RECORD_TYPE", "Values": ["Usage"]}}
    (both,) = found(ask(ledger, TimePeriod=period))
    (one,) = found(ask(ledger, TimePeriod=period, Filter={"And": [tag, usage]}))
    assert set(both) - set(one) == {"ServerlessInf:Mem-3GB"}
    assert one["ServerlessInf:Mem-1GB"] == pytest.approx((2, 2 * 0.00002))
    credit = {"Dimensions": {"Key": "RECORD_TYPE", "Values": ["Credit"]}}
    assert found(ask(ledger, TimePeriod=period, Filter=credit)) == [{}]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"TimePeriod": {"Start": "2026-02-02", "End": "2026-02-02"}}, "End is not included"),
        ({"TimePeriod": {"Start": "2026-02-31", "End": "2026-03-02"}}, "days are as 2026-11-24"),
        ({"Granularity": "HOURLY"}, "DAILY, MONTHLY are known"),
        ({"Metrics": ["NetAmortizedCost"]}, "NetAmortizedCost"),
        ({"GroupBy": [{"Type": "DIMENSION", "Key": "SERVICE"}]}, "SERVICE"),
        ({"Filter": {"Dimensions": {"Key": "REGION", "Values": ["x"]}}}, "RECORD_TYPE is known"),
        ({"Filter": {"Not": {"Tags": {"Key": "a", "Values": ["b"]}}}}, "a Filter by Not"),
        ({"Filter": {}}, "each expression has one"),
    ],
)
def test_what_is_not_known_here_is_refused(
    ledger: Ledger, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(AwsError, match=said) as refused:
        ask(ledger, **changes)
    assert refused.value.code == "ValidationException"


def test_a_region_without_prices_has_no_bill(ledger: Ledger) -> None:
    with pytest.raises(AwsError, match="there are no prices") as refused:
        ask(ledger, region="eu-nowhere-1")
    assert refused.value.code == "DataUnavailableException"
