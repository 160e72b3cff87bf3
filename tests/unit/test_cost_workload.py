"""How long requests take: drawn from a profile, predicted for a tier; or given."""

from __future__ import annotations

import numpy as np
import pytest
from readiness_facts import facts

from seatrial.config import load_config
from seatrial.contracts import (
    CandidateProfile,
    ColdStart,
    PayloadProfile,
    Profile,
    TierLatency,
    TierStart,
)
from seatrial.cost.case import Case, Tier
from seatrial.cost.measured import choose_candidate, given_workload, profiled_workload
from seatrial.cost.prices import load_prices
from seatrial.cost.sandboxes import on_demand
from seatrial.cost.setup import Setup
from seatrial.cost.traffic import Traffic
from seatrial.cost.workload import Workload
from seatrial.errors import InputError
from seatrial.readiness.latency import latency_at
from seatrial.readiness.tiers import outlook

MB_PER_VCPU = 1769.0
REQUESTS = 200_000


def payload(name: str = "one", **changes: object) -> PayloadProfile:
    values = {
        "payload": name,
        "rows": 1,
        "request_mb": 0.001,
        "response_mb": 0.002,
        "requests": 50,
        "errors": 0,
        "first_error": None,
        "peak_memory_mb": 700.0,
        "stopped": False,
        "latency_p50_ms": 10.0,
        "latency_p95_ms": 20.0,
        "latency_p99_ms": 40.0,
        "cpu_s_per_request": 0.01,
    }
    return PayloadProfile.model_validate(values | changes)


def candidate(*payloads: PayloadProfile, name: str = "fp32", **changes: object) -> CandidateProfile:
    cold = ColdStart(to_port_s=1, to_ping_s=2, to_first_prediction_s=2.5, cpu_s=2, repeats=3)
    values = {
        "candidate": name,
        "archive_size_mb": 1.0,
        "unpacked_size_mb": 2.0,
        "cold_start": cold,
        "idle_memory_mb": 500.0,
        "peak_memory_mb": 700.0,
        "stopped": False,
        "processes": 1,
        "threads": 2,
        "payloads": payloads or (payload(),),
        "failure": None,
    }
    return CandidateProfile.model_validate(values | changes)


def profile(*candidates: CandidateProfile) -> Profile:
    return Profile(
        memory_method="m",
        memory_stop_mb=6144,
        image_size_mb=None,
        image_size_method="none",
        python="3.11",
        cpu="c",
        cpu_count=2,
        serve_command=("serve",),
        candidates=candidates,
    )


def workload(measured: CandidateProfile, shares: dict[str, float] | None = None) -> Workload:
    return profiled_workload(measured, shares=shares, mb_per_vcpu=MB_PER_VCPU, max_service_s=60)


UNDER_QUOTA = TierLatency(
    payload="one",
    memory_size_mb=2048,
    latency_p50_ms=11.0,
    latency_p95_ms=24.0,
    latency_mean_ms=13.0,
    latency_max_ms=60.0,
    requests=60,
)


@pytest.mark.parametrize("memory_size_mb", [1024, 1769, 2048, 3072, 6144])
def test_what_is_simulated_is_what_the_verdict_says_of_the_tier(memory_size_mb: int) -> None:
    measured = candidate(payload(latency_mean_ms=12.0), tier_latencies=(UNDER_QUOTA,))
    found = workload(measured)
    said = latency_at(measured, measured.payloads[0], memory_size_mb, MB_PER_VCPU)
    assert said is not None
    assert said.measured is (memory_size_mb == 2048)
    service_ms = 1000 * found.service_s(found.draw(REQUESTS, seed=0), memory_size_mb)
    p50, p95 = np.percentile(service_ms, (50, 95))
    assert p50 == pytest.approx(said.p50_ms, rel=0.01)
    assert p95 == pytest.approx(said.p95_ms, rel=0.02)
    assert service_ms.mean() == pytest.approx(said.mean_ms, rel=0.01)
    assert service_ms.max() <= said.slowest_ms


@pytest.mark.parametrize("memory_size_mb", [1024, 2048, 6144])
def test_what_a_month_on_demand_costs_is_what_the_verdict_says(memory_size_mb: int) -> None:
    measured = candidate(
        payload(latency_mean_ms=12.0, response_mb=0.001), tier_latencies=(UNDER_QUOTA,)
    )
    config = load_config(None, endpoint={"memory_size_mb": memory_size_mb})
    said = outlook(facts(config, measured=measured), memory_size_mb).usd_per_million_requests
    found = workload(measured)
    traffic = Traffic(np.arange(20_000) / 10, 2000.0, "steady")
    case = Case(traffic, found, load_prices("us-east-1"), Setup(10))
    simulated = on_demand(Tier(case, memory_size_mb))
    per_million = 1e6 * simulated.usd_a_month / traffic.requests_a_month
    assert per_million == pytest.approx(said, rel=0.01)


def test_no_request_takes_longer_than_the_service_allows() -> None:
    slow = payload(latency_p50_ms=50_000.0, latency_p95_ms=59_000.0, latency_p99_ms=70_000.0)
    found = workload(candidate(slow))
    assert found.service_s(found.draw(1000, seed=0), 6144).max() == 60


