"""What a trial sends, counts and costs, without an endpoint."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from readiness_facts import CANDIDATE, facts

from seatrial.cli.trial import TrialOptions, make_trial
from seatrial.config import load_config
from seatrial.contracts import Payload, Readiness, ServerlessConfiguration, write_contract
from seatrial.cost.prices import load_prices
from seatrial.errors import InputError
from seatrial.trial.metrics import merge
from seatrial.trial.plan import Trial, tiers_to_try
from seatrial.trial.traffic import ErrorBudget, Phase, percentile_ms, phases, send

TIERS = (1024, 2048, 3072, 4096, 5120, 6144)
PAYLOADS = [
    Payload(name=name, content_type="text/csv", rows=1, body=name) for name in ("one", "two")
]


def readiness(memory_size_mb: int | None) -> Readiness:
    wanted = memory_size_mb and ServerlessConfiguration(
        memory_size_mb=memory_size_mb, max_concurrency=5, provisioned_concurrency=None
    )
    return Readiness(
        ready=True,
        model_package_arn=None,
        candidate="fp32",
        recommended=wanted or None,
        cost=None,
        checks=(),
    )


@pytest.mark.parametrize(
    ("recommended", "quota_mb", "tried"),
    [
        pytest.param(1024, 3072, (1024, 2048), id="the-smallest"),
        pytest.param(2048, 3072, (1024, 2048, 3072), id="between-its-neighbours"),
        pytest.param(3072, 3072, (2048, 3072), id="at-the-quota"),
        pytest.param(6144, 6144, (5120, 6144), id="the-largest"),
    ],
)
def test_the_recommended_tier_is_tried_between_its_neighbours(
    recommended: int, quota_mb: float, tried: tuple[int, ...]
) -> None:
    assert tiers_to_try((), readiness(recommended), TIERS, quota_mb) == tried


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        pytest.param((1024, 2048, 3072, 4096), "at most 3", id="four-tiers"),
        pytest.param((1500,), "1500", id="no-such-tier"),
        pytest.param((4096,), "quota of 3072 MB", id="over-the-quota"),
    ],
)
def test_tiers_that_cannot_be_tried_are_refused(asked: tuple[int, ...], told: str) -> None:
    with pytest.raises(InputError, match=told):
        tiers_to_try(asked, None, TIERS, 3072)


@pytest.mark.parametrize("verdict", [None, readiness(None)], ids=["no-verdict", "none-recommended"])
def test_without_a_tier_it_says_how_to_give_one(verdict: Readiness | None) -> None:
    with pytest.raises(InputError, match="--tier"):
        tiers_to_try((), verdict, TIERS, 3072)


def test_asked_tiers_are_tried_once_each_smallest_first() -> None:
    assert tiers_to_try((3072, 1024, 3072), None, TIERS, 3072) == (1024, 3072)


@pytest.mark.parametrize(("limit", "over"), [(1, 2), (2, 3), (5, 8), (10, 15)])
def test_the_last_phase_has_half_as_many_clients_more(limit: int, over: int) -> None:
    planned = list(phases(limit, cold=3, warm=50, burst_s=10))
    assert [phase.clients for phase in planned] == [min(3, limit), 1, limit, over]


def sent(answers: list[str | None], *, clients: int = 1, max_errors: int = 100) -> Any:
    """A phase of as many requests as there are answers, and its budget."""
    lock, left = threading.Lock(), iter(answers)

    def ask(_: Payload) -> str | None:
        with lock:
            return next(left)

    budget = ErrorBudget(max_errors)
    return send(Phase("warm", clients, len(answers), 60), PAYLOADS, ask, budget), budget


def test_what_was_answered_throttled_and_failed_adds_up() -> None:
    answers = [None, "ThrottlingException: full", "ModelError: no", None, None]
    found, _ = sent(answers, clients=3)
    assert (found.requests, found.answered, found.throttled, found.errors) == (5, 3, 1, 1)
    assert found.first_error == "ModelError: no"


def test_nothing_answered_has_no_latency() -> None:
    found, _ = sent(["ModelError: no"])
    assert (found.latency_p50_ms, found.latency_max_ms) == (None, None)


@pytest.mark.parametrize(
    ("errors", "requests"),
    [pytest.param(2, 10, id="within"), pytest.param(3, 3, id="over")],
)
def test_the_budget_ends_a_phase_only_when_it_is_passed(errors: int, requests: int) -> None:
    answers: list[str | None] = ["ModelError: no"] * errors + [None] * (10 - errors)
    found, budget = sent(answers, max_errors=2)
    assert found.requests == requests
    assert budget.spent.is_set() is (errors > 2)


def test_a_throttle_counts_against_the_budget_only_where_one_client_asks() -> None:
    throttles: list[str | None] = ["ThrottlingException: full"] * 4
    assert sent(throttles, clients=2, max_errors=0)[1].errors == 0
    alone, budget = sent(throttles, max_errors=0)
    assert (budget.errors, alone.requests) == (1, 1)


def test_time_ends_a_phase() -> None:
    moments = iter(float(number) for number in range(100))
    found = send(
        Phase("burst", 1, 10**9, 10),
        PAYLOADS,
        lambda _: None,
        ErrorBudget(0),
        lambda: next(moments),
    )
    # the clock ticks once before, and three times a request
    assert found.requests == 3


def test_payloads_go_round() -> None:
    seen: list[str] = []

    def ask(payload: Payload) -> None:
        seen.append(payload.name)

    send(Phase("warm", 1, 4, 60), PAYLOADS, ask, ErrorBudget(0))
    assert seen == ["one", "two", "one", "two"]


def test_percentiles_are_latencies_that_were_measured() -> None:
    assert percentile_ms([], 0.5) is None
    assert percentile_ms([n / 1000 for n in range(1, 101)], 0.95) == pytest.approx(95)
    assert percentile_ms([0.001], 1.0) == pytest.approx(1)


def test_periods_are_merged_by_their_samples() -> None:
    points = [
        {"SampleCount": 1.0, "Sum": 10.0, "Maximum": 10.0},
        {"SampleCount": 3.0, "Sum": 90.0, "Maximum": 50.0},
    ]
    found = merge("ModelLatency", "Microseconds", points)
    assert found is not None
    assert (found.samples, found.average, found.maximum) == (4, 25.0, 50.0)
    assert merge("ModelLatency", "Microseconds", []) is None


def test_the_price_is_an_upper_bound() -> None:
    config = load_config()
    trial = Trial("fp32", Path(), "0" * 64, tuple(PAYLOADS), (1024, 2048), max_concurrency=5)
    # three cold minutes, 100 s warm and a last request, then 5 and 8 clients of 10 s and a last one
    seconds = 3 * 60 + 100 + 60 + (5 + 8) * 70
    assert trial.max_usd(config, load_prices("us-east-1")) >= 3 * seconds * 0.00002


@pytest.mark.parametrize("image", [None, "123456789012.dkr.ecr.us-east-1.amazonaws.com/neo:1"])
def test_a_candidate_with_an_image_of_its_own_is_tried_in_that(
    tmp_path: Path, image: str | None
) -> None:
    brought = CANDIDATE.model_copy(update={"inference_image": image})
    optimization = facts().optimization.model_copy(update={"candidates": (brought,)})
    write_contract(optimization, tmp_path / "optimization.json")
    lines = "".join(item.model_dump_json() + "\n" for item in PAYLOADS)
    (tmp_path / "payloads.jsonl").write_text(lines)
    given = TrialOptions(tmp_path, None, (2048,), tmp_path, idle=False, yes=True)
    trial = make_trial(load_config(), given)
    assert (trial.candidate, trial.image) == ("fp32", image)
