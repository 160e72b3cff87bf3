"""What a CPU quota makes of a request: short ones wait or do not, long ones take CPU over quota."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import pytest
from readiness_facts import measured, payload

from seatrial.contracts import TierLatency, WholeLatency
from seatrial.readiness.bandwidth import PERIOD_MS, stalls
from seatrial.readiness.latency import latency_at
from seatrial.readiness.spread import percentile_of, spread_ms
from seatrial.readiness.whole import Whole, whole_latency

STEP_MS = 0.01


def simulated(
    walls_ms: Sequence[float], cpu_ms: float, vcpus: float, gap_ms: float = 0.0
) -> Iterator[float]:
    """The kernel's rule step by step, of requests one after another: CPU time spread over each."""
    at_ms, left_ms, period = 0.0, PERIOD_MS * vcpus, 0
    for wall_ms in walls_ms:
        began_ms, done_ms = at_ms, 0.0
        while done_ms < wall_ms - STEP_MS / 2:
            at_ms += STEP_MS
            if int(at_ms / PERIOD_MS) > period:
                period, left_ms = int(at_ms / PERIOD_MS), PERIOD_MS * vcpus
            if left_ms >= STEP_MS * cpu_ms / wall_ms:
                left_ms -= STEP_MS * cpu_ms / wall_ms
                done_ms += STEP_MS
        yield at_ms - began_ms
        at_ms += gap_ms


