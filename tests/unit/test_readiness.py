"""Each limit under, exactly at and over; and the message that a pipeline can carry."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from readiness_facts import BASELINE, CANDIDATE, account, check, facts, measured, payload

from seatrial.config import load_config
from seatrial.contracts import Check, ColdStart, Readiness
from seatrial.cost.prices import load_prices, with_given
from seatrial.readiness.facts import MonitoringPlan, Quota
from seatrial.readiness.tiers import choose_tier
from seatrial.readiness.verdict import MAX_MESSAGE_BYTES, judge, verdict


def test_a_good_model_is_ready_at_the_smallest_tier() -> None:
    found = judge(facts())
    assert found.ready
    assert {item.status for item in found.checks} == {"pass"}
    assert found.recommended is not None
    assert found.recommended.memory_size_mb == 1024
    assert found.cost is not None


@pytest.mark.parametrize(
    ("peak_mb", "status", "tier"),
    [
        pytest.param(2457.5, "pass", 3072, id="under"),
        pytest.param(2457.6, "pass", 3072, id="exactly-at-3072"),
        pytest.param(2457.7, "fail", None, id="over"),
    ],
)
def test_the_peak_with_headroom_must_fit_the_memory_quota(
    peak_mb: float, status: str, tier: int | None
) -> None:
    found = judge(facts(measured=measured(peak_memory_mb=peak_mb)))
    quota = check(found, "MEMORY_TIER_QUOTA")
    assert quota.status == status
    assert quota.source == "assumed quota"
    assert (found.recommended.memory_size_mb if found.recommended else None) == tier
    # a larger tier would hold it: only the quota is in the way
    assert check(found, "MEMORY_HEADROOM").status == "pass"


@pytest.mark.parametrize(
    ("peak_mb", "status"),
    [
        pytest.param(4915.1, "pass", id="under"),
        pytest.param(4915.2, "pass", id="exactly-at-6144"),
        pytest.param(4915.3, "fail", id="over"),
    ],
)
def test_no_tier_holds_what_the_largest_does_not(peak_mb: float, status: str) -> None:
    wide = account(memory_size_mb=Quota(6144, "account quota"))
    found = judge(facts(measured=measured(peak_memory_mb=peak_mb), account=wide))
    assert check(found, "MEMORY_HEADROOM").status == status
    assert found.ready is (status == "pass")


def test_a_run_that_was_stopped_is_reported_as_more_than_that() -> None:
    grown = payload(peak_memory_mb=6150, stopped=True, latency_p50_ms=None)
    found = judge(facts(measured=measured(peak_memory_mb=6150, stopped=True, payloads=(grown,))))
    headroom = check(found, "MEMORY_HEADROOM")
    assert headroom.status == "fail"
    assert "> 6150 MB at payload one" in headroom.detail


def test_a_tier_fixed_by_the_user_is_refused_and_not_replaced() -> None:
    config = load_config(None, endpoint={"memory_size_mb": 1024})
    found = judge(facts(config, measured=measured(peak_memory_mb=900)))
    assert not found.ready
    assert check(found, "MEMORY_HEADROOM").limit == pytest.approx(819.2)


def test_what_could_not_be_measured_is_unknown_and_blocks_where_it_must() -> None:
    found = judge(
        facts(
            measured=measured(
                peak_memory_mb=None, cold_start=None, payloads=(), failure="exit code 2"
            )
        )
    )
    assert not found.ready
    assert check(found, "MEMORY_HEADROOM").status == "unknown"
    assert "exit code 2" in check(found, "COLD_START_LIMIT").detail


@pytest.mark.parametrize(
    ("code", "at", "over", "make"),
    [
        (
            "PAYLOAD_REQUEST",
            4.0,
            4.01,
            lambda v: facts(measured=measured(payloads=(payload(request_mb=v),))),
        ),
        (
            "PAYLOAD_RESPONSE",
            4.0,
            4.01,
            lambda v: facts(measured=measured(payloads=(payload(response_mb=v),))),
        ),
        (
            "CONCURRENCY_QUOTA",
            5,
            6,
            lambda v: facts(account=account(other_concurrency=v)),
        ),
        ("ENDPOINT_QUOTA", 4, 5, lambda v: facts(account=account(other_endpoints=v))),
        (
            "CONCURRENCY_LIMIT",
            200,
            201,
            lambda v: facts(
                load_config(None, endpoint={"max_concurrency": v}),
                account=account(total_concurrency=Quota(1000, "account quota")),
            ),
        ),
        (
            "PROVISIONED_CONCURRENCY",
            5,
            6,
            lambda v: facts(load_config(None, endpoint={"provisioned_concurrency": v})),
        ),
        (
            "IMAGE_SIZE",
            10240,
            10241,
            lambda v: facts(profile=facts().profile.model_copy(update={"image_size_mb": v})),
        ),
        (
            "ARTIFACT_DISK",
            5119,
            5120,
            lambda v: facts(measured=measured(unpacked_size_mb=v)),
        ),
        (
            "QUALITY_GUARD",
            0.001,
            0.0011,
            lambda v: facts(
                candidate=CANDIDATE.model_copy(
                    update={
                        "agreement": CANDIDATE.agreement.model_copy(update={"mean_deviation": v})
                    }
                )
            ),
        ),
    ],
)
def test_a_limit_passes_at_it_and_fails_over_it(
    code: str, at: float, over: float, make: Any
) -> None:
    assert check(judge(make(at)), code).status == "pass"
    failed = judge(make(over))
    assert check(failed, code).status == "fail"
    assert check(failed, code).fix
    assert not failed.ready


@pytest.mark.parametrize(
    ("p95_ms", "status"),
    [
        pytest.param(499, "pass", id="under"),
        pytest.param(500, "pass", id="exactly"),
        pytest.param(501, "fail", id="over"),
    ],
)
def test_the_latency_objective_is_met_by_some_tier_or_fails(p95_ms: float, status: str) -> None:
    slow = payload(
        latency_p50_ms=p95_ms,
        latency_p95_ms=p95_ms,
        latency_p99_ms=p95_ms,
        cpu_s_per_request=p95_ms / 1000,
    )
    found = judge(facts(measured=measured(payloads=(slow,))))
    assert check(found, "LATENCY_OBJECTIVE").status == status
    if status == "pass":
        # 1024 MB have less than a core, and would be slower than measured
        assert found.recommended is not None
        assert found.recommended.memory_size_mb == 2048


@pytest.mark.parametrize(
    ("waited_s", "status"),
    [
        pytest.param(59, "unknown", id="under: it was given up before the service would have"),
        pytest.param(60, "fail", id="exactly"),
        pytest.param(61, "fail", id="over"),
    ],
)
def test_no_answer_within_the_service_s_time_fails_with_numbers(
    waited_s: float, status: str
) -> None:
    silent = payload(
        requests=0,
        errors=1,
        first_error=f"no answer in {waited_s} s",
        no_answer_s=waited_s,
        latency_p50_ms=None,
        latency_p95_ms=None,
        latency_p99_ms=None,
        cpu_s_per_request=None,
        response_mb=None,
    )
    found = judge(facts(measured=measured(payloads=(payload(), silent))))
    timeout = check(found, "INVOCATION_TIMEOUT")
    assert (timeout.status, found.ready) == (status, False)
    if status == "fail":
        assert (timeout.measured, timeout.limit) == (waited_s, 60)
        assert timeout.detail == f"no answer within {waited_s} s on whole cores: payload one"
        assert "Send fewer rows" in timeout.fix
    objective = check(found, "LATENCY_OBJECTIVE")
    assert (objective.status, objective.measured) == ("fail", 1000 * waited_s)


def test_one_request_without_an_answer_fails_beside_many_that_had_one() -> None:
    once = payload(errors=1, first_error="no answer in 60 s", no_answer_s=60)
    found = judge(facts(measured=measured(payloads=(once,))))
    assert check(found, "INVOCATION_TIMEOUT").status == "fail"


def test_a_first_prediction_that_never_came_is_a_timeout_too() -> None:
    mute = measured(payloads=(), cold_start=None, failure="no answer in 60 s", no_answer_s=60)
    timeout = check(judge(facts(measured=mute)), "INVOCATION_TIMEOUT")
    assert timeout.status == "fail"
    assert "the first request of a cold start" in timeout.detail


def test_the_service_ends_an_invocation_after_a_minute() -> None:
    wide = load_config(None, objectives={"latency_p95_ms": 120_000})
    slow = payload(latency_p95_ms=50_000, latency_p99_ms=60_001, cpu_s_per_request=1)
    found = judge(facts(wide, measured=measured(payloads=(slow,))))
    assert check(found, "INVOCATION_TIMEOUT").status == "fail"


@pytest.mark.parametrize(
    ("seconds", "limit_status"), [(179.0, "pass"), (180.0, "pass"), (181.0, "fail")]
)
def test_start_up_has_three_minutes(seconds: float, limit_status: str) -> None:
    wide = load_config(None, objectives={"cold_start_s": 1000}, endpoint={"memory_size_mb": 2048})
    cold = ColdStart(to_port_s=1, to_ping_s=2, to_first_prediction_s=seconds, cpu_s=1, repeats=1)
    found = judge(facts(wide, measured=measured(cold_start=cold)))
    assert check(found, "COLD_START_LIMIT").status == limit_status


def test_the_image_target_only_warns() -> None:
    big = facts().profile.model_copy(update={"image_size_mb": 501.0})
    found = judge(facts(profile=big))
    assert check(found, "IMAGE_TARGET").status == "warn"
    assert found.ready


@pytest.mark.parametrize(
    ("plan", "named"),
    [
        (MonitoringPlan(None, True, True), "baseline"),
        (MonitoringPlan(BASELINE.model_copy(update={"bounds": ()}), True, True), "baseline"),
        (MonitoringPlan(BASELINE, False, True), "bucket"),
        (MonitoringPlan(BASELINE, True, False), "topic"),
    ],
)
def test_without_a_monitoring_plan_nothing_is_ready(plan: MonitoringPlan, named: str) -> None:
    found = judge(facts(plan=plan))
    assert not found.ready
    assert named in check(found, "MONITORING_PLAN").detail


@pytest.mark.parametrize(
    ("package", "named"),
    [
        ({"InferenceSpecification": {"Containers": [{}, {}]}}, "inference pipeline"),
        (
            {
                "InferenceSpecification": {
                    "Containers": [{"Environment": {"SAGEMAKER_MULTI_MODEL": "true"}}]
                }
            },
            "multi-model endpoint",
        ),
        ({"CertifyForMarketplace": True}, "AWS Marketplace package"),
    ],
)
def test_each_unsupported_feature_is_named(package: dict[str, Any], named: str) -> None:
    found = judge(facts(package=package))
    features = [item for item in found.checks if item.code == "UNSUPPORTED_FEATURE"]
    assert [item.detail for item in features] == [named]
    assert not found.ready


@pytest.mark.parametrize(
    ("image", "named"),
    [
        ("registry.example.com/serving:1", "private Docker registry"),
        ("123456789012.dkr.ecr.us-east-1.amazonaws.com/serving:2.0-gpu", "GPU image"),
        ("123456789012.dkr.ecr.us-east-1.amazonaws.com/serving:2.0-cu121", "GPU image"),
    ],
)
def test_an_image_that_serverless_cannot_run_is_named(image: str, named: str) -> None:
    found = judge(facts(load_config(None, images={"serving": image})))
    assert named in [item.detail for item in found.checks if item.code == "UNSUPPORTED_FEATURE"]


def test_the_image_that_a_candidate_brings_is_looked_at_in_place_of_the_configured_one() -> None:
    ours = CANDIDATE.model_copy(update={"inference_image": "registry.example.com/neo:1-gpu"})
    found = judge(facts(candidate=ours))
    named = {item.detail for item in found.checks if item.code == "UNSUPPORTED_FEATURE"}
    assert named == {"private Docker registry", "GPU image"}


def test_model_data_must_be_one_archive() -> None:
    package = {"InferenceSpecification": {"Containers": [{"ModelDataSource": {}}]}}
    assert check(judge(facts(package=package)), "SINGLE_ARCHIVE").status == "fail"


def test_a_rejected_candidate_fails_with_the_reason() -> None:
    rejected = CANDIDATE.model_copy(update={"rejection": "auc falls from 0.75 to 0.60"})
    found = judge(facts(candidate=rejected))
    assert check(found, "QUALITY_GUARD").status == "fail"
    assert "0.60" in check(found, "QUALITY_GUARD").detail


def test_equal_costs_go_to_the_smaller_tier() -> None:
    given = {"serverless_usd_per_gb_second": 0.0}
    free = with_given(load_prices("us-east-1"), given, today=date(2026, 11, 24))
    tier = choose_tier(facts(prices=free))
    assert tier is not None
    assert tier.memory_size_mb == 1024


def failing(code: str, measured: float, limit: float) -> Check:
    return Check(
        code=code,
        status="fail",
        measured=measured,
        limit=limit,
        unit="MB",
        source="account quota",
        detail="d",
        fix="f",
    )


URI = "s3://" + "b" * 63 + "/runs/" + "x" * 120 + "/JudgeReadiness/verdict"


def test_one_failing_check_is_told_with_its_numbers() -> None:
    found = judge(facts(measured=measured(peak_memory_mb=3700)))
    answer = verdict(found, (), "s3://b/verdict")
    assert not answer.ready
    assert "MEMORY_TIER_QUOTA 5120 MB over 3072 (assumed quota)" in answer.message
    assert "s3://b/verdict/readiness.json" in answer.message


@pytest.mark.parametrize("count", [1, 10, 29, 200])
def test_any_number_of_failing_checks_keeps_the_message_limit(count: int) -> None:
    checks = tuple(failing(f"CODE_{'ABCDEFGHIJ'[i % 10] * 20}", i + 2, 1) for i in range(count))
    readiness = Readiness(
        ready=False,
        model_package_arn=None,
        candidate="fp32",
        recommended=None,
        cost=None,
        checks=checks,
    )
    message = verdict(readiness, (), URI).message
    assert len(message.encode()) <= MAX_MESSAGE_BYTES
    assert f"{count + 1} MB over 1" in message, "the worst comes first"
    assert message.endswith("readiness.json")
    if count == 200:
        assert "more)" in message


def test_all_checks_failing_at_once_keep_the_message_limit() -> None:
    checks = [item.model_copy(update={"status": "fail"}) for item in judge(facts()).checks]
    readiness = judge(facts()).model_copy(update={"ready": False, "checks": tuple(checks)})
    message = verdict(readiness, (), URI).message
    assert len(message.encode()) <= MAX_MESSAGE_BYTES
    assert sum(item.code in message for item in checks) >= 5


def test_quotas_and_limits_come_before_objectives() -> None:
    objective = failing("LATENCY_OBJECTIVE", 9000, 1).model_copy(update={"source": "objective"})
    readiness = Readiness(
        ready=False,
        model_package_arn=None,
        candidate="fp32",
        recommended=None,
        cost=None,
        checks=(objective, failing("MEMORY_TIER_QUOTA", 2, 1)),
    )
    message = verdict(readiness, (), URI).message
    assert message.index("MEMORY_TIER_QUOTA") < message.index("LATENCY_OBJECTIVE")
