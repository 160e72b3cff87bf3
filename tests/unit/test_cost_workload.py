"""How long requests take: drawn from a profile, predicted for a tier; or given."""

from __future__ import annotations

import numpy as np
import pytest

from seatrial.contracts import CandidateProfile, ColdStart, PayloadProfile, Profile
from seatrial.cost.measured import choose_candidate, given_workload, profiled_workload
from seatrial.cost.workload import Workload
from seatrial.errors import InputError

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


@pytest.mark.parametrize(
    ("memory_size_mb", "slower"), [(1024, 1769 / 1024), (1769, 1.0), (2048, 1.0), (6144, 1.0)]
)
def test_draws_have_the_percentiles_that_are_predicted_for_the_tier(
    memory_size_mb: int, slower: float
) -> None:
    found = workload(candidate())
    service_s = found.service_s(found.draw(REQUESTS, seed=0), memory_size_mb)
    p50, p95, p99 = 1000 * np.percentile(service_s, (50, 95, 99))
    assert p50 == pytest.approx(10 * slower, rel=0.01)
    assert p95 == pytest.approx(20 * slower, rel=0.02)
    assert p99 == pytest.approx(40 * slower, rel=0.04)
    assert service_s.min() == pytest.approx(0.010 * slower)


def test_no_request_takes_longer_than_the_service_allows() -> None:
    slow = payload(latency_p50_ms=50_000.0, latency_p95_ms=59_000.0, latency_p99_ms=70_000.0)
    found = workload(candidate(slow))
    assert found.service_s(found.draw(1000, seed=0), 6144).max() == 60


def test_tiers_see_the_same_draws() -> None:
    found = workload(candidate())
    draws = found.draw(1000, seed=0)
    small, large = found.service_s(draws, 1024), found.service_s(draws, 2048)
    assert np.allclose(small / large, 1769 / 1024)


def test_percentiles_that_do_not_ascend_are_made_to() -> None:
    found = workload(candidate(payload(latency_p95_ms=9.0, latency_p99_ms=8.0)))
    assert np.allclose(found.service_s(found.draw(1000, seed=0), 2048), 0.010)


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
    assert found.ping(2048).service_s == 0.01


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
    # 2.5 s to the first prediction, of which 10 ms are the request's own
    found = workload(candidate())
    assert found.cold_start_s == pytest.approx(2.49)
    assert found.tier_cold_start_s(1024) == pytest.approx(2.49 * 1769 / 1024)
    assert found.tier_cold_start_s(2048) == pytest.approx(2.49)


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
    assert found.tier_cold_start_s(memory_size_mb) == 3
    assert found.bytes_moved(draws, np.ones(10, dtype=bool)) == (10_000, 20_000)


@pytest.mark.parametrize("duration_ms", [59_999, 60_000])
def test_a_duration_up_to_the_services_limit_is_taken(duration_ms: float) -> None:
    assert given(duration_ms).payloads[0].quantiles_ms[0] == duration_ms


@pytest.mark.parametrize("duration_ms", [0, -1, 60_001])
def test_a_duration_beyond_it_is_refused(duration_ms: float) -> None:
    with pytest.raises(InputError, match="60000 ms"):
        given(duration_ms)
