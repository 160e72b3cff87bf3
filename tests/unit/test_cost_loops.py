"""The compiled loops: what must always hold, and the same as the plain simulation does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.cost.case import Fleet, run_fleet
from seatrial.cost.loops import (
    COLD,
    RESERVED,
    THROTTLED,
    WARM,
    autoscale,
    compiled,
    drain,
    queue,
)
from seatrial.cost.plain import queue_plainly, serve_plainly

# Quarters of a second, so that events often fall on the same moment.
TIMES = st.integers(0, 80).map(lambda quarter: quarter / 4)
REQUESTS = st.lists(st.tuples(TIMES, TIMES, TIMES), min_size=1, max_size=40)
SETTINGS = settings(deadline=None, max_examples=150)


def columns(requests: list[tuple[float, float, float]]) -> tuple[np.ndarray, ...]:
    arrivals, service, reserved = np.array(sorted(requests), dtype=np.float64).T
    return tuple(np.ascontiguousarray(item) for item in (arrivals, service, reserved))


def fleet(
    arrivals: list[float],
    service_s: float,
    *,
    limit: int = 10,
    idle_s: float = 300,
    cold_s: float = 1,
    reserved: int = 0,
) -> Fleet:
    return run_fleet(
        np.array(arrivals, dtype=np.float64),
        np.full(len(arrivals), float(service_s)),
        limit=limit,
        idle_s=idle_s,
        cold_s=cold_s,
        reserved=reserved,
    )


@SETTINGS
@given(REQUESTS, st.integers(0, 3), st.integers(0, 4), TIMES, TIMES)
def test_serves_as_the_plain_simulation_does(
    requests: list[tuple[float, float, float]],
    reserved: int,
    limit: int,
    idle_s: float,
    cold_s: float,
) -> None:
    arrivals, service, reserved_service = columns(requests)
    found = run_fleet(
        arrivals,
        service,
        limit=limit,
        idle_s=idle_s,
        cold_s=cold_s,
        reserved=reserved,
        reserved_service_s=reserved_service,
    )
    kinds, in_flight = serve_plainly(
        arrivals.tolist(),
        service.tolist(),
        reserved_service.tolist(),
        reserved=reserved,
        limit=limit,
        idle_s=idle_s,
        cold_s=cold_s,
    )
    # a request that takes no time is over before anybody can count it, so only its kind is compared
    assert found.kinds.tolist() == kinds
    lasting = service.all() and reserved_service.all()
    if lasting:
        assert found.in_flight.tolist() == in_flight
    assert found.in_flight.max() <= limit + reserved
    assert int(found.answered.sum()) + int((found.kinds == THROTTLED).sum()) == len(requests)
    assert np.isnan(found.latency_s).sum() == (found.kinds == THROTTLED).sum()


@SETTINGS
@given(REQUESTS, st.integers(1, 5))
def test_more_concurrency_never_throttles_more(
    requests: list[tuple[float, float, float]], limit: int
) -> None:
    # Where starts take no time. Else it is no law: a sandbox that starts late can be in the way.
    arrivals, service, _ = columns(requests)
    fewer, more = (
        run_fleet(arrivals, service, limit=number, idle_s=5, cold_s=0).answered.sum()
        for number in (limit, limit + 1)
    )
    assert more >= fewer


@SETTINGS
@given(
    REQUESTS,
    st.lists(st.integers(1, 4), min_size=1, max_size=6),
    st.sampled_from([0.0, 1.0, 5.0, 60.0]),
)
def test_queues_as_the_plain_simulation_does(
    requests: list[tuple[float, float, float]], workers: list[int], patience_s: float
) -> None:
    arrivals, service, _ = columns(requests)
    waits = np.empty(len(arrivals))
    compiled(queue)(arrivals, service, np.array(workers), 4.0, patience_s, waits)
    expected = queue_plainly(
        arrivals.tolist(), service.tolist(), workers, step_s=4.0, patience_s=patience_s
    )
    assert waits.tolist() == expected


@pytest.mark.parametrize(
    ("second", "kind"),
    [
        pytest.param(299 + 2, WARM, id="under"),
        pytest.param(300 + 2, COLD, id="exactly"),
        pytest.param(301 + 2, COLD, id="over"),
    ],
)
def test_a_sandbox_is_gone_when_it_has_been_idle_long_enough(second: float, kind: int) -> None:
    # the first request comes at 0, starts for 1 s and takes 1 s
    assert fleet([0, second], 1).kinds.tolist() == [COLD, kind]


@pytest.mark.parametrize(
    ("limit", "throttled"),
    [pytest.param(4, 0, id="under"), pytest.param(3, 0, id="at"), pytest.param(2, 1, id="over")],
)
def test_what_is_over_the_concurrency_is_throttled_at_once(limit: int, throttled: int) -> None:
    found = fleet([0, 0.1, 0.2], 1, limit=limit)
    assert (found.kinds == THROTTLED).sum() == throttled


@pytest.mark.parametrize(("second", "kind"), [(0.99, COLD), (1.0, WARM), (1.01, WARM)])
def test_a_sandbox_is_free_at_the_moment_its_request_ends(second: float, kind: int) -> None:
    assert fleet([0, second], 1, cold_s=0).kinds.tolist() == [COLD, kind]


def test_a_cold_start_adds_its_time_and_occupies_the_sandbox() -> None:
    found = fleet([0, 2.5], 1, cold_s=2)
    assert found.latency_s.tolist() == [3, 3]
    assert found.kinds.tolist() == [COLD, COLD]


def test_the_sandbox_used_last_is_used_next() -> None:
    # Two at 0 make two sandboxes. One request every 200 s keeps only the one used last.
    found = fleet([0, 0, 200, 400, 600, 600], 1, idle_s=300)
    assert found.kinds.tolist() == [COLD, COLD, WARM, WARM, WARM, COLD]


def test_reserved_slots_come_first_and_are_never_cold() -> None:
    found = fleet([0, 0, 1000], 1, reserved=1)
    assert found.kinds.tolist() == [RESERVED, COLD, RESERVED]


def scaled(counts: list[float], **changes: float) -> tuple[list[int], list[int]]:
    """In service and billed, with a target of 10 a minute."""
    rules = {"target": 10.0, "fewest": 1, "most": 5, "out": 3, "in": 4, "launch": 2} | changes
    in_service, billed = np.empty((2, len(counts)), dtype=np.int64)
    compiled(autoscale)(
        np.array(counts, dtype=np.float64),
        float(rules["target"]),
        *(int(rules[name]) for name in ("fewest", "most", "out", "in", "launch")),
        in_service,
        billed,
    )
    return in_service.tolist(), billed.tolist()


def test_three_minutes_over_the_target_launch_what_the_last_one_needs() -> None:
    in_service, billed = scaled([5, 5, 5, 5, 25, 25, 30, 30, 30, 30])
    assert in_service == [1, 1, 1, 1, 1, 1, 1, 1, 1, 3]
    assert billed == [1, 1, 1, 1, 1, 1, 1, 3, 3, 3]


@pytest.mark.parametrize(("count", "at_the_end"), [(9, 1), (10, 1), (11, 2)])
def test_exactly_on_target_launches_nothing(count: float, at_the_end: int) -> None:
    assert scaled([5, *[count] * 10])[0][-1] == at_the_end


def test_no_more_than_the_most_and_no_fewer_than_the_fewest() -> None:
    assert max(scaled([5, *[1000] * 20])[0]) == 5
    assert min(scaled([50] * 4 + [0] * 20, fewest=2)[0]) == 2


def test_scaling_in_keeps_what_the_busiest_of_the_minutes_needed() -> None:
    assert scaled([40] * 4 + [5, 20, 5, 5, 5])[0] == [4] * 8 + [2]


def test_a_fluid_queue_waits_for_what_it_cannot_serve_and_loses_what_is_too_long() -> None:
    waits, lost = np.empty((2, 4))
    compiled(drain)(np.array([10.0, 20.0, 10.0, 0.0]), np.full(4, 10.0), 0.5, waits, lost)
    # of 20, 10 are served and 5 can wait half a step; they are 5 late until nobody comes
    assert waits.tolist() == [0, 0.25, 0.5, 0.25]
    assert lost.tolist() == [0, 0.25, 0, 0]
