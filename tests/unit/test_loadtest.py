"""Shapes, price, what is cold, and what a load needed: on made-up requests."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seatrial.cli.loadtest import say_loadtest
from seatrial.config import load_config
from seatrial.contracts import Payload
from seatrial.contracts.loadtest import LoadShape
from seatrial.cost.prices import load_prices, with_given
from seatrial.cost.traffic import Traffic
from seatrial.errors import InputError
from seatrial.loadtest.advice import in_flight, needed
from seatrial.loadtest.cold import ColdRequests, cold_requests, recorded_cold
from seatrial.loadtest.plan import LoadPlan, Served, max_usd, planned, served_by
from seatrial.loadtest.report import Bill, report
from seatrial.loadtest.requests import Log, Request, read_log
from seatrial.loadtest.shapes import peak_users, replayed, users_at

THROTTLED = "ThrottlingException: busy"
PRICES = load_prices("us-east-1")
SERVED = Served(
    endpoint_name="e",
    variant_name="v",
    memory_size_mb=2048,
    max_concurrency=4,
    provisioned_concurrency=0,
)


def request(
    at_s: float,
    latency_s: float = 1.0,
    error: str | None = None,
    event_id: str | None = None,
    phase: int = 0,
) -> Request:
    return Request(phase, at_s, latency_s, error, event_id, 100, 10)


def plan_of(*shapes: LoadShape, seconds: float = 10, **changes: Any) -> LoadPlan:
    values: dict[str, Any] = {
        "served": SERVED,
        "region": "us-east-1",
        "users": 3,
        "phases": planned(shapes, seconds),
        "arrivals_s": (),
        "payloads": (Payload(name="p", content_type="text/csv", rows=1, body="1"),),
        "max_errors": 1,
        "requests_path": Path("requests.jsonl"),
    }
    return LoadPlan(**values | changes)


@pytest.mark.parametrize(
    ("shape", "users"),
    [
        ("ramp", [1, 2, 4, 5, 6]),
        ("steady", [8] * 5),
        ("diurnal", [1, 4, 8, 4, 1]),
        ("idle", [0] * 5),
        ("burst", [8] * 5),
        ("replay", [1] * 5),
    ],
)
def test_each_shape_has_its_users(shape: LoadShape, users: list[int]) -> None:
    assert [users_at(shape, at / 4, 8, 4) for at in range(5)] == users
    assert peak_users(shape, 8, 4) == (None if shape == "replay" else max(users))


def test_a_burst_comes_after_an_idle_time_that_is_longer_than_sandboxes_last() -> None:
    phases = planned(["ramp", "steady", "diurnal", "burst"], 900)
    assert [phase.shape for phase in phases] == ["steady", "diurnal", "ramp", "idle", "burst"]
    assert phases[3].seconds == pytest.approx(333)
    assert sum(phase.seconds for phase in phases) == pytest.approx(900)
    assert phases[4].start_s == pytest.approx(900 - phases[4].seconds)


@pytest.mark.parametrize(("seconds", "fits"), [(0.99, False), (1.0, True), (1.01, True)])
def test_a_phase_lasts_a_second_at_least(seconds: float, fits: bool) -> None:
    if fits:
        assert planned(["steady"], seconds)[0].seconds == seconds
    else:
        with pytest.raises(InputError, match="too short"):
            planned(["steady"], seconds)


def test_a_replay_keeps_the_recorded_rates() -> None:
    """An hour of 10 requests a second, then one of 1: in 20 s, 100 and then 10."""
    first, second = np.linspace(0, 3599, 36_000), np.linspace(3600, 7199, 3_600)
    arrivals = np.array(replayed(Traffic(np.concatenate((first, second)), 7200, "t"), 20, seed=1))
    assert (arrivals < 10).sum() == pytest.approx(100, abs=30)
    assert (arrivals >= 10).sum() == pytest.approx(10, abs=9)
    assert arrivals.max() < 20 and (np.diff(arrivals) >= 0).all()


def test_the_price_before_is_every_sandbox_busy_to_the_end() -> None:
    plan = plan_of("steady", seconds=40)
    # 4 sandboxes of 2 GB, for 40 s and the last request's minute
    assert max_usd(plan, PRICES) == pytest.approx(
        4 * 2 * 100 * PRICES.usd("serverless_usd_per_gb_second")
    )
    idle = plan_of("burst", seconds=44)
    busy_s = idle.phases[1].seconds + 60
    assert max_usd(idle, PRICES) == pytest.approx(
        8 * busy_s * PRICES.usd("serverless_usd_per_gb_second")
    )


def test_without_a_price_of_provisioned_concurrency_there_is_no_test() -> None:
    plan = plan_of("steady", served=SERVED.model_copy(update={"provisioned_concurrency": 1}))
    with pytest.raises(InputError, match="provisioned_duration_usd_per_gb_second"):
        max_usd(plan, PRICES)
    dear = {"provisioned_duration_usd_per_gb_second": 1.0}
    given = with_given(PRICES, dear, today=datetime.now(UTC).date())
    assert max_usd(plan, given) == pytest.approx(4 * 2 * 70)


def test_an_endpoint_on_instances_is_refused() -> None:
    class SageMaker:
        def describe_endpoint(self, **_: str) -> dict[str, Any]:
            return {"ProductionVariants": [{"VariantName": "v", "CurrentInstanceCount": 1}]}

    with pytest.raises(InputError, match="e is not serverless"):
        served_by("e", SageMaker())


REQUESTS = [
    request(0, 3.0, event_id="a"),
    request(1, 2.0, event_id="b"),
    request(2, 1.0, event_id="c"),
    request(3, 9.0, error="ModelError: no", event_id=None),
]


@pytest.mark.parametrize(
    ("marked", "setups", "cold", "told_by"),
    [
        ({"c"}, 1, {2}, "records"),
        ({"c"}, 0, {2}, "records"),  # CloudWatch was late
        ({"b", "c"}, 1, {1}, "records"),  # a provisioned sandbox's first request is no cold start
        ({"c", "gone"}, 5, {2}, "records"),
        (set(), 2, {0, 1}, "setups"),
        (set(), 0, set(), "nothing"),
    ],
)
def test_cold_is_what_the_records_say_else_the_slowest(
    marked: set[str], setups: int, cold: set[int], told_by: str
) -> None:
    assert cold_requests(REQUESTS, marked, setups) == ColdRequests(frozenset(cold), told_by)  # type: ignore[arg-type]


def test_only_whole_records_that_are_marked_cold_count() -> None:
    lines = [
        json.dumps({"eventMetadata": {"eventId": "a"}, "seatrial": {"cold": True}}),
        json.dumps({"eventMetadata": {"eventId": "b"}, "seatrial": {"cold": False}}),
        json.dumps({"eventMetadata": {"eventId": "c"}, "seatrial": {"part": 1, "parts": 2}}),
        "a line of the model's",
        "[1]",
    ]

    class Logs:
        def get_paginator(self, _: str) -> Logs:
            return self

        def paginate(self, **_: Any) -> list[dict[str, Any]]:
            return [{"events": [{"message": line}]} for line in lines]

    assert recorded_cold(Logs(), "e", datetime.now(UTC)) == {"a"}


def test_a_throttled_request_would_have_taken_as_long_as_others() -> None:
    some = [request(0, 1.0), request(0.5, 0.001, THROTTLED), request(1.4, 1.0), request(9, 1.0)]
    assert in_flight(some) == [1, 2, 2, 1]


@pytest.mark.parametrize(
    ("users", "ratio", "enough"), [(None, 1.0, 3), (2, 1.0, 2), (3, 1.0, 3), (None, 0.75, 2)]
)
def test_what_is_needed_is_no_more_than_there_are_users(
    users: int | None, ratio: float, enough: int
) -> None:
    some = [request(0.0), request(0.1), request(0.2, 0.001, THROTTLED), request(5)]
    assert needed(some, users, ratio=ratio) == enough
    assert needed([], users) == 0


def log_of(*requests: Request) -> Log:
    return Log(datetime.now(UTC), requests, None)


def checks_of(plan: LoadPlan, log: Log, cold: set[int]) -> dict[str, Any]:
    objectives = load_config(None, objectives={"latency_p95_ms": 500, "cold_start_s": 2}).objectives
    found = report(plan, log, ColdRequests(frozenset(cold), "records"), objectives, Bill(1, 0))
    return {"found": found} | {item.code: item.passed for item in found.checks}


@pytest.mark.parametrize(("latency_s", "passed"), [(0.499, True), (0.5, True), (0.501, False)])
def test_the_warm_objective_is_judged_by_warm_requests(latency_s: float, passed: bool) -> None:
    log = log_of(request(0, 1.9), *(request(n, latency_s) for n in range(1, 9)))
    found = checks_of(plan_of("steady"), log, {0})
    assert (found["WARM_LATENCY"], found["COLD_LATENCY"]) == (passed, True)


@pytest.mark.parametrize(("throttled", "passed"), [(0, True), (1, True), (2, False)])
def test_one_in_a_thousand_may_be_throttled(throttled: int, passed: bool) -> None:
    some = [request(n / 200, 0.001, THROTTLED if n < throttled else None) for n in range(1000)]
    assert checks_of(plan_of("steady"), log_of(*some), set())["THROTTLES"] is passed


def test_throttles_of_the_ramp_are_no_matter_but_its_errors_are() -> None:
    ramp_and_steady = plan_of("ramp", "steady")
    ramp = [request(8, 0.1, error, phase=1) for error in (THROTTLED, "ModelError: no")]
    log = log_of(request(0, 0.1), *ramp)
    found = checks_of(ramp_and_steady, log, set())
    assert (found["THROTTLES"], found["ERRORS"]) == (True, False)
    assert found["COLD_LATENCY"] is None
    assert found["found"].recommended_max_concurrency == 1
    assert [(p.throttled, p.errors) for p in found["found"].phases] == [(0, 0), (1, 1)]
    assert not found["found"].passed


def test_a_burst_that_was_not_cold_is_said_and_the_table_fits_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    answers = [request(n, 1.234, phase=1) for n in range(9)]
    for cold, said in ((set(), True), ({0}, False)):
        say_loadtest(checks_of(plan_of("burst"), log_of(*answers), cold)["found"])
        out = capsys.readouterr().out
        assert ("sandboxes outlived the idle time" in out) is said
        assert "throttled" in out.splitlines()[2]  # in one piece


def test_provisioned_concurrency_is_recommended_only_where_cold_starts_are_the_matter() -> None:
    warm = [request(n / 2, 0.4) for n in range(1, 10)]
    log = log_of(request(0, 1.5), *warm)
    advised = checks_of(plan_of("steady"), log, {0})["found"]
    assert advised.recommended_provisioned_concurrency is not None
    assert "cold starts miss" in advised.recommendation
    slow = log_of(*(request(item.at_s, 0.6) for item in warm))
    assert (
        checks_of(plan_of("steady"), slow, set())["found"].recommended_provisioned_concurrency
        is None
    )


def test_more_than_the_service_allows_is_no_recommendation() -> None:
    crowd = [request(0.001 * n, 5.0) for n in range(201)]
    plan = plan_of("replay", arrivals_s=(0.0,))
    assert checks_of(plan, log_of(*crowd[:200]), set())["found"].recommended_max_concurrency == 200
    assert checks_of(plan, log_of(*crowd), set())["found"].recommended_max_concurrency is None


def test_the_log_is_read_in_the_order_of_the_requests(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    first = json.dumps({"started_at": "2026-01-01T00:00:00+00:00"}) + "\n"
    end = json.dumps({"ended_early": "2 errors"}) + "\n"
    path.write_text(first + request(2).line() + request(1).line() + end, encoding="utf-8")
    found = read_log(path)
    assert [item.at_s for item in found.requests] == [1, 2]
    assert found.ended_early == "2 errors"
