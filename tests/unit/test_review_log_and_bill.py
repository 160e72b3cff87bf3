"""Advice from the prediction log and the bill, each at and over its limit."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError
from review_situation import USAGE, advice, situation

from seatrial.contracts.calls import CallGroup, Calls, Spread
from seatrial.contracts.review import Bill, BillLine, Logged, Review
from seatrial.cost.prices import load_prices
from seatrial.cost.reviewed import reviewed_traffic, reviewed_workload
from seatrial.errors import InputError
from seatrial.review.advice import advise
from seatrial.review.reading import Metrics
from seatrial.review.reading_bill import Days, read_bill
from seatrial.review.situation import data_usd_a_request

TODAY = date(2026, 11, 28)
PRICES = load_prices("us-east-1")


def sizes(**counts: float) -> Spread:
    """Spreads by exponents: `e10=5` are five of 1024."""
    cells = {8 * int(name[1:]): count for name, count in counts.items()}
    total = sum(2 ** (cell / 8) * count for cell, count in cells.items())
    return Spread(cells=cells, total=total, largest=max(2 ** (cell / 8) for cell in cells))


def logged(*, verified: int | None = 2048, **changes: Any) -> dict[str, Any]:
    callers = {
        "requests": 100.0,
        "marked": 100.0,
        "cold": 2.0,
        "request_bytes": sizes(e10=100),
        "response_bytes": sizes(e6=100),
        "server_ms": sizes(e5=100),
        "rows": sizes(e0=100),
    }
    own = {key: changes.pop(key) for key in list(changes) if key in callers}
    calls = {
        "endpoint_name": "e",
        "started_at": datetime(2026, 11, 1, tzinfo=UTC),
        "ended_at": datetime(2026, 11, 8, tzinfo=UTC),
        "completeness_ratio": 1.0,
        "callers": CallGroup.model_validate(callers | own),
        "synthetic": CallGroup(),
        "versions": {"v1": 100.0},
        "hours": {},
    }
    found = Logged(
        calls=Calls.model_validate(calls | changes), windows=2, verified_request_bytes=verified
    )
    return {"logged": found}


def test_without_windows_the_log_is_unknown() -> None:
    found = advice("LOG", situation())
    assert (found.act, found.known) == (False, False)
    assert "schedule the monitor" in found.detail


@pytest.mark.parametrize(
    ("ratio", "act"), [(0.901, False), (0.9, False), (0.899, True), (None, False)]
)
def test_a_log_with_holes_is_told(ratio: float | None, act: bool) -> None:
    found = situation(logged(completeness_ratio=ratio))
    assert found.config.monitoring.min_completeness_ratio == 0.9
    assert advice("LOG", found).act is act


def test_several_versions_are_told_by_their_share() -> None:
    found = advice("LOG", situation(logged(versions={"v1": 25.0, "v2": 75.0})))
    assert found.detail.endswith("2 model versions: v2 75%, v1 25%")


@pytest.mark.parametrize(
    ("larger", "act"), [pytest.param(1, False, id="at"), pytest.param(1.1, True, id="over")]
)
def test_requests_that_were_never_profiled_ask_for_a_profile(larger: float, act: bool) -> None:
    found = situation(logged(request_bytes=sizes(e10=100 - larger, e12=larger)))
    said = advice("PAYLOADS", found)
    assert said.act is act
    assert ("2.0 kB of the largest that was profiled" in said.detail) is act


def test_payloads_are_told_beside_the_service_s_limit() -> None:
    found = advice("PAYLOADS", situation(logged(verified=None, request_bytes=sizes(e10=99, e21=1))))
    assert found.detail == (
        "requests 1.1 kB / 1.1 kB / 2.00 MB, answers 64 B / 64 B / 64 B, of 4 MB; "
        "rows 1 / 1 / 1 (p50, p99, largest)"
    )
    assert not found.act


def test_pings_are_told_with_their_cost_and_the_callers_who_met_a_cold_sandbox() -> None:
    pings = CallGroup(requests=300.0, server_ms=Spread(cells={8: 300.0}, total=600, largest=2))
    found = situation(logged(synthetic=pings))
    said = advice("PINGS", found)
    a_month = found.requests_a_month * 0.75 * 0.002 * 2 * 0.00002
    assert said.detail == (
        "75.0% of the requests are our own (pings, checks, load tests), for "
        f"${a_month:.2f} a month; 2.0% of callers met a cold sandbox all the same"
    )
    assert not any(item.topic == "PINGS" for item in advise(situation(logged())))


def test_cold_starts_are_the_callers_own_where_the_log_tells() -> None:
    told = [advice("COLD_STARTS", situation(usage)).detail for usage in (logged(), {})]
    assert told[0].startswith("2.0% of callers' requests were cold")
    assert told[1].startswith("0.1% of requests were cold")


@pytest.mark.parametrize(
    ("count", "cell_ms", "act"),
    [
        pytest.param(20, 512, True, id="over"),
        pytest.param(19, 512, False, id="too-few"),
        pytest.param(20, 256, False, id="under"),
    ],
)
def test_quick_pings_do_not_hide_slow_answers(count: int, cell_ms: int, act: bool) -> None:
    slow = Spread(cells={int(8 * np.log2(cell_ms)): count}, total=1, largest=cell_ms)
    found = advice("LATENCY", situation(logged(server_ms=slow)))
    assert found.act is act
    assert ("of the callers alone" in found.detail) is (count >= 20)


def test_data_is_part_of_the_cost_where_the_log_has_sizes() -> None:
    calls = logged()["logged"].calls
    usd = data_usd_a_request(calls, PRICES)
    assert usd == pytest.approx(0.016 * (1024 + 64) / 1e9)
    found, without = situation(data_usd_a_request=usd), situation()
    more = (found.usd_a_month(2048) or 0) - (without.usd_a_month(2048) or 0)
    assert more == pytest.approx(found.requests_a_month * (usd or 0))


def reviewed(**changes: Any) -> Review:
    """A day of 240 callers, ten an hour, at 1 GB, and pings that nobody counts."""
    first = datetime(2026, 11, 1, tzinfo=UTC)
    hour = int(first.timestamp()) // 3600
    hours = {hour + number: 10.0 for number in range(24)} | {hour - 5: 99.0}
    seen = logged(started_at=first, ended_at=first + timedelta(days=1), hours=hours, **changes)
    usage = {**seen, "latency_mean_ms": 42.0, "memory_max_percent": 50.0, "setup_mean_s": 1.7}
    return Review(
        endpoint_name="e",
        variant_name="v",
        days=90,
        ended_at=first + timedelta(days=2),
        memory_size_mb=1024,
        max_concurrency=4,
        provisioned_concurrency=None,
        usd_a_month=None,
        usage=USAGE.model_copy(update=usage),
        advice=(),
    )


def test_the_callers_traffic_is_that_of_their_hours() -> None:
    found = reviewed_traffic(reviewed(), seed=0)
    assert (found.requests, found.span_s) == (240, 86_400)
    by_hour = np.bincount((found.arrivals_s // 3600).astype(int), minlength=24)
    assert by_hour.min() > 0
    assert "callers of e by the hour, 2026-11-01 00:00 to 2026-11-02 00:00" in found.source


def test_their_times_and_sizes_are_as_seen_here_and_as_computed_elsewhere() -> None:
    found = reviewed_workload(reviewed(), mb_per_vcpu=2048, max_service_s=60)
    (payload,) = found.payloads
    # 32 ms in the server, of the 42 that CloudWatch saw
    assert set(found.times.latencies_ms("reviewed", 1024)) == {42}
    assert set(found.times.latencies_ms("reviewed", 3072)) == {21}
    assert (payload.bytes_in, payload.bytes_out) == (1024, 64)
    assert found.peak_memory_mb == 512
    assert [found.times.cold_start_s(tier) for tier in (1024, 2048)] == [1.7, 0.85]


@pytest.mark.parametrize(
    ("without", "why"),
    [
        ({"logged": None}, "no window of the prediction log"),
        (logged(hours={1: 5.0}), "no request of a caller in its windows"),
    ],
)
def test_a_review_that_cannot_say_what_callers_do_is_refused(
    without: dict[str, Any], why: str
) -> None:
    review = reviewed()
    blind = review.model_copy(update={"usage": review.usage.model_copy(update=without)})
    with pytest.raises(InputError, match=why):
        reviewed_traffic(blind, seed=0)


def billed(seconds: float = 1000.0, **changes: Any) -> dict[str, Any]:
    """1000 s at 2 GB are predicted: $0.04."""
    line = BillLine(
        usage_type="USE1-ServerlessInf:Mem-2GB", quantity=seconds, usd=seconds * 2 * 0.00002
    )
    values = {
        "first_day": date(2026, 9, 1),
        "last_day": TODAY,
        "lines": (line,),
        "request_s": 1000.0,
    }
    return {"bill": Bill.model_validate(values | changes)}


def test_a_bill_that_nobody_asked_for_is_unknown() -> None:
    found = advice("BILL", situation())
    assert (found.act, found.known) == (False, False)
    assert "$0.01" in found.detail


@pytest.mark.parametrize(
    ("seconds", "act"),
    [
        pytest.param(1000 / 0.951, False, id="under"),
        pytest.param(1000 / 0.949, True, id="over"),
        pytest.param(951, False, id="less-and-under"),
        pytest.param(949, True, id="less-and-over"),
    ],
)
def test_bill_and_prediction_may_part_by_five_percent(seconds: float, act: bool) -> None:
    assert advice("BILL", situation(billed(seconds))).act is act


def lines(*given: tuple[str, float, float]) -> dict[str, Any]:
    return {"lines": tuple(BillLine(usage_type=a, quantity=b, usd=c) for a, b, c in given)}


@pytest.mark.parametrize(
    ("bill", "why"),
    [
        pytest.param(
            billed(1200, setup_s=200.0),
            "1200.0 s were billed, and requests took 1000.0 s: with the 200.0 s of cold starts it "
            "fits, so those are billed",
            id="cold-starts-are-billed",
        ),
        pytest.param(
            billed(1200, setup_s=20.0), "and requests took 1000.0 s", id="more-than-anyone-knows"
        ),
        pytest.param(
            billed(**lines(("ServerlessInf:Mem-2GB", 1000, 0.08))),
            "a GB-second was $4e-05, not $2e-05: set prices.serverless_usd_per_gb_second",
            id="another-price",
        ),
        pytest.param(
            billed(
                **lines(("ServerlessInf:Mem-2GB", 500, 0.02), ("ServerlessInf:Mem-6GB", 500, 0.06))
            ),
            "the tier is 2048 MB now, and it was billed for 500 s at 6144 MB",
            id="another-tier-before",
        ),
        pytest.param(
            billed(
                **lines(("ServerlessInf:Mem-2GB", 1000, 0.04), ("USE1-Data-Bytes-Out", 5, 0.08)),
                data_usd=0.001,
            ),
            "data was $0.08, not $0.001",
            id="more-data",
        ),
    ],
)
def test_what_parts_them_is_named(bill: dict[str, Any], why: str) -> None:
    found = advice("BILL", situation(bill))
    assert found.act
    assert why in found.detail


def test_what_cannot_be_predicted_is_not_compared() -> None:
    more = lines(
        ("ServerlessInf:Mem-2GB", 1000, 0.04),
        ("Data-Bytes-In", 9, 1.0),  # no log, so no sizes
        ("ProvisionedConcurrency:Usage-2GB", 9, 2.0),
        ("DataProcessedFirehose", 9, 3.0),  # another service, under the same tag
    )
    found = advice("BILL", situation(billed(**more)))
    assert not found.act
    assert "$0.04 were billed from 2026-09-01 to 2026-11-28, $0.04 predicted" in found.detail
    assert "$2 for provisioned concurrency are in neither" in found.detail


class CloudWatch:
    """Daily sums, the same every day that is asked for."""

    def __init__(self, requests: float = 10.0) -> None:
        self.requests = requests
        self.asked: list[tuple[datetime, datetime]] = []

    def get_metric_statistics(self, **asked: Any) -> dict[str, Any]:
        self.asked.append((asked["StartTime"], asked["EndTime"]))
        days = (asked["EndTime"] - asked["StartTime"]).days
        sums = {"Invocations": self.requests, "ModelLatency": 5e6, "ModelSetupTime": 1e6}
        return {"Datapoints": [{"Sum": sums[asked["MetricName"]]}] * days}


class CostExplorer:
    """Two pages of one month each, or a refusal."""

    def __init__(self, code: str = "", *, empty: bool = False) -> None:
        self.code, self.empty = code, empty
        self.asked: list[dict[str, Any]] = []

    def get_cost_and_usage(self, **asked: Any) -> dict[str, Any]:
        self.asked.append(asked)
        if self.code:
            raise ClientError({"Error": {"Code": self.code, "Message": ""}}, "GetCostAndUsage")
        figures = {"UsageQuantity": {"Amount": "5.5"}, "UnblendedCost": {"Amount": "0.25"}}
        group = {"Keys": ["USE1-ServerlessInf:Mem-2GB"], "Metrics": figures}
        more = {} if "NextPageToken" in asked else {"NextPageToken": "2"}
        return {"ResultsByTime": [{"Groups": [] if self.empty else [group]}], **more}


def read(
    ce: CostExplorer,
    *,
    lag_days: int = 2,
    first: date = TODAY - timedelta(days=9),
    requests: float = 10.0,
) -> Bill:
    now = datetime(2026, 11, 28, 12, tzinfo=UTC)
    metrics = Metrics(CloudWatch(requests), "e", "v", now - timedelta(days=9), now)
    days = Days.billed(first, TODAY, lag_days=lag_days)
    return read_bill(days, metrics, logged()["logged"], PRICES, ce)


def test_a_bill_is_read_page_by_page_and_beside_it_the_same_days_of_cloudwatch() -> None:
    ce = CostExplorer()
    found = read(ce)
    assert (found.first_day, found.last_day) == (date(2026, 11, 19), date(2026, 11, 26))
    (line,) = found.lines
    assert (line.quantity, line.usd) == (11, 0.5)
    # eight days, and half a millisecond for each of their requests
    assert (found.request_s, found.setup_s) == (8 * 5 + 80 * 0.0005, 8)
    assert found.data_usd == pytest.approx(80 * 0.016 * (1024 + 64) / 1e9)
    asked = ce.asked[0]
    assert asked["TimePeriod"] == {"Start": "2026-11-19", "End": "2026-11-27"}
    assert {"Tags": {"Key": "seatrial:endpoint", "Values": ["e"]}} in asked["Filter"]["And"]
    assert ce.asked[1]["NextPageToken"] == "2"


def test_no_more_is_asked_for_than_cost_explorer_keeps() -> None:
    assert read(CostExplorer(), first=TODAY - timedelta(days=455)).first_day == (
        TODAY - timedelta(days=365)
    )


def test_a_day_that_is_not_billed_yet_is_not_asked_for() -> None:
    ce = CostExplorer()
    assert "bill_lag_days" in (read(ce, first=TODAY, lag_days=1).unknown or "")
    assert "nobody called it from 2026-11-19 to 2026-11-26" in (read(ce, requests=0).unknown or "")
    assert not ce.asked
    assert read(ce, first=TODAY, lag_days=0).unknown is None


@pytest.mark.parametrize(
    ("ce", "why"),
    [
        (CostExplorer("AccessDeniedException"), "allow ce:GetCostAndUsage"),
        (CostExplorer("DataUnavailableException"), "no data of those days yet"),
        (CostExplorer(empty=True), "activate it as a cost allocation tag"),
    ],
)
def test_what_cost_explorer_cannot_say_is_unknown_and_why(ce: CostExplorer, why: str) -> None:
    bill = read(ce)
    assert why in (bill.unknown or "")
    found = advice("BILL", situation({"bill": bill}))
    assert (found.act, found.known) == (False, False)
    assert why in found.detail