def whole(wall_ms: float, cpu_ms: float, **changes: float | None) -> Whole:
    """Every request takes that long on whole cores, but for the changes."""
    figures = dict.fromkeys(("mean_ms", "p50_ms", "p95_ms", "p99_ms", "slowest_ms"), wall_ms)
    rest = {"p95_at_least_ms": None, "cpu_ms": cpu_ms}
    return Whole(**{**figures, **rest, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wall_ms", "cpu_ms", "vcpus", "gap_ms"),
    [
        pytest.param(1.03, 1.03, 0.58, 0.0, id="short"),
        pytest.param(1.03, 1.03, 0.58, 0.31, id="short, with a pause after each"),
        pytest.param(1.53, 1.03, 0.58, 0.0, id="short, and waits for something else"),
        pytest.param(4.77, 8.11, 1.16, 0.0, id="two threads"),
        pytest.param(23.1, 23.1, 0.58, 0.0, id="longer than a period"),
        pytest.param(7.31, 3.65, 0.58, 0.0, id="the quota is not short"),
        pytest.param(1.03, 0.93, 0.58, 0.73, id="nor with such a pause"),
    ],
)
def test_it_is_what_the_kernel_s_rule_does(
    wall_ms: float, cpu_ms: float, vcpus: float, gap_ms: float
) -> None:
    found = sorted(simulated([wall_ms] * 300, cpu_ms, vcpus, gap_ms))
    said = whole(wall_ms, cpu_ms, gap_ms=gap_ms).under(vcpus)
    assert said.mean_ms == pytest.approx(sum(found) / len(found), rel=0.03)
    assert said.p50_ms == pytest.approx(found[150], rel=0.03)
    assert said.p95_ms == pytest.approx(found[285], rel=0.03)


def test_a_slow_request_and_one_that_waits_are_seldom_the_same() -> None:
    rng = random.Random(1)
    walls_ms = [4.0 if rng.random() < 0.03 else 1.0 for _ in range(1000)]  # held up by other work
    found = sorted(simulated(walls_ms, 1.0, 0.7))
    mean_ms = sum(walls_ms) / len(walls_ms)
    said = whole(1.0, 1.0, mean_ms=mean_ms, p99_ms=4.0, slowest_ms=4.0).under(0.7)
    assert said.p95_ms is not None
    assert found[930] <= said.p95_ms <= found[970]
    assert said.p95_ms < 4.0 + stalls(1.0, mean_ms, 0.7).wait_ms
    assert said.mean_ms == pytest.approx(sum(found) / len(found), rel=0.03)


@pytest.mark.parametrize(
    ("vcpus", "waits"),
    [
        pytest.param(0.99, True, id="under"),
        pytest.param(1.0, False, id="exactly"),
        pytest.param(1.01, False, id="over"),
    ],
)
def test_a_quota_of_what_it_keeps_busy_slows_nothing(vcpus: float, waits: bool) -> None:
    found = whole(50, 50).under(vcpus)
    assert (found.slowest_ms > 50) is waits
    assert (found.mean_ms > 50) is waits


def test_the_slowest_waits_once_more_than_it_must() -> None:
    rng = random.Random(0)
    for _ in range(100):
        wall_ms, vcpus = rng.uniform(0.1, 100), rng.uniform(0.1, 0.9)
        stalled = stalls(wall_ms, wall_ms, vcpus)
        least, most = (stalled.of(wall_ms, phase) for phase in (0.0, 1 - 1e-9))
        assert least <= most <= least + PERIOD_MS * (1 - vcpus) + 1e-9


@pytest.mark.parametrize(
    ("mean_ms", "knots"),
    [
        pytest.param(5.8, [(0.5, 5.5), (0.95, 7.0), (0.99, 9.0), (1.0, 12.0)], id="noise"),
        pytest.param(1.7, [(0.5, 1.0), (0.95, 9.4), (1.0, 9.4)], id="stalls"),
        pytest.param(9.0, [(0.5, 10.0), (0.95, 10.5), (1.0, 11.0)], id="many faster"),
        pytest.param(6.0, [(0.5, 5.0), (1.0, 10.0)], id="too few for a p95"),
        pytest.param(7.0, [(0.5, 7.0), (0.95, 7.0), (1.0, 7.0)], id="all the same"),
    ],
)
def test_what_is_drawn_has_the_figures_that_were_kept(
    mean_ms: float, knots: list[tuple[float, float]]
) -> None:
    found = spread_ms(mean_ms, knots)
    assert list(found) == sorted(found)
    assert sum(found) / len(found) == pytest.approx(mean_ms, rel=0.01)
    assert percentile_of(found, 0.5) == pytest.approx(knots[0][1], rel=0.01)
    for share, ms in knots[1:-1]:
        assert found[int(share * len(found)) - 3] <= ms <= found[int(share * len(found)) + 2]
    assert max(found) <= knots[-1][1]


@pytest.mark.parametrize(
    ("cpu_ms", "waits"),
    [
        pytest.param(0.50, False, id="under the edge, 4.3 of 100 wait"),
        pytest.param(0.52, True, id="just under 5 of 100 wait: perhaps"),
        pytest.param(0.60, True, id="over"),
    ],
)
def test_a_p95_at_the_edge_of_a_stall_counts_as_waiting(cpu_ms: float, waits: bool) -> None:
    found = whole(cpu_ms, cpu_ms).under(0.58)
    assert found.p95_ms is not None
    assert (found.p95_ms > 5) is waits
    assert found.mean_ms == pytest.approx(cpu_ms / 0.58)


def test_percentiles_that_do_not_ascend_are_made_to() -> None:
    found = spread_ms(10.0, [(0.5, 10.0), (0.95, 9.0), (1.0, 8.0)])
    assert set(found) == {10.0}


def test_a_larger_tier_is_predicted_from_what_took_turns_with_the_others() -> None:
    later = WholeLatency(
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
    busier = later.model_copy(update={"cpu_s_per_request": 0.018})
    found = latency_at(measured(payloads=(one,), whole_latencies=(busier,)), one, 3072, 1769)
    assert found is not None
    assert found.mean_ms == pytest.approx(18 * 1769 / 3072)  # its CPU time then, over the quota
    alone = latency_at(measured(payloads=(one,)), one, 4096, 1769)
    assert alone is not None
    assert (alone.mean_ms, alone.p50_ms) == (5, 5)


def test_two_threads_take_their_cpu_time_over_the_quota() -> None:
    two_threads = payload(cpu_s_per_request=0.012, requests_per_s=125.0)
    found = whole_latency(measured(payloads=(two_threads,)), two_threads, 2)
    assert found is not None
    assert (found.cpu_ms, found.mean_ms) == (12, 8)
    assert found.under(0.75).mean_ms == pytest.approx(16)


def test_one_thread_does_by_itself_what_two_did() -> None:
    two_threads = payload(
        cpu_s_per_request=0.012,
        latency_mean_ms=8,
        latency_p50_ms=8,
        latency_p95_ms=10,
        latency_p95_at_least_ms=10,
        latency_max_ms=14,
    )
    found = whole_latency(measured(payloads=(two_threads,)), two_threads, 1)
    assert found is not None
    assert (found.cpu_ms, found.mean_ms, found.p50_ms) == (12, 12, 12)
    assert (found.p95_ms, found.p95_at_least_ms, found.slowest_ms) == (15, 15, 21)
    waits = payload(cpu_s_per_request=0.004, latency_mean_ms=8, latency_p50_ms=8)
    found = whole_latency(measured(payloads=(waits,)), waits, 1)
    assert found is not None
    assert (found.mean_ms, found.p50_ms) == (8, 8)  # and is no faster than it was


@pytest.mark.parametrize(
    ("memory_size_mb", "mean_ms"),
    [
        pytest.param(1769, 9.0, id="measured with one thread"),
        pytest.param(4096, 5.0, id="with two"),
        pytest.param(6144, 5.0, id="three: the most that there were, and no faster"),
    ],
)
def test_a_tier_is_predicted_from_its_own_number_of_threads(
    memory_size_mb: int, mean_ms: float
) -> None:
    sent = payload(cpu_s_per_request=0.001)

    def seen(threads: int, ms: float) -> WholeLatency:
        return WholeLatency(
            payload="one",
            threads=threads,
            latency_p50_ms=ms,
            latency_p95_ms=ms,
            latency_mean_ms=ms,
            cpu_s_per_request=0.009,
            requests=20,
        )

    found = latency_at(
        measured(payloads=(sent,), whole_latencies=(seen(1, 9.0), seen(2, 5.0))),
        sent,
        memory_size_mb,
        1769,
    )
    assert found is not None
    assert found.mean_ms == pytest.approx(mean_ms)


def test_a_p95_that_too_few_took_turns_for_is_the_samples_on_that_many_threads() -> None:
    sent = payload(cpu_s_per_request=0.02, latency_mean_ms=10, latency_p50_ms=10, latency_p95_ms=12)
    few = WholeLatency(
        payload="one",
        threads=1,
        latency_p50_ms=21,
        latency_p95_ms=None,
        latency_mean_ms=22,
        cpu_s_per_request=0.022,
        requests=10,
    )
    found = whole_latency(measured(payloads=(sent,), whole_latencies=(few,)), sent, 1)
    assert found is not None
    assert (found.mean_ms, found.p50_ms, found.p95_ms) == (22, 21, 24)  # twice the samples'


def test_the_pause_between_requests_is_what_their_mean_lacks_of_it() -> None:
    sent = payload(latency_mean_ms=1.0, requests_per_s=800.0, cpu_s_per_request=0.001)
    found = whole_latency(measured(payloads=(sent,)), sent, 1)
    assert found is not None
    assert (found.mean_ms, found.cpu_ms) == (1.0, 1.0)
    assert found.gap_ms == pytest.approx(0.25)
    assert found.under(0.5).mean_ms == pytest.approx(2.0 - 0.25)


@pytest.mark.parametrize(
    ("requests", "p95_ms", "known"),
    [
        pytest.param(199, 9.4, False, id="under ten periods"),
        pytest.param(200, 1.0, True, id="exactly"),
        pytest.param(201, 1.0, True, id="over"),
    ],
)
def test_a_p95_and_a_mean_that_met_no_stall_by_chance_are_the_predicted_ones(
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
    assert found.mean_ms == pytest.approx(1 if known else 1769 / 1024)
    drawn_ms = sum(found.spread_ms) / len(found.spread_ms)
    assert drawn_ms == pytest.approx(found.mean_ms, rel=0.03)  # the slowest is one of 1000


def test_where_nothing_waits_a_short_p95_is_no_chance() -> None:
    short = payload(latency_p50_ms=1, latency_p95_ms=2, cpu_s_per_request=0.001)
    seen = TierLatency(
        memory_size_mb=2048, payload="one", latency_p50_ms=1, latency_p95_ms=1, requests=60
    )
    found = latency_at(measured(payloads=(short,), tier_latencies=(seen,)), short, 2048, 1769)
    assert found is not None
    assert (found.mean_ms, found.p95_ms, found.measured) == (1, 1, True)
