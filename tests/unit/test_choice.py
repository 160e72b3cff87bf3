"""Which candidate serves, by objective; what the choice buys; and what it does to the baseline."""

from __future__ import annotations

from typing import Any

import pytest

from seatrial.config import load_config
from seatrial.contracts import (
    Agreement,
    Baseline,
    Candidate,
    CandidateProfile,
    Choice,
    ColdStart,
    DriftBound,
    Optimization,
    PayloadProfile,
    Profile,
    Readiness,
)
from seatrial.cost.prices import load_prices
from seatrial.limits import load_limits
from seatrial.readiness.baseline_match import MAX_SHARE, largest_share
from seatrial.readiness.facts import (
    Account,
    ArchiveLook,
    Circumstances,
    Facts,
    MonitoringPlan,
    Quota,
)
from seatrial.steps.judge_readiness import judge_candidates

PRECISIONS = {"fp32": "fp32", "fp32-mapped": "fp32", "fp16": "fp16", "int8-mixed": "mixed"}


def candidate(name: str, **changes: Any) -> Candidate:
    return Candidate.model_validate(
        {
            "name": name,
            "backend": "onnxruntime",
            "precision": PRECISIONS.get(name, "int8"),
            "graph_optimization": "extended",
            "archive": f"{name}/model.tar.gz",
            "archive_sha256": "0" * 64,
            "archive_size_mb": 1,
            "model_size_mb": 2,
            "agreement": agreement(0.0001),
            "quality": {"auc": 0.75},
            "rejection": None,
            **changes,
        }
    )


def agreement(mean_deviation: float) -> Agreement:
    return Agreement(
        rows=100,
        max_deviation=1,
        mean_deviation=mean_deviation,
        label_agreement_ratio=1.0,
    )


def measured(
    name: str, *, ms: float = 100, cold_s: float = 1, peak_mb: float = 100
) -> CandidateProfile:
    """A profile on a whole core: the CPU time is the wall time."""
    payload = PayloadProfile(
        payload="one",
        rows=1,
        request_mb=0,
        response_mb=0,
        requests=50,
        errors=0,
        first_error=None,
        peak_memory_mb=peak_mb,
        stopped=False,
        latency_p50_ms=ms,
        latency_p95_ms=ms,
        latency_p99_ms=ms,
        cpu_s_per_request=ms / 1000,
    )
    cold = ColdStart(
        to_port_s=0, to_ping_s=0, to_first_prediction_s=cold_s, cpu_s=cold_s, repeats=3
    )
    return CandidateProfile(
        candidate=name,
        archive_size_mb=1,
        unpacked_size_mb=2,
        cold_start=cold,
        idle_memory_mb=60,
        peak_memory_mb=peak_mb,
        stopped=False,
        processes=1,
        threads=4,
        payloads=(payload,),
        failure=None,
    )


def bound(column: str, value: float, **changes: Any) -> DriftBound:
    fields = {"metric": "wasserstein_std", "window_h": 168, "floor": 0.1, "blocks": 12}
    return DriftBound.model_validate(
        {"column": column, "bound": value, "largest_block_score": None, **fields, **changes}
    )


def baseline(*bounds: DriftBound, made_with: str = "fp32") -> Baseline:
    return Baseline(
        model_package_arn=None,
        task="binary_classification",
        target="late",
        rows=1000,
        started_at=None,
        ended_at=None,
        input_columns=("temp",),
        output_columns=("label", "score"),
        bounds=bounds or (bound("temp", 1), bound("score", 0.5)),
        bound_method="contiguous blocks",
        false_alert_every_windows=20,
        held_out_rows=100,
        seed=1,
        quality={"auc": 0.75},
        candidate=made_with,
    )


def judged(
    *profiles: CandidateProfile,
    candidates: tuple[Candidate, ...] = (),
    plan: MonitoringPlan | None = None,
    **objectives: Any,
) -> Readiness:
    known = candidates or tuple(candidate(item.candidate) for item in profiles)
    return judge_candidates(
        optimization(known),
        profile(profiles),
        circumstances(plan or MonitoringPlan(baseline(), True, True, {"score": 0.1}), **objectives),
        {item.name: ArchiveLook(None, ()) for item in known},
    )


def circumstances(plan: MonitoringPlan, **objectives: Any) -> Circumstances:
    return Circumstances(
        package={},
        account=ACCOUNT,
        plan=plan,
        config=load_config(None, objectives=objectives),
        limits=load_limits(),
        prices=load_prices("us-east-1"),
    )


ACCOUNT = Account(
    memory_size_mb=Quota(3072, "assumed quota"),
    total_concurrency=Quota(10, "account quota"),
    endpoints=Quota(5, "account quota"),
    other_concurrency=0,
    other_endpoints=0,
)


