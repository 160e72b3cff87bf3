"""What a CPU quota makes of a request: short ones wait or do not, long ones take CPU over quota."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from readiness_facts import measured, payload

from seatrial.contracts import PayloadLatency, TierLatency
from seatrial.readiness.bandwidth import PERIOD_MS, mean_stalled_ms, stalled_ms
from seatrial.readiness.latency import latency_at, whole_latency

STEP_MS = 0.01


def simulated(wall_ms: float, busy_cores: float, vcpus: float, requests: int) -> Iterator[float]:
    """The kernel's rule step by step, of requests one after another."""
    at_ms, left_ms, period = 0.0, PERIOD_MS * vcpus, 0
    for _ in range(requests):
        began_ms, done_ms = at_ms, 0.0
        while done_ms < wall_ms - STEP_MS / 2:
            at_ms += STEP_MS
            if int(at_ms / PERIOD_MS) > period:
                period, left_ms = int(at_ms / PERIOD_MS), PERIOD_MS * vcpus
            if left_ms >= STEP_MS * busy_cores:
                left_ms -= STEP_MS * busy_cores
                done_ms += STEP_MS
        yield at_ms - began_ms


@pytest.mark.parametrize(
    ("wall_ms", "busy_cores", "vcpus"),
    [
        pytest.param(1.03, 1.0, 0.58, id="short"),
        pytest.param(4.77, 1.7, 1.16, id="two threads"),
        pytest.param(23.1, 1.0, 0.58, id="longer than a period"),
        pytest.param(7.31, 0.5, 0.58, id="the quota is not short"),
    ],
)
def test_it_is_what_the_kernel_s_rule_does(wall_ms: float, busy_cores: float, vcpus: float) -> None:
    found = sorted(simulated(wall_ms, busy_cores, vcpus, 300))
    mean_ms = sum(found) / len(found)
    assert mean_stalled_ms(wall_ms, busy_cores, vcpus) == pytest.approx(mean_ms, rel=0.03)
    for share in (0.5, 0.95):
        expected = stalled_ms(wall_ms, busy_cores, vcpus, share)
        assert found[int(share * len(found))] == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize(
    ("vcpus", "waits"),
    [
        pytest.param(0.99, True, id="under"),
        pytest.param(1.0, False, id="exactly"),
        pytest.param(1.01, False, id="over"),
    ],
)
def test_a_quota_of_what_it_keeps_busy_slows_nothing(vcpus: float, waits: bool) -> None:
    assert (stalled_ms(50, 1.0, vcpus, 0.95) > 50) is waits
    assert (mean_stalled_ms(50, 1.0, vcpus) > 50) is waits


def test_the_slowest_waits_once_more_than_it_must() -> None:
    rng = random.Random(0)
    for _ in range(100):
        wall_ms, vcpus = rng.uniform(0.1, 100), rng.uniform(0.1, 0.9)
        half, most = (stalled_ms(wall_ms, 1.0, vcpus, share) for share in (0.5, 1.0))
        assert half <= most <= half + PERIOD_MS * (1 - vcpus) + 1e-9


def test_a_larger_tier_is_predicted_from_what_took_turns_with_the_others() -> None:
    later = PayloadLatency(
        payload="one",
        latency_p50_ms=8,
        latency_p95_ms=None,
        latency_mean_ms=9,
        latency_max_ms=11,
        requests=10,
    )
    one = payload(requests_per_s=200.0, latency_max_ms=30)
    found = latency_at(measured(payloads=(one,), whole_latencies=(later,)), one, 4096, 1769)
    assert found is not None
    assert (found.mean_ms, found.p50_ms, found.p95_ms, found.slowest_ms) == (9, 8, 10, 30)
    alone = latency_at(measured(payloads=(one,)), one, 4096, 1769)
    assert alone is not None
    assert (alone.mean_ms, alone.p50_ms) == (5, 5)


def test_how_many_cores_it_keeps_busy_is_its_cpu_time_over_its_wall() -> None:
    two_threads = payload(cpu_s_per_request=0.012, requests_per_s=125.0)
    whole = whole_latency(measured(payloads=(two_threads,)), two_threads)
    assert whole is not None
    assert whole.busy_cores == pytest.approx(1.5)
    assert whole.under(0.75).mean_ms == pytest.approx(16)


@pytest.mark.parametrize(
    ("requests", "p95_ms", "known"),
    [
        pytest.param(199, 9.4, False, id="under ten periods"),
        pytest.param(200, 1.0, True, id="exactly"),
        pytest.param(201, 1.0, True, id="over"),
    ],
)
def test_a_p95_that_met_no_stall_by_chance_is_the_predicted_one(
    requests: int, p95_ms: float, known: bool
) -> None:
    short = payload(
        latency_p50_ms=1, latency_p95_ms=1, cpu_s_per_request=0.001, requests_per_s=1000.0
    )
    seen = TierLatency(
        memory_size_mb=1024,
        payload="one",
        latency_p50_ms=1,
        latency_p95_ms=1,
        latency_mean_ms=1,
        requests=requests,
    )
    found = latency_at(measured(payloads=(short,), tier_latencies=(seen,)), short, 1024, 1769)
    assert found is not None
    assert found.p95_ms == pytest.approx(p95_ms, abs=0.1)
    assert found.measured is known
    assert found.mean_ms == 1
