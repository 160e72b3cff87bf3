"""What each policy costs: by hand where that is possible, and against each other."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from seatrial.contracts import Crossover, PolicyCost
from seatrial.cost.case import Case, Tier, billed_s
from seatrial.cost.comparison import cheapest, compare
from seatrial.cost.crossover import (
    POINT_ARRIVALS,
    Question,
    cost_curve,
    crossovers,
    log_steps,
    point_at,
    winner,
)
from seatrial.cost.instances import hybrid, real_time, workers_of
from seatrial.cost.measured import given_workload
from seatrial.cost.prices import HOURS_A_MONTH, MONTH_S, Prices, load_prices, with_given
from seatrial.cost.report import cost_report
from seatrial.cost.sandboxes import keep_warm, on_demand, provisioned
from seatrial.cost.setup import Autoscaling, Objectives, Setup
from seatrial.cost.traffic import Traffic, month_of, rhythm_of
from seatrial.errors import InputError
from seatrial.limits import load_limits

TIERS = (1024, 2048, 3072, 4096, 5120, 6144)
PROVISIONED = {
    "provisioned_usd_per_gb_second": 0.000004,
    "provisioned_duration_usd_per_gb_second": 0.00001,
}


def prices(**given: float) -> Prices:
    return with_given(load_prices("us-east-1"), given, today=date(2026, 11, 24))


def case(
    arrivals_s: list[float] | None = None,
    *,
    duration_ms: float = 100,
    span_s: float = 3600,
    traffic: Traffic | None = None,
    given: dict[str, float] | None = None,
    **setup: object,
) -> Case:
    workload = given_workload(
        duration_ms=duration_ms,
        cold_start_s=2,
        request_kb=1,
        response_kb=3,
        mb_per_vcpu=1769,
        max_service_s=60,
    )
    arrivals = np.array(arrivals_s if arrivals_s is not None else [], dtype=np.float64)
    return Case(
        traffic or Traffic(arrivals, span_s, "test"),
        workload,
        prices(**given or {}),
        Setup(**{"max_concurrency": 10} | setup),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("service_s", "billed"),
    [(0.0699, 0.070), (0.07, 0.070), (0.0701, 0.071), (0.001, 0.001), (0.3, 0.3)],
)
def test_a_started_millisecond_is_billed_whole(service_s: float, billed: float) -> None:
    assert billed_s(np.array([service_s])) == pytest.approx(billed)


def test_on_demand_costs_time_times_memory_and_data() -> None:
    found = on_demand(Tier(case([0, 100, 200, 300]), 2048))
    hours = HOURS_A_MONTH
    assert found.usd_running == pytest.approx(hours * 4 * 0.1 * 2 * 0.00002)
    assert found.usd_data == pytest.approx(hours * 4 * 4000 * 0.016 / 1e9)
    assert found.usd_standing == 0
    assert found.usd_a_month == pytest.approx(found.usd_running + found.usd_data)
    assert (found.cold_ratio, found.throttled_ratio) == (0.25, 0)
    assert found.latency_p50_ms == pytest.approx(100)
    assert found.latency_p99_ms == pytest.approx(2100, rel=0.05)


def test_a_cold_start_is_billed_only_where_that_is_assumed() -> None:
    free, billed = (
        on_demand(Tier(case([0, 100], bill_cold_start=assumed), 1024)) for assumed in (False, True)
    )
    more = HOURS_A_MONTH * 2 * 0.00002
    assert billed.usd_running - free.usd_running == pytest.approx(more)


def test_throttled_requests_cost_nothing() -> None:
    found = on_demand(Tier(case([0, 0, 0, 0], max_concurrency=1), 1024))
    assert found.throttled_ratio == 0.75
    assert found.usd_running == pytest.approx(HOURS_A_MONTH * 0.1 * 0.00002)


def test_nothing_answered_has_no_latency() -> None:
    found = hybrid_less_case()
    assert found.throttled_ratio == 1
    assert found.latency_p50_ms is None


def hybrid_less_case() -> PolicyCost:
    """A provisioned policy of nothing, which takes nobody in."""
    return provisioned(Tier(case([0, 1], given=PROVISIONED, max_concurrency=0), 1024), 0)


def test_provisioned_costs_all_the_time_and_spills_over() -> None:
    found = provisioned(Tier(case([0, 0, 0], given=PROVISIONED), 1024), 2)
    assert found.usd_standing == pytest.approx(2 * MONTH_S * 0.000004)
    running = 2 * 0.1 * 0.00001 + 0.1 * 0.00002  # two at its own price, one on demand
    assert found.usd_running == pytest.approx(HOURS_A_MONTH * running)
    assert found.cold_ratio == pytest.approx(1 / 3)


def test_provisioned_is_part_of_the_concurrency() -> None:
    found = provisioned(Tier(case([0, 0, 0], given=PROVISIONED, max_concurrency=2), 1024), 2)
    assert found.throttled_ratio == pytest.approx(1 / 3)


def test_pings_keep_one_warm_and_are_billed_but_not_counted() -> None:
    arrivals = [1000.0, 2000.0, 3000.0]
    cold, warm = on_demand(Tier(case(arrivals), 1024)), keep_warm(Tier(case(arrivals), 1024), 1)
    assert (cold.cold_ratio, warm.cold_ratio) == (1, 0)
    assert warm.throttled_ratio == 0
    pings = 3600 / 240
    assert warm.usd_running - cold.usd_running == pytest.approx(
        HOURS_A_MONTH * pings * 0.1 * 0.00002
    )
    assert warm.usd_data > cold.usd_data


def test_as_many_as_are_kept_warm_are_warm_at_once() -> None:
    arrivals = [1000.0, 1000.0]
    assert keep_warm(Tier(case(arrivals), 1024), 1).cold_ratio == 0.5
    assert keep_warm(Tier(case(arrivals), 1024), 2).cold_ratio == 0


def test_real_time_costs_the_hours_of_its_instances() -> None:
    found = real_time(case([0, 1, 2]), "ml.c5.large")
    assert found.usd_standing == pytest.approx(0.102 * HOURS_A_MONTH)
    assert (found.cold_ratio, found.throttled_ratio, found.reserved) == (0, 0, 1)


def test_real_time_queues_what_has_no_worker() -> None:
    found = real_time(case([0, 0, 0], duration_ms=1000), "ml.c5.large")  # two vCPUs
    assert found.latency_p50_ms == pytest.approx(1000)
    assert found.latency_p99_ms == pytest.approx(2000, rel=0.05)


@pytest.mark.parametrize(("patience_s", "lost"), [(0.9, 1 / 3), (1.0, 0), (1.1, 0)])
def test_who_would_wait_too_long_gives_up(patience_s: float, lost: float) -> None:
    asked = case([0, 0, 0], duration_ms=1000, patience_s=patience_s)
    assert real_time(asked, "ml.c5.large").throttled_ratio == pytest.approx(lost)


def test_more_traffic_than_an_instance_is_meant_for_launches_more() -> None:
    rules = Autoscaling(fewest=1, most=4)
    busy = case(list(np.arange(0, 3600, 0.1)), duration_ms=500, autoscaling=rules)
    found = real_time(busy, "ml.c5.large")  # 5 workers' worth, 2 in each, 70 % busy: 4
    assert found.reserved == pytest.approx(4, abs=0.2)


def test_hybrid_sends_on_what_finds_no_worker() -> None:
    found = hybrid(Tier(case([0, 0, 0]), 1024), "ml.c5.large")
    assert found.cold_ratio == pytest.approx(1 / 3)
    assert found.usd_standing == pytest.approx(0.102 * HOURS_A_MONTH)
    assert found.usd_running == pytest.approx(HOURS_A_MONTH * 0.1 * 0.00002)


@pytest.mark.parametrize(
    ("peak_mb", "workers"),
    [(1638, 2), (1639, 1), (3276, 1), (3277, 0), (None, 2)],
)
def test_an_instance_has_a_worker_for_each_vcpu_while_memory_lasts(
    peak_mb: float | None, workers: int
) -> None:
    asked = case([0])
    workload = replace(asked.workload, peak_memory_mb=peak_mb)
    instance = asked.prices.instances["ml.c5.large"]
    assert workers_of(instance, workload, 0.2) == workers


@pytest.mark.parametrize(("peak_mb", "tiers"), [(819, 6), (819.2, 6), (819.3, 5), (5000, 0)])
def test_tiers_that_do_not_hold_the_model_are_left_out(peak_mb: float, tiers: int) -> None:
    asked = case([0, 1])
    asked = replace(asked, workload=replace(asked.workload, peak_memory_mb=peak_mb))
    found = compare(asked, TIERS)
    assert sum(item.policy == "on demand" for item in found.policies) == tiers
    assert sum("MB" in item.what for item in found.left_out) == 6 - tiers


def test_policies_whose_price_is_missing_are_left_out_with_the_way_to_give_it() -> None:
    found = compare(case([0, 1]), TIERS)
    assert not any(item.policy == "provisioned" for item in found.policies)
    reason = next(item.reason for item in found.left_out if item.what == "provisioned")
    assert "--price provisioned_usd_per_gb_second=…" in reason
    assert any(item.what == "ml.t2.medium" for item in found.left_out)


def test_given_prices_bring_the_policy_back() -> None:
    found = compare(case([0, 1], given=PROVISIONED, provisioned=(2,)), (1024,))
    held = [item for item in found.policies if item.policy == "provisioned"]
    assert [item.reserved for item in held] == [2]


def test_a_burstable_instance_is_compared_where_it_is_asked_for() -> None:
    found = compare(case([0, 1], instances=("ml.t2.medium",)), (1024,))
    assert [item.instance_type for item in found.policies if item.policy == "real time"] == [
        "ml.t2.medium"
    ]


def test_an_unknown_instance_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"ml\.c5\.large"):
        compare(case([0, 1], instances=("ml.x1",)), (1024,))


@pytest.mark.parametrize(("limit", "met"), [(0.25, False), (0.5, True), (0.75, True)])
def test_the_cheapest_meets_the_objectives(limit: float, met: bool) -> None:
    found = on_demand(Tier(case([0, 0], max_concurrency=1), 1024))  # half of them is throttled
    assert (cheapest([found], Objectives(max_throttled_ratio=limit)) is found) is met


@pytest.mark.parametrize(("latency_ms", "met"), [(99, False), (100, True), (101, True)])
def test_latency_is_an_objective_too(latency_ms: float, met: bool) -> None:
    found = on_demand(Tier(case(list(range(1000))), 1024))
    found = found.model_copy(update={"latency_p95_ms": 100.0})
    assert (cheapest([found], Objectives(latency_p95_ms=latency_ms)) is not None) is met


def test_cold_starts_are_an_objective_too() -> None:
    found = compare(case([1000.0, 2000.0, 3000.0]), TIERS).policies
    best = cheapest(found, Objectives(max_cold_ratio=0.0))
    assert best is not None
    assert (best.policy, best.memory_size_mb) == ("keep warm", 1024)


@pytest.mark.parametrize("concurrency", [1, 200])
def test_a_concurrency_that_the_service_allows_is_taken(concurrency: int) -> None:
    Setup(max_concurrency=concurrency).check(load_limits())


@pytest.mark.parametrize(
    "changes",
    [
        {"max_concurrency": 0},
        {"max_concurrency": 201},
        {"provisioned": (6,)},
        {"keep_warm": (6,)},
        {"idle_s": 0},
        {"autoscaling": Autoscaling(fewest=3, most=2)},
    ],
)
def test_a_setup_that_cannot_be_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(InputError, match="out of range"):
        replace(Setup(max_concurrency=5), **changes).check(load_limits())  # type: ignore[arg-type]


def question(shape: str = "steady", concurrency: int = 200, duration_ms: float = 1000) -> Question:
    asked = case([0], duration_ms=duration_ms)
    return Question(
        rhythm_of(shape, seed=0),  # type: ignore[arg-type]
        asked.workload,
        asked.prices,
        Setup(max_concurrency=concurrency, instances=("ml.c5.large",)),
        Objectives(),
        (2048,),
    )


def crossovers_between(asked: Question, low: float, high: float) -> tuple[Crossover, ...]:
    return crossovers(asked, cost_curve(asked, log_steps(low, high)))


def test_the_crossover_is_where_the_costs_are_equal() -> None:
    (found,) = crossovers_between(question(), 1e4, 1e8)
    # One instance is 74.46; data cost the same either way: N * 1 s * 2 GB * 0.00002 = 74.46.
    assert found.requests_a_month == pytest.approx(74.46 / 0.00004, rel=0.03)
    assert (found.to, found.because) == ("real time", "cost")
    below = point_at(question(), found.requests_a_month / 1.05)
    above = point_at(question(), found.requests_a_month * 1.05)
    assert (winner(below), winner(above)) == ("serverless", "real time")


def test_where_serverless_cannot_carry_the_load_the_crossover_says_so() -> None:
    found = crossovers_between(question(concurrency=2), 1e2, 1e6)[0]
    assert found.because == "capacity"


def test_there_is_no_crossover_where_there_is_too_little_traffic() -> None:
    assert crossovers_between(question(), 1e3, 1e5) == ()


def test_real_time_that_is_cheaper_from_the_start_crosses_nowhere() -> None:
    assert crossovers_between(question(), 3e6, 4e6) == ()
    assert winner(point_at(question(), 3e6)) == "real time"


def test_serverless_cost_is_proportional_along_the_curve_sampled_or_not() -> None:
    points = cost_curve(question("diurnal", duration_ms=50), log_steps(1e4, 1e8, 1))
    assert points[-1].requests_a_month > 100 * POINT_ARRIVALS
    each = [(item.serverless_usd_a_month or 0) / item.requests_a_month for item in points]
    assert each == pytest.approx([each[0]] * len(each), rel=1e-6)
    assert len(crossovers(question("diurnal", duration_ms=50), points)) <= 1


def test_the_report_holds_its_prices_and_what_was_assumed() -> None:
    asked = case(traffic=month_of("diurnal", 2000, seed=0))
    found = cost_report(asked, compare(asked, TIERS), Objectives())
    assert found.traffic.requests_a_month == 2000
    assert found.cheapest is not None
    assert {item.name for item in found.prices} >= {"serverless_usd_per_gb_second", "ml.c5.large"}
    assert "provisioned_usd_per_gb_second" not in {item.name for item in found.prices}
    said = " ".join(found.assumptions)
    for word in ("AWS does not say", "used last is used next", "730 hours", "not checked with AWS"):
        assert word in said