def optimization(candidates: tuple[Candidate, ...]) -> Optimization:
    return Optimization(
        model_package_arn=None,
        flavor="sklearn",
        task="binary_classification",
        original_size_mb=2,
        original_quality={"auc": 0.75},
        candidates=candidates,
        optimizer="test",
        cpu="test",
    )


def profile(profiles: tuple[CandidateProfile, ...]) -> Profile:
    return Profile(
        memory_method="test",
        memory_stop_mb=6144,
        image_size_mb=200,
        image_size_method="files",
        python="3.11",
        cpu="test",
        cpu_count=2,
        serve_command=("serve",),
        candidates=profiles,
    )


def facts(ours: Candidate, base: Baseline | None, *others: Candidate, std: float = 0.1) -> Facts:
    found = measured(ours.name)
    return Facts(
        **vars(circumstances(MonitoringPlan(base, True, True, {"score": std}))),
        candidate=ours,
        measured=found,
        profile=profile((found,)),
        optimization=optimization((*others, ours)),
        archive=ArchiveLook(None, ()),
    )


def choice(found: Readiness, name: str) -> Choice:
    return next(item for item in found.choices if item.candidate == name)


def test_the_cheapest_candidate_serves_and_its_choice_says_what_it_buys() -> None:
    found = judged(measured("fp32"), measured("int8-static", ms=40, cold_s=2, peak_mb=90))
    assert found.ready
    assert found.candidate == "int8-static"
    assert found.optimize_for == "cost"
    chosen, lost = choice(found, "int8-static"), choice(found, "fp32")
    assert (chosen.chosen, lost.chosen) == (True, False)
    assert (chosen.cold_start_method, chosen.latency_method) == ("predicted", "predicted")
    assert chosen.memory_size_mb == 1024
    waits = 20 - 20 * 1024 / 1769  # 3 or 4 times of so many ms, and a started millisecond is billed
    billed_ms = 40 + 40 / (20 - waits) * waits + 0.54
    assert chosen.usd_per_million_requests == pytest.approx(billed_ms * 0.02, rel=1e-3)
    assert chosen.latency_p95_ms == pytest.approx(40 + 4 * (20 - 20 * 1024 / 1769))  # waits
    assert chosen.peak_memory_mb == 90
    assert chosen.quality == {"auc": 0.75}
    assert chosen.reason == "lowest cost: 60% under fp32"
    assert lost.reason == "cost is 149% over int8-static's"


@pytest.mark.parametrize(
    ("ms", "winner"),
    [
        pytest.param(91.0, "fp32", id="within"),
        pytest.param(100 / 1.1, "fp32", id="exactly"),
        pytest.param(90.0, "int8-static", id="beyond"),
    ],
)
def test_within_the_tie_ratio_the_simpler_candidate_serves(ms: float, winner: str) -> None:
    found = judged(measured("int8-static", ms=ms), measured("fp32", ms=100))
    assert found.candidate == winner


def test_fp32_stays_and_says_why_when_nothing_wins() -> None:
    found = judged(measured("fp32", ms=100), measured("int8-static", ms=95))
    assert choice(found, "fp32").reason == (
        "no other cost is lower by more than 10%, and it is the simplest"
    )
    assert choice(found, "int8-static").reason == (
        "cost is 5% under fp32's: a tie within 10%, and fp32 is simpler"
    )


def test_a_single_candidate_is_the_only_one() -> None:
    assert choice(judged(measured("fp32")), "fp32").reason == "the only one that was profiled"


def test_the_order_from_simple_to_not() -> None:
    names = ["fp32", "fp32-mapped", "fp16", "int8-dynamic", "int8-static", "int8-mixed"]
    known = (
        *(candidate(name) for name in names),
        candidate("pruned", backend="user", precision="fp32"),
        candidate("neo-c5", backend="neo", precision="fp32"),
    )
    left = list(known)
    while left:
        reverse = [measured(item.name) for item in reversed(left)]
        assert judged(*reverse, candidates=known).candidate == left.pop(0).name


@pytest.mark.parametrize(
    ("optimize_for", "winner", "tier"),
    [("cost", "fp32", 1024), ("latency", "int8-static", 3072), ("cold_start", "fp16", 2048)],
)
def test_the_objective_chooses_candidate_and_tier_together(
    optimize_for: str, winner: str, tier: int
) -> None:
    found = judged(
        measured("fp32", ms=100, cold_s=1, peak_mb=100),  # the only one for 1024 MB
        measured("int8-static", ms=65, cold_s=1, peak_mb=2400),
        measured("fp16", ms=100, cold_s=0.5, peak_mb=1500),
        optimize_for=optimize_for,
    )
    assert found.candidate == winner
    assert found.recommended is not None
    assert found.recommended.memory_size_mb == tier