def test_tiers_see_the_same_draws() -> None:
    found = workload(candidate())
    draws = found.draw(1000, seed=0)
    small, large = found.service_s(draws, 1024), found.service_s(draws, 2048)
    lucky = np.argsort(draws.luck)
    assert (np.diff(small[lucky]) >= 0).all()
    assert (np.diff(large[lucky]) >= 0).all()
    assert (small >= large).all()


def test_a_mix_of_payloads_has_their_shares() -> None:
    measured = candidate(
        payload("one"),
        payload(
            "many", latency_p50_ms=1000.0, latency_p95_ms=1e3, latency_p99_ms=1e3, request_mb=1.0
        ),
    )
    found = workload(measured, {"one": 3, "many": 1})
    draws = found.draw(REQUESTS, seed=0)
    assert (found.service_s(draws, 2048) >= 1).mean() == pytest.approx(0.25, abs=0.01)
    everything = np.ones(REQUESTS, dtype=bool)
    bytes_in, bytes_out = found.bytes_moved(draws, everything)
    assert bytes_in / REQUESTS == pytest.approx((0.75 * 0.001 + 0.25) * 2**20, rel=0.02)
    assert bytes_out / REQUESTS == pytest.approx(0.002 * 2**20)
    assert found.ping(2048).service_s == pytest.approx(0.01)


@pytest.mark.parametrize("shares", [{"other": 1.0}, {"one": -1.0}, {"one": 0.0}])
def test_a_mix_that_the_profile_does_not_have_is_refused(shares: dict[str, float]) -> None:
    with pytest.raises(InputError, match="--share"):
        workload(candidate(), shares)


def test_a_payload_that_was_never_answered_has_to_be_left_out() -> None:
    failed = payload("large", latency_p50_ms=None, first_error="413")
    with pytest.raises(InputError, match="413"):
        workload(candidate(payload(), failed))
    assert len(workload(candidate(payload(), failed), {"one": 1}).payloads) == 1


def test_the_first_prediction_is_not_counted_twice() -> None:
    # 2.5 s to the first prediction, of which 10 ms are the request's own; 2 s of them CPU time
    found = workload(candidate(payload(latency_p95_ms=10, latency_p99_ms=10))).times
    assert found.cold_start_s(2048) == pytest.approx(2.49)
    request_s = (10 + (20 - 20 * 1024 / MB_PER_VCPU)) / 1000
    assert found.cold_start_s(1024) == pytest.approx(2 * MB_PER_VCPU / 1024 - request_s)


def test_a_cold_start_under_the_tier_s_cpu_share_beats_the_prediction() -> None:
    seen = TierStart(memory_size_mb=1024, to_port_s=3, to_ping_s=4, to_first_prediction_s=4.5)
    found = workload(candidate(tier_starts=(seen,))).times
    assert 4.4 < found.cold_start_s(1024) < 4.5
    assert found.cold_start_s(2048) == pytest.approx(2.49)


def test_a_candidate_that_never_started_is_refused() -> None:
    with pytest.raises(InputError, match="it died"):
        workload(candidate(cold_start=None, failure="it died"))


def test_a_run_that_was_stopped_says_nothing_of_the_peak() -> None:
    assert workload(candidate(stopped=True)).peak_memory_mb is None


def test_the_quickest_candidate_that_answered_is_chosen() -> None:
    quick = candidate(payload(latency_p50_ms=1.0), name="int8")
    dead = candidate(name="dead", failure="no answer", payloads=())
    found = profile(candidate(), quick, dead)
    assert choose_candidate(found, None).candidate == "int8"
    assert choose_candidate(found, "fp32").candidate == "fp32"
    with pytest.raises(InputError, match="fp32, int8, dead"):
        choose_candidate(found, "fp16")


def given(duration_ms: float) -> Workload:
    return given_workload(
        duration_ms=duration_ms,
        cold_start_s=3,
        request_kb=1,
        response_kb=2,
        mb_per_vcpu=MB_PER_VCPU,
        max_service_s=60,
    )


@pytest.mark.parametrize("memory_size_mb", [1024, 6144])
def test_a_given_duration_is_that_of_every_tier(memory_size_mb: int) -> None:
    found = given(120)
    draws = found.draw(10, seed=0)
    assert np.allclose(found.service_s(draws, memory_size_mb), 0.12)
    assert np.allclose(found.instance_service_s(draws), 0.12)
    assert found.times.cold_start_s(memory_size_mb) == 3
    assert found.bytes_moved(draws, np.ones(10, dtype=bool)) == (10_000, 20_000)


@pytest.mark.parametrize("duration_ms", [59_999, 60_000])
def test_a_duration_up_to_the_services_limit_is_taken(duration_ms: float) -> None:
    assert given(duration_ms).times.latencies_ms("given", 1024) == (duration_ms,)


@pytest.mark.parametrize("duration_ms", [0, -1, 60_001])
def test_a_duration_beyond_it_is_refused(duration_ms: float) -> None:
    with pytest.raises(InputError, match="60000 ms"):
        given(duration_ms)
