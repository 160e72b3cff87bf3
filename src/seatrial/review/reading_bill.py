"""What was billed for an endpoint, beside what CloudWatch says that it did on the same days.

Cost Explorer knows tags, not endpoints: what carries the tag `seatrial:endpoint` is asked for, by
usage type. Each answered request to it costs $0.01; one is enough unless there is a second page.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from seatrial.aws import explained
from seatrial.contracts.review import Bill, BillLine, Logged
from seatrial.cost.prices import Prices
from seatrial.deployment.target import ENDPOINT_TAG
from seatrial.review.reading import Metrics
from seatrial.review.situation import data_usd_a_request

# GetCostAndUsage looks back over twelve months and the present one.
MAX_DAYS = 365
# A request is billed in whole milliseconds: half of one more than it took, on average.
_ROUNDING_S = 0.0005
# Discounts, credits and taxes apart: they are not what a price list can tell.
_RECORDS = ["Usage", "SavingsPlanCoveredUsage"]
_UNKNOWN = {
    "AccessDeniedException": "Cost Explorer may not be asked: allow ce:GetCostAndUsage, and turn "
    "Cost Explorer on for the account",
    "DataUnavailableException": "Cost Explorer has no data of those days yet",
    "BillExpirationException": "Cost Explorer has no bill of those days any more",
}


@dataclass(frozen=True)
class Days:
    """Whole days in UTC, the last one included."""

    first: date
    last: date

    @classmethod
    def billed(cls, first: date, today: date, *, lag_days: int) -> Days:
        """Those from `first` on that are billed for certain; no more than can be asked for."""
        most = timedelta(days=MAX_DAYS)
        return cls(max(first, today - most), today - timedelta(days=lag_days))

    @property
    def after(self) -> date:
        """The day on which they have ended."""
        return self.last + timedelta(days=1)

    def of(self, metrics: Metrics) -> Metrics:
        """The same metrics of exactly these days."""
        start, end = (datetime.combine(day, time(), UTC) for day in (self.first, self.after))
        return replace(metrics, start=start, end=end)


def read_bill(days: Days, metrics: Metrics, logged: Logged | None, prices: Prices, ce: Any) -> Bill:
    """The bill of these days, and what it should be by CloudWatch, the log, and the prices."""
    metrics = days.of(metrics)
    if days.last < days.first:
        lag = "the period has no day that is billed for certain: see review.bill_lag_days"
        return Bill(first_day=days.last, last_day=days.first, unknown=lag)
    requests = metrics.total("Invocations")
    if not requests:  # and no reason to pay for an answer
        none = f"nobody called it from {days.first} to {days.last}, the days that are billed for "
        none += "certain: see review.bill_lag_days"
        return Bill(first_day=days.first, last_day=days.last, unknown=none)
    lines = _lines(days, metrics.endpoint_name, ce)
    if isinstance(lines, str):
        return Bill(first_day=days.first, last_day=days.last, unknown=lines)
    return Bill(
        first_day=days.first,
        last_day=days.last,
        lines=lines,
        request_s=metrics.total("ModelLatency") / 1e6 + _ROUNDING_S * requests,
        setup_s=metrics.total("ModelSetupTime") / 1e6,
        data_usd=_data_usd(logged, requests, prices),
    )


def _lines(days: Days, endpoint_name: str, ce: Any) -> tuple[BillLine, ...] | str:
    """The bill's lines, the dearest first; or why there are none."""
    from botocore.exceptions import ClientError

    asked = {
        "TimePeriod": {"Start": days.first.isoformat(), "End": days.after.isoformat()},
        "Granularity": "MONTHLY",  # fewer lines than by the day, and so one page
        "Metrics": ["UnblendedCost", "UsageQuantity"],
        "GroupBy": [{"Type": "DIMENSION", "Key": "USAGE_TYPE"}],
        "Filter": {
            "And": [
                {"Tags": {"Key": ENDPOINT_TAG, "Values": [endpoint_name]}},
                {"Dimensions": {"Key": "RECORD_TYPE", "Values": _RECORDS}},
            ]
        },
    }
    with explained(f"the bill of {endpoint_name}", do="Allow ce:GetCostAndUsage"):
        try:
            groups = list(_groups(asked, ce))
        except ClientError as error:
            reason = _UNKNOWN.get(error.response["Error"]["Code"])
            if reason is None:
                raise
            return reason
    if not groups:
        return (
            f"Cost Explorer has nothing with the tag {ENDPOINT_TAG}={endpoint_name}: activate it "
            "as a cost allocation tag, which counts from then on"
        )
    return _summed(groups)


def _groups(asked: Mapping[str, Any], ce: Any) -> Iterator[Mapping[str, Any]]:
    page: dict[str, str] = {}
    while True:
        answer = ce.get_cost_and_usage(**asked, **page)
        for month in answer["ResultsByTime"]:
            yield from month["Groups"]
        if "NextPageToken" not in answer:
            return
        page = {"NextPageToken": answer["NextPageToken"]}


def _summed(groups: list[Mapping[str, Any]]) -> tuple[BillLine, ...]:
    found: dict[str, BillLine] = {}
    for group in groups:
        name, figures = group["Keys"][0], group["Metrics"]
        before = found.get(name, BillLine(usage_type=name, quantity=0, usd=0))
        found[name] = BillLine(
            usage_type=name,
            quantity=before.quantity + float(figures["UsageQuantity"]["Amount"]),
            usd=before.usd + float(figures["UnblendedCost"]["Amount"]),
        )
    return tuple(sorted(found.values(), key=lambda line: -line.usd))


def _data_usd(logged: Logged | None, requests: float, prices: Prices) -> float | None:
    """What that many requests move, going by the log's sizes."""
    if logged is None:
        return None
    a_request = data_usd_a_request(logged.calls, prices)
    return None if a_request is None else a_request * requests