def test_for_latency_the_smallest_tier_with_a_whole_core_is_taken() -> None:
    found = judged(measured("fp32"), optimize_for="latency")
    assert found.recommended is not None
    assert found.recommended.memory_size_mb == 2048  # 3072 MB would be no faster


def test_a_cheaper_candidate_that_is_not_ready_loses() -> None:
    found = judged(measured("fp32"), measured("int8-static", ms=10, peak_mb=5000))
    assert found.candidate == "fp32"
    lost = choice(found, "int8-static")
    assert not lost.ready
    assert lost.memory_size_mb is None
    assert lost.reason == "not ready: MEMORY_HEADROOM, MEMORY_TIER_QUOTA"
    assert choice(found, "fp32").reason == "the only one that is ready"


def test_if_none_is_ready_the_answer_is_about_the_nearest() -> None:
    found = judged(
        measured("fp32", ms=10_000, cold_s=60, peak_mb=2600), measured("int8-static", peak_mb=2600)
    )
    assert not found.ready
    assert found.candidate == "int8-static"
    assert choice(found, "int8-static").reason.endswith("; nearest to ready")
    assert all(not item.ready for item in found.choices)


def test_among_equally_far_ones_the_answer_is_about_the_simplest() -> None:
    found = judged(measured("int8-static", peak_mb=2600), measured("fp32", peak_mb=2600))
    assert found.candidate == "fp32"


def test_an_unmeasured_cost_loses_to_a_known_one() -> None:
    unknown = measured("fp32")
    payload = unknown.payloads[0].model_copy(update={"response_mb": None})
    unknown = unknown.model_copy(update={"payloads": (payload,)})
    found = judged(unknown, measured("int8-static", ms=500))
    assert found.candidate == "int8-static"


def test_an_approximation_has_guards_of_its_own() -> None:
    exact = candidate("fp32", agreement=agreement(0.01))
    rough = candidate("int8-static", agreement=agreement(0.01))
    found = judged(measured("fp32"), measured("int8-static"), candidates=(exact, rough))
    assert found.candidate == "int8-static"
    assert choice(found, "fp32").reason == "not ready: QUALITY_GUARD"


def test_what_was_not_compared_with_the_original_does_not_serve() -> None:
    blind = candidate("int8-static", agreement=None)
    found = judged(measured("int8-static"), candidates=(blind,))
    assert not found.ready
    check = next(item for item in found.checks if item.code == "QUALITY_GUARD")
    assert (check.status, check.measured) == ("unknown", None)
    assert "not compared" in check.detail


# ---- the baseline is made with fp32, whoever serves

FP32, INT8 = candidate("fp32", agreement=agreement(0)), candidate("int8-static")


def test_the_baselines_own_candidate_matches_it() -> None:
    assert largest_share(facts(FP32, baseline()), baseline()) == 0


def test_another_ones_deviation_is_a_share_of_what_raises_an_alert() -> None:
    # 0.0001 + 0 over a standard deviation of 0.1 is a score of 0.001, of 0.5 that alarm
    assert largest_share(facts(INT8, baseline(), FP32), baseline()) == pytest.approx(0.002)


def test_the_narrowest_window_counts_and_no_bound_is_below_its_floor() -> None:
    made = baseline(bound("score", 0.5), bound("score", 0.02, window_h=720))
    assert largest_share(facts(INT8, made, FP32), made) == pytest.approx(0.01)


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(baseline(bound("temp", 1)), id="no-bound-on-a-score"),
        pytest.param(baseline(bound("label", 1, metric="jensen_shannon")), id="labels-only"),
        pytest.param(baseline(made_with="gone"), id="an-unknown-candidate"),
    ],
)
def test_what_cannot_be_bounded_is_unknown(made: Baseline) -> None:
    assert largest_share(facts(INT8, made, FP32), made) is None


def test_a_constant_score_is_unknown() -> None:
    assert largest_share(facts(INT8, baseline(), FP32, std=0), baseline()) is None


@pytest.mark.parametrize(
    ("deviation", "status"),
    [(0.0049, "pass"), (0.005, "pass"), (0.0051, "warn")],
)
def test_too_large_a_share_warns_and_does_not_block(deviation: float, status: str) -> None:
    known = (FP32, candidate("int8-static", agreement=agreement(deviation)))
    plan = MonitoringPlan(baseline(), True, True, {"score": 0.1})
    found = judged(measured("int8-static"), candidates=known, plan=plan)
    check = next(item for item in found.checks if item.code == "BASELINE_MATCH")
    assert check.status == status
    assert check.limit == MAX_SHARE
    assert found.ready
    assert "the baseline's scores are of fp32" in check.detail
