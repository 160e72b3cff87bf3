"""What the expected traffic costs and needs: objectives, concurrency, and real-time instances."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from readiness_facts import account, check, facts, measured, payload

from seatrial.config import load_config
from seatrial.contracts import ColdStart, TierLatency
from seatrial.cost.prices import load_prices, unknown_prices, with_given
from seatrial.readiness.choice import choose
from seatrial.readiness.configurations import configurations, otherwise_provisioned
from seatrial.readiness.facts import Facts, Quota
from seatrial.readiness.inputs import prices_of
from seatrial.readiness.latency import latency_at
from seatrial.readiness.setting import setting_of
from seatrial.readiness.traffic_cost import traffic_cost
from seatrial.readiness.verdict import judge

TODAY = date(2026, 11, 24)
HELD = {
    "provisioned_usd_per_gb_second": 0.000004,
    "provisioned_duration_usd_per_gb_second": 0.00001,
}
MONTHLY = 40_000


def with_objectives(**objectives: Any) -> Facts:
    return facts(load_config(None, objectives={"requests_per_month": MONTHLY, **objectives}))


def priced(**given: float) -> Any:
    return with_given(load_prices("us-east-1"), given, today=TODAY)


def codes(found: Any) -> set[str]:
    return {item.code for item in found.checks}


def test_without_traffic_or_an_objective_nothing_is_said_of_money() -> None:
    assert not codes(judge(facts())) & {"COST_OBJECTIVE", "REALTIME_CHEAPER"}


def test_traffic_alone_sets_no_objective() -> None:
    found = judge(with_objectives())
    assert "COST_OBJECTIVE" not in codes(found)
    assert found.cost is not None
    in_equal_shares = found.cost.usd_per_million_requests * MONTHLY / 1e6
    assert found.cost.usd_per_month == pytest.approx(in_equal_shares, rel=0.01)


@pytest.mark.parametrize(
    ("extra_usd", "status"),
    [
        pytest.param(0.01, "pass", id="under"),
        pytest.param(0.0, "pass", id="exactly"),
        pytest.param(-0.01, "fail", id="over"),
    ],
)
def test_the_cost_objective(extra_usd: float, status: str) -> None:
    usd = setting_of(with_objectives()).usd_per_month
    assert usd is not None
    found = judge(with_objectives(cost_usd_per_month=usd + extra_usd))
    seen = check(found, "COST_OBJECTIVE")
    assert (seen.status, seen.measured) == (status, usd)
    assert found.ready is (status == "pass")
    if status == "fail":
        assert f"raise objectives.cost_usd_per_month to {usd:.2f}" in seen.fix


def test_an_objective_without_traffic_is_unknown_and_blocks() -> None:
    found = judge(with_objectives(requests_per_month=None, cost_usd_per_month=1))
    assert check(found, "COST_OBJECTIVE").status == "unknown"
    assert check(found, "COST_OBJECTIVE").fix == "Give objectives.requests_per_month"
    assert not found.ready


def test_a_region_without_prices_is_judged_and_invents_none() -> None:
    config = load_config(
        None,
        region="eu-west-1",
        objectives={"requests_per_month": MONTHLY, "cost_usd_per_month": 5},
    )
    prices = prices_of(config, today=TODAY)
    assert prices == unknown_prices("eu-west-1", today=TODAY)
    found = judge(facts(config, prices=prices))
    assert found.recommended is not None
    assert found.recommended.memory_size_mb == 1024
    assert found.cost is None
    seen = check(found, "COST_OBJECTIVE")
    assert seen.status == "unknown"
    assert "prices.serverless_usd_per_gb_second" in seen.fix
    assert "eu-west-1" in seen.fix
    assert check(found, "REALTIME_CHEAPER").status == "unknown"


def test_the_users_prices_are_the_judges() -> None:
    config = load_config(None, prices={"serverless_usd_per_gb_second": 1.0})
    found = judge(facts(config, prices=prices_of(config, today=TODAY)))
    assert found.cost is not None
    assert found.cost.usd_per_second == 1.0
    assert found.cost.source == "given by the user"


@pytest.mark.parametrize(
    ("ratio", "status"),
    [
        pytest.param(1.01, "pass", id="under"),
        pytest.param(1 + 1e-12, "pass", id="exactly"),  # but for the last bit of a division
        pytest.param(0.99, "warn", id="over"),
    ],
)
def test_real_time_is_cheaper_where_it_costs_less(ratio: float, status: str) -> None:
    base = with_objectives()
    setting = setting_of(base)
    assert setting.demand is not None
    assert setting.usd_per_month is not None
    assert setting.demand.real_time is not None
    data_usd = setting.demand.real_time.usd_data
    even = (setting.usd_per_month - data_usd) / 730
    instances = ("ml.c5.large", "ml.c5.xlarge", "ml.m5.large", "ml.m5.xlarge")
    given = dict.fromkeys(instances, even * ratio)
    found = judge(facts(base.config, prices=priced(**given)))
    assert check(found, "REALTIME_CHEAPER").status == status
    assert found.ready


def test_the_warning_has_the_crossover_and_the_instance() -> None:
    found = judge(facts(with_objectives().config, prices=priced(**{"ml.c5.large": 0.000001})))
    seen = check(found, "REALTIME_CHEAPER")
    assert seen.status == "warn"
    assert "real time, ml.c5.large" in seen.detail
    assert "requests a month on" in seen.detail
    assert "Use ml.c5.large" in seen.fix


def test_without_any_instances_price_it_is_unknown_and_says_how_to_give_one() -> None:
    prices = load_prices("us-east-1")
    unpriced = {
        name: item.model_copy(
            update={"usd_per_hour": item.usd_per_hour.model_copy(update={"usd": None})}
        )
        for name, item in prices.instances.items()
    }
    found = judge(
        facts(with_objectives().config, prices=prices.model_copy(update={"instances": unpriced}))
    )
    seen = check(found, "REALTIME_CHEAPER")
    assert seen.status == "unknown"
    assert "prices.ml.c5.large" in seen.fix
    assert found.ready


# ---- concurrency

SLOW = measured(payloads=(payload(latency_p50_ms=300, latency_p95_ms=300, latency_p99_ms=300),))


def test_traffic_raises_the_concurrency_that_is_recommended() -> None:
    found = judge(
        facts(
            with_objectives(requests_per_month=20_000_000, latency_p95_ms=1000).config,
            measured=SLOW,
            account=account(total_concurrency=Quota(100, "account quota")),
        )
    )
    assert found.recommended is not None
    # by Little's law 7.6 requests a second at noon's twice as many take 0.52 s each: 7.1 at once
    assert 10 < found.recommended.max_concurrency < 25
    assert "the traffic needs" in check(found, "CONCURRENCY_LIMIT").detail
    assert found.ready


def test_little_traffic_leaves_what_was_asked_for() -> None:
    found = judge(with_objectives(requests_per_month=1000))
    assert found.recommended is not None
    assert found.recommended.max_concurrency == 5


def test_more_than_the_quota_allows_is_not_ready() -> None:
    config = with_objectives(requests_per_month=20_000_000, latency_p95_ms=1000).config
    found = judge(facts(config, measured=SLOW))
    assert check(found, "CONCURRENCY_QUOTA").status == "fail"
    assert not found.ready


# ---- provisioned concurrency

COLD = ColdStart(to_port_s=9, to_ping_s=10, to_first_prediction_s=12, cpu_s=9, repeats=3)


def test_a_missed_cold_start_is_met_by_provisioning_at_a_known_price() -> None:
    found = judge(facts(measured=measured(cold_start=COLD), prices=priced(**HELD)))
    assert found.ready
    assert found.recommended is not None
    assert found.recommended.provisioned_concurrency == 1
    seen = check(found, "COLD_START_OBJECTIVE")
    assert seen.status == "warn"
    assert "1 provisioned" in seen.detail


def test_traffic_says_how_many_to_provision() -> None:
    config = with_objectives(requests_per_month=20_000_000, latency_p95_ms=1000).config
    slow = SLOW.model_copy(update={"cold_start": COLD})
    wide = account(total_concurrency=Quota(100, "account quota"))
    found = judge(facts(config, measured=slow, account=wide, prices=priced(**HELD)))
    assert found.recommended is not None
    assert found.recommended.provisioned_concurrency is not None
    assert 1 < found.recommended.provisioned_concurrency < found.recommended.max_concurrency
    assert found.cost is not None
    assert found.cost.usd_per_month is not None
    on_demand = judge(
        facts(
            with_objectives(requests_per_month=20_000_000, latency_p95_ms=1000).config,
            measured=SLOW,
            account=wide,
            prices=priced(**HELD),
        )
    )
    assert on_demand.cost is not None
    assert found.cost.usd_per_month > (on_demand.cost.usd_per_month or 0)


def test_without_its_price_provisioning_is_named_and_not_recommended() -> None:
    found = judge(facts(measured=measured(cold_start=COLD)))
    assert not found.ready
    seen = check(found, "COLD_START_OBJECTIVE")
    assert seen.status == "fail"
    assert "provisioned concurrency would meet it" in seen.fix
    assert "prices.provisioned_usd_per_gb_second" in seen.fix
    # the first tier that holds it is judged: 9 s of CPU time are 15.55 s there
    assert "raise objectives.cold_start_s to 16" in seen.fix


def test_what_the_user_provisions_is_taken_without_a_price() -> None:
    config = load_config(None, endpoint={"provisioned_concurrency": 2})
    found = judge(facts(config, measured=measured(cold_start=COLD)))
    assert found.ready
    assert found.recommended is not None
    assert found.recommended.provisioned_concurrency == 2


# ---- configurations and why they lost


def test_every_tier_says_why_it_was_taken_or_not() -> None:
    slow = payload(
        peak_memory_mb=900, latency_p50_ms=300, latency_p95_ms=300, cpu_s_per_request=0.3
    )
    made = facts(measured=measured(peak_memory_mb=900, payloads=(slow,)))
    found = {item.memory_size_mb: item for item in configurations(made, setting_of(made))}
    assert [size for size, item in found.items() if item.chosen] == [2048]
    assert found[1024].reason == "peak 900 MB, and 819 MB of it are usable"
    assert found[2048].reason == "lowest cost of those that meet every objective"
    assert found[3072].reason.startswith("cost is ")
    assert found[3072].reason.endswith(" over 2048 MB's")
    assert found[4096].reason == "over the assumed quota of 3072 MB"
    assert found[2048].largest_rows == 1
    assert found[2048].largest_bound == "largest measured"
    assert found[1024].largest_rows is None


def test_a_fixed_tier_is_the_only_configuration() -> None:
    made = facts(load_config(None, endpoint={"memory_size_mb": 2048}))
    [only] = configurations(made, setting_of(made))
    assert only.chosen
    assert "fixed by endpoint.memory_size_mb" in only.reason


@pytest.mark.parametrize(
    ("endpoint", "given", "held", "said"),
    [
        ({}, {}, 1, "its price in us-east-1 is not known: give prices.provisioned_usd_per_gb_s"),
        ({}, HELD, 1, "depends on objectives.requests_per_month"),
        ({"provisioned_concurrency": 2}, HELD, None, "asked for by endpoint.provisioned"),
    ],
    ids=["no price", "no traffic", "asked for"],
)
def test_the_other_way_to_provision_is_told_with_what_it_lost_by(
    endpoint: dict[str, int], given: dict[str, float], held: int | None, said: str
) -> None:
    made = facts(load_config(None, endpoint=endpoint), prices=priced(**given))
    found = otherwise_provisioned(made, setting_of(made))
    assert found.provisioned_concurrency == held
    assert found.usd_per_month is None
    assert said in found.reason
    assert "cold start" in found.line


def test_with_traffic_the_other_way_to_provision_has_its_cost() -> None:
    config = load_config(None, objectives={"requests_per_month": 100_000})
    made = facts(config, prices=priced(**HELD))
    setting = setting_of(made)
    found = otherwise_provisioned(made, setting)
    assert found.provisioned_concurrency is not None
    assert found.usd_per_month is not None
    assert setting.usd_per_month is not None
    assert found.usd_per_month > setting.usd_per_month
    assert f"{found.usd_per_month:.2f} USD a month" in found.reason


# ---- cost over traffic


def test_steady_traffic_is_worked_out_and_crosses_where_both_cost_the_same() -> None:
    busy = payload(latency_p50_ms=200, latency_p95_ms=200, cpu_s_per_request=0.2)
    made = facts(measured=measured(payloads=(busy,)))
    found = traffic_cost(made, setting_of(made))
    assert found is not None
    assert found.requests_per_month is None
    [change] = found.crossovers
    low = [point for point in found.curve if point.requests_a_month < change.requests_a_month]
    high = [point for point in found.curve if point.requests_a_month >= change.requests_a_month]
    assert all(item.serverless_usd_a_month < item.realtime_usd_a_month for item in low)  # type: ignore[operator]
    assert all(item.serverless_usd_a_month > item.realtime_usd_a_month for item in high)  # type: ignore[operator]


def test_expected_traffic_is_simulated_in_its_shape() -> None:
    found = choose([with_objectives(traffic_shape="bursty")]).traffic
    assert found is not None
    assert (found.requests_per_month, found.shape) == (MONTHLY, "bursty")
    assert found.usd_per_month is not None
    assert found.curve[0].requests_a_month == MONTHLY / 100


def test_without_a_latency_there_is_no_curve() -> None:
    made = facts(measured=measured(payloads=()))
    assert traffic_cost(made, setting_of(made)) is None


@pytest.mark.parametrize(
    ("seen", "mean_ms"),
    [
        pytest.param({}, 100.0, id="the-median-where-nothing-else-was-kept"),
        pytest.param({"requests_per_s": 4.0}, 250.0, id="requests-a-second"),
    ],
)
def test_what_is_billed_is_the_mean(seen: dict[str, float], mean_ms: float) -> None:
    payload = (
        facts()
        .measured.payloads[0]
        .model_copy(update={"latency_p50_ms": 100.0, "cpu_s_per_request": 0.0, **seen})
    )
    candidate = facts().measured.model_copy(update={"payloads": (payload,)})
    found = latency_at(candidate, payload, 2048, 1769)
    assert found is not None
    assert (found.mean_ms, found.p50_ms) == (mean_ms, 100.0)


def test_under_a_quota_the_measured_mean_counts() -> None:
    payload = facts().measured.payloads[0]
    seen = TierLatency(
        memory_size_mb=1024,
        payload=payload.payload,
        latency_p50_ms=2.3,
        latency_p95_ms=20,
        latency_mean_ms=5.8,
        requests=50,
    )
    candidate = facts().measured.model_copy(update={"tier_latencies": (seen,)})
    found = latency_at(candidate, payload, 1024, 1769)
    assert found is not None
    assert (found.mean_ms, found.p50_ms, found.measured) == (5.8, 2.3, True)
