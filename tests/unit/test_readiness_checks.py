"""The checks of what was measured beyond memory and latency: growth, behaviour, archives, tiers."""

from __future__ import annotations

import io
import pickle
import tarfile
from pathlib import Path
from typing import Any

import pytest
from readiness_facts import (
    CANDIDATE,
    account,
    check,
    facts,
    growth,
    measured,
    payload,
    with_behaviour,
)

from seatrial.config import load_config
from seatrial.contracts import ColdStart, Origin, TierLatency, TierStart
from seatrial.readiness.facts import ArchiveLook, Facts, Quota
from seatrial.readiness.inputs import look_into
from seatrial.readiness.verdict import judge, worst_first

CODES = [
    "MEMORY_HEADROOM",
    "MEMORY_TIER_QUOTA",
    "MEMORY_LEAK",
    "OVER_PROVISIONED",
    "COLD_START_LIMIT",
    "COLD_START_OBJECTIVE",
    "LATENCY_OBJECTIVE",
    "INVOCATION_TIMEOUT",
    "PAYLOAD_REQUEST",
    "PAYLOAD_RESPONSE",
    "IMAGE_SIZE",
    "IMAGE_TARGET",
    "IMAGE_BYTECODE",
    "ARTIFACT_DISK",
    "SINGLE_ARCHIVE",
    "CONCURRENCY_LIMIT",
    "CONCURRENCY_QUOTA",
    "ENDPOINT_QUOTA",
    "PROVISIONED_CONCURRENCY",
    "UNSUPPORTED_FEATURE",
    "WORKER_COUNT",
    "WRITES_OUTSIDE_TMP",
    "SHARED_MEMORY",
    "STARTUP_NETWORK",
    "READY_EARLY",
    "LISTENING_PORTS",
    "QUALITY_GUARD",
    "UNSAFE_ARTIFACT",
    "MONITORING_PLAN",
    "BASELINE_MATCH",
]
ASKED_FOR = ["COST_OBJECTIVE", "REALTIME_CHEAPER"]  # only with an objective or traffic: test_costs


def test_every_code_is_judged_and_no_other() -> None:
    assert sorted({item.code for item in judge(facts()).checks}) == sorted(CODES)
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    for code in (*CODES, *ASKED_FOR):
        assert tests.count(f'"{code}"') > 1, f"{code} is named in the list above only"


@pytest.mark.parametrize(
    ("slope", "low", "status"),
    [
        # 100 MB in use, 1024 in the tier, 10 000 requests: 92.4 MB a thousand fill it
        pytest.param(92.3, 80, "pass", id="under"),
        pytest.param(92.4, 80, "pass", id="exactly"),
        pytest.param(92.5, 80, "fail", id="over"),
        pytest.param(500, 0, "pass", id="maybe-no-growth"),
        pytest.param(500, -0.1, "pass", id="not-sure-to-grow"),
    ],
)
def test_a_leak_is_growth_for_sure_that_fills_the_tier(
    slope: float, low: float, status: str
) -> None:
    found = check(judge(facts(measured=measured(growth=growth(slope, low, 1000)))), "MEMORY_LEAK")
    assert found.status == status
    if status == "fail":
        assert "1024 MB are full after 9989 requests" in found.detail


def test_without_a_sustained_run_a_leak_is_unknown_and_does_not_block() -> None:
    found = judge(facts(measured=measured(growth=None)))
    assert check(found, "MEMORY_LEAK").status == "unknown"
    assert found.ready


@pytest.mark.parametrize(
    ("tier", "status", "spare"),
    [
        pytest.param(1024, "pass", 0, id="under"),
        pytest.param(2048, "pass", 1, id="one-is-a-margin"),
        pytest.param(3072, "warn", 2, id="two"),
    ],
)
def test_two_tiers_down_would_hold(tier: int, status: str, spare: int) -> None:
    found = judge(facts(load_config(None, endpoint={"memory_size_mb": tier})))
    seen = check(found, "OVER_PROVISIONED")
    assert (seen.status, seen.measured) == (status, spare)
    assert found.ready
    if status == "warn":
        assert seen.fix == "Set endpoint.memory_size_mb to 1024"


def test_a_tier_that_is_faster_is_not_over_provisioned_for_latency() -> None:
    # four threads: 3072 MB are three times as fast as 1024
    busy = payload(cpu_s_per_request=0.04, latency_p95_ms=10)
    config = load_config(
        None, endpoint={"memory_size_mb": 3072}, objectives={"optimize_for": "latency"}
    )
    found = judge(facts(config, measured=measured(payloads=(busy,))))
    assert check(found, "OVER_PROVISIONED").status == "pass"


@pytest.mark.parametrize(
    ("code", "at", "over", "status", "make"),
    [
        ("WRITES_OUTSIDE_TMP", (), ("/opt/x",), "fail", lambda v: with_behaviour(writes_outside=v)),
        ("SHARED_MEMORY", 0, 0.1, "fail", lambda v: with_behaviour(shared_memory_mb=v)),
        (
            "STARTUP_NETWORK",
            (),
            ("10.1.2.3:443",),
            "warn",
            lambda v: with_behaviour(startup_connections=v),
        ),
        ("READY_EARLY", False, True, "fail", lambda v: with_behaviour(early_ready=v)),
        (
            "LISTENING_PORTS",
            (8080,),
            (8081, 8080),
            "warn",
            lambda v: with_behaviour(listening_ports=v),
        ),
        ("WORKER_COUNT", 1, 2, "warn", lambda v: with_behaviour(workers=v)),
        ("WORKER_COUNT", 1, 2, "warn", lambda v: with_behaviour(model_copies=v)),
        (
            "IMAGE_BYTECODE",
            0,
            1,
            "warn",
            lambda v: facts(profile=facts().profile.model_copy(update={"uncompiled_modules": v})),
        ),
        ("UNSAFE_ARTIFACT", (), ("a.pkl",), "fail", lambda v: facts(archive=ArchiveLook(None, v))),
        ("UNSAFE_ARTIFACT", None, "a link", "fail", lambda v: facts(archive=ArchiveLook(v, ()))),
    ],
)
def test_what_is_not_to_be_there_is_named(
    code: str, at: Any, over: Any, status: str, make: Any
) -> None:
    assert check(judge(make(at)), code).status == "pass"
    found = judge(make(over))
    seen = check(found, code)
    assert seen.status == status
    assert seen.fix
    assert found.ready is (status == "warn")
    if isinstance(over, tuple):
        assert str(over[0]) in seen.detail


@pytest.mark.parametrize(
    ("code", "made"),
    [
        ("WRITES_OUTSIDE_TMP", with_behaviour(writes_outside=None, why=("no /proc here",))),
        ("SHARED_MEMORY", with_behaviour(shared_memory_mb=None, why=("no /proc here",))),
        ("STARTUP_NETWORK", with_behaviour(startup_connections=None, why=("no /proc here",))),
        ("READY_EARLY", with_behaviour(early_ready=None, why=("no /proc here",))),
        ("LISTENING_PORTS", with_behaviour(listening_ports=None, why=("no /proc here",))),
        ("LISTENING_PORTS", with_behaviour(listening_ports=(9000,), why=("no /proc here",))),
    ],
)
def test_what_could_not_be_seen_is_unknown_says_why_and_does_not_block(
    code: str, made: Facts
) -> None:
    found = judge(made)
    assert check(found, code).status == "unknown"
    assert check(found, code).detail == "no /proc here"
    assert found.ready


def test_other_ports_are_counted_and_the_port_of_the_service_is_not() -> None:
    seen = check(judge(with_behaviour(listening_ports=(8080, 8081, 8082))), "LISTENING_PORTS")
    assert (seen.measured, seen.limit) == (2, 0)
    assert seen.detail == "TCP ports beside 8080: 8081, 8082"


def test_an_early_ping_is_told_once_and_not_with_the_cold_start() -> None:
    found = judge(with_behaviour(early_ready=True))
    assert [item.code for item in found.checks if "before a prediction" in item.detail] == [
        "READY_EARLY"
    ]
    assert "503" in check(found, "READY_EARLY").fix


def test_without_its_own_count_workers_are_the_servers_processes() -> None:
    seen = measured(processes=3, behaviour=with_behaviour(workers=None).measured.behaviour)
    assert check(judge(facts(measured=seen)), "WORKER_COUNT").measured == 3


def test_bytecode_that_nobody_counted_is_unknown() -> None:
    unseen = facts().profile.model_copy(update={"uncompiled_modules": None})
    assert check(judge(facts(profile=unseen)), "IMAGE_BYTECODE").status == "unknown"


def test_an_archive_that_is_not_there_blocks() -> None:
    found = judge(facts(archive=None))
    assert check(found, "UNSAFE_ARTIFACT").status == "unknown"
    assert not found.ready


@pytest.mark.parametrize(("trusted_by", "status"), [("user", "warn"), ("allow list", "pass")])
def test_a_source_that_only_the_user_vouches_for_is_told(trusted_by: Any, status: str) -> None:
    origin = Origin(
        flavor="sklearn",
        task="binary_classification",
        source_format="pickle",
        trusted_by=trusted_by,
        size_mb=1,
        rows=10,
        versions={},
        files={},
        findings=(),
        cold_cpu_s=1,
    )
    optimization = facts().optimization.model_copy(update={"origin": origin})
    found = judge(facts(optimization=optimization))
    assert check(found, "UNSAFE_ARTIFACT").status == status
    assert found.ready


def archive(path: Path, *members: tuple[str, bytes], link: bool = False) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        if link:
            member = tarfile.TarInfo("link")
            member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(member)
    return path


def looked(folder: Path, **changes: Any) -> ArchiveLook | None:
    candidate = CANDIDATE.model_copy(update={"archive": "model.tar.gz", **changes})
    return look_into(candidate, folder, max_mb=1)


def test_pickles_are_found_by_name_and_by_how_they_begin(tmp_path: Path) -> None:
    disguised = pickle.dumps({"a": 1})
    members = (("model.onnx", b"onnx"), ("weights.bin", disguised), ("code/a.joblib", b""))
    archive(tmp_path / "model.tar.gz", *members)
    assert looked(tmp_path) == ArchiveLook(None, ("code/a.joblib", "weights.bin"))


def test_an_archive_that_does_not_unpack_safely_is_a_problem(tmp_path: Path) -> None:
    archive(tmp_path / "model.tar.gz", ("model.onnx", b"onnx"), link=True)
    found = looked(tmp_path)
    assert found is not None
    assert found.problem is not None
    assert "a link to /etc/passwd" in found.problem
    # nothing of it stays
    assert [path.name for path in tmp_path.iterdir()] == ["model.tar.gz"]


def test_no_archive_is_not_a_safe_one(tmp_path: Path) -> None:
    assert looked(tmp_path) is None
    assert looked(tmp_path, archive=None) is None


# ---- latencies: under the tier's CPU share where there are, else predicted


def under_quota(p95_ms: float, *, tier: int = 1024, name: str = "one") -> TierLatency:
    return TierLatency(
        memory_size_mb=tier,
        payload=name,
        latency_p50_ms=10,
        latency_p95_ms=p95_ms,
        latency_mean_ms=10 + 0.05 * (p95_ms - 10),
        requests=40,
    )


@pytest.mark.parametrize(
    ("p95_ms", "tier"),
    [
        pytest.param(499, 1024, id="under"),
        pytest.param(500, 1024, id="exactly"),
        pytest.param(501, 2048, id="over"),
    ],
)
def test_a_latency_under_the_cpu_quota_beats_the_prediction(p95_ms: float, tier: int) -> None:
    few = payload(latency_p50_ms=40, latency_p95_ms=80, latency_p99_ms=80, cpu_s_per_request=0.04)
    tiers = (under_quota(p95_ms),)
    found = judge(facts(measured=measured(payloads=(few,), tier_latencies=tiers)))
    assert found.recommended is not None
    assert found.recommended.memory_size_mb == tier
    seen = check(found, "LATENCY_OBJECTIVE")
    if tier == 1024:
        assert seen.measured == p95_ms
        assert "measured under the CPU quota of 1024 MB" in seen.detail
    else:
        assert "predicted for 2048 MB" in seen.detail


def test_one_payload_under_quota_of_two_is_a_prediction() -> None:
    slow = payload(payload="two", latency_p50_ms=20, latency_p95_ms=20, cpu_s_per_request=0.02)
    two = (payload(), slow)
    found = judge(facts(measured=measured(payloads=two, tier_latencies=(under_quota(30),))))
    seen = check(found, "LATENCY_OBJECTIVE")
    assert "predicted" in seen.detail
    assert seen.measured == pytest.approx(20 + 2 * (20 - 20 * 1024 / 1769))  # its own: waits twice


def test_the_price_follows_the_latency_under_quota() -> None:
    found = judge(facts(measured=measured(tier_latencies=(under_quota(10),))))
    assert found.cost is not None
    data = 2 * 0.1 * 2**20 * 0.016 / 1e9
    expected = 1e6 * (0.010 * 2e-5 + data)
    assert found.cost.usd_per_million_requests == pytest.approx(expected, rel=1e-3)


def test_a_started_millisecond_is_billed_whole() -> None:
    short = payload(latency_p50_ms=0.1, latency_p95_ms=0.1, latency_p99_ms=0.1)
    short = short.model_copy(update={"cpu_s_per_request": 0.00001})
    found = judge(facts(measured=measured(payloads=(short,))))
    assert found.cost is not None
    data = 2 * 0.1 * 2**20 * 0.016 / 1e9
    assert found.cost.usd_per_million_requests == pytest.approx(1e6 * (0.001 * 2e-5 + data))


@pytest.mark.parametrize(
    ("p95_ms", "tier"),
    [
        pytest.param(499, 2048, id="under"),
        pytest.param(500, 2048, id="exactly"),
        pytest.param(501, None, id="over"),
    ],
)
def test_a_tier_whose_predicted_p95_is_over_the_objective_gives_way_to_a_larger(
    p95_ms: float, tier: int | None
) -> None:
    # surely no less than 100 ms: at 1024 MB the objective of 500 is missed, but not for sure
    slow = payload(
        latency_p50_ms=300,
        cpu_s_per_request=0.3,
        latency_p95_ms=p95_ms,
        latency_p99_ms=p95_ms,
        latency_max_ms=p95_ms,
        latency_p95_at_least_ms=100,
    )
    found = judge(facts(measured=measured(payloads=(slow,))))
    assert (found.recommended and found.recommended.memory_size_mb) == tier


# ---- too few requests for a percentile


@pytest.mark.parametrize(
    ("least_ms", "status"),
    [
        pytest.param(499, "unknown", id="under"),
        pytest.param(500, "unknown", id="exactly"),
        pytest.param(501, "fail", id="over"),
    ],
)
def test_without_a_p95_what_it_is_at_least_can_only_fail(least_ms: float, status: str) -> None:
    few = payload(
        latency_p95_ms=None,
        latency_p99_ms=None,
        latency_p95_at_least_ms=least_ms,
        latency_max_ms=600,
    )
    config = load_config(None, endpoint={"memory_size_mb": 2048})  # a whole CPU: no slower there
    found = judge(facts(config, measured=measured(payloads=(few,))))
    seen = check(found, "LATENCY_OBJECTIVE")
    assert seen.status == status
    assert "too few requests in the profile's time for a p95" in seen.detail
    assert ("which is at least this" in seen.detail) is (status == "fail")
    assert check(found, "INVOCATION_TIMEOUT").measured == pytest.approx(0.6)


def test_a_tier_is_not_taken_whose_p95_is_surely_over_the_objective() -> None:
    few = payload(
        latency_p50_ms=400,
        cpu_s_per_request=0.4,
        latency_p95_ms=None,
        latency_p95_at_least_ms=400,  # 34 waits of 8.4 ms more at 1024 MB
        latency_max_ms=450,
    )
    found = judge(facts(measured=measured(payloads=(few,))))
    assert found.recommended is not None
    assert found.recommended.memory_size_mb == 2048


def test_a_cold_start_under_the_cpu_quota_beats_the_prediction() -> None:
    start = TierStart(memory_size_mb=1024, to_port_s=1, to_ping_s=2, to_first_prediction_s=3.25)
    seen = check(judge(facts(measured=measured(tier_starts=(start,)))), "COLD_START_OBJECTIVE")
    assert seen.measured == 3.25
    assert "measured under the CPU quota of 1024 MB" in seen.detail
    other = start.model_copy(update={"memory_size_mb": 3072})
    seen = check(judge(facts(measured=measured(tier_starts=(other,)))), "COLD_START_OBJECTIVE")
    assert "predicted for 1024 MB" in seen.detail


# ---- fixes are in numbers


def test_the_fix_says_how_many_rows_fit_and_what_to_ask_for() -> None:
    small = payload(peak_memory_mb=500, rows=1, request_mb=0.1)
    large = payload(
        payload="large", peak_memory_mb=4000, rows=1001, request_mb=1.1, response_mb=0.2
    )
    found = judge(facts(measured=measured(peak_memory_mb=4000, payloads=(small, large))))
    seen = check(found, "MEMORY_TIER_QUOTA")
    # 2457.6 MB of 3072 are usable: (2457.6 - 500) / 3500 of the way from 1 row to 1001
    assert seen.fix == (
        "Send at most 560 rows a request for 3072 MB, quantize the model, or ask AWS support for "
        "5120 MB: quota 3072"
    )
    assert "raise endpoint.memory_size_mb" not in seen.fix


def test_a_fixed_tier_that_is_too_small_says_which_holds_it() -> None:
    config = load_config(None, endpoint={"memory_size_mb": 1024})
    found = judge(facts(config, measured=measured(peak_memory_mb=900)))
    assert "raise endpoint.memory_size_mb to 2048" in check(found, "MEMORY_HEADROOM").fix


@pytest.mark.parametrize(
    ("code", "made", "fix"),
    [
        (
            "CONCURRENCY_QUOTA",
            lambda: facts(account=account(other_concurrency=7)),
            "Lower endpoint.max_concurrency to 3, or ask for 12 of quota L-96300102",
        ),
        (
            "LATENCY_OBJECTIVE",
            lambda: facts(measured=measured(payloads=(payload(latency_p95_ms=1000.5),))),
            "Send fewer rows a request, make the model 2 times faster, or raise "
            "objectives.latency_p95_ms to 1001",
        ),
        (
            "PAYLOAD_REQUEST",
            lambda: facts(measured=measured(payloads=(payload(request_mb=8, rows=100),))),
            "Send at most 50 rows a request",
        ),
        (
            "IMAGE_SIZE",
            lambda: facts(profile=facts().profile.model_copy(update={"image_size_mb": 10250})),
            "Leave out 10 MB of what serving does not import",
        ),
        (
            "ARTIFACT_DISK",
            lambda: facts(measured=measured(unpacked_size_mb=5130)),
            "Make the model 11 MB smaller",
        ),
    ],
)
def test_a_fix_has_its_numbers(code: str, made: Any, fix: str) -> None:
    seen = check(judge(made()), code)
    assert seen.status == "fail"
    assert fix in seen.fix


def start(seconds: float) -> ColdStart:
    return ColdStart(to_port_s=0, to_ping_s=0, to_first_prediction_s=seconds, cpu_s=1, repeats=3)


@pytest.mark.parametrize(
    ("seconds", "status"),
    [
        pytest.param(9.99, "pass", id="under"),
        pytest.param(10.0, "pass", id="exactly"),
        pytest.param(10.01, "fail", id="over"),
    ],
)
def test_the_cold_start_objective_is_met_by_some_tier_or_fails(seconds: float, status: str) -> None:
    found = judge(facts(measured=measured(cold_start=start(seconds))))
    seen = check(found, "COLD_START_OBJECTIVE")
    assert seen.status == status
    assert found.ready is (status == "pass")


@pytest.mark.parametrize(
    ("size_mb", "status"),
    [
        pytest.param(499.9, "pass", id="under"),
        pytest.param(500.0, "pass", id="exactly"),
        pytest.param(500.1, "warn", id="over"),
    ],
)
def test_the_image_target(size_mb: float, status: str) -> None:
    profile = facts().profile.model_copy(update={"image_size_mb": size_mb})
    assert check(judge(facts(profile=profile)), "IMAGE_TARGET").status == status


@pytest.mark.parametrize(
    ("p99_s", "status"),
    [
        pytest.param(59.9, "pass", id="under"),
        pytest.param(60.0, "pass", id="exactly"),
        pytest.param(60.1, "fail", id="over"),
    ],
)
def test_a_minute_an_invocation(p99_s: float, status: str) -> None:
    config = load_config(
        None, objectives={"latency_p95_ms": 90_000}, endpoint={"memory_size_mb": 2048}
    )
    slow = payload(latency_p95_ms=1000, latency_p99_ms=1000 * p99_s)
    found = judge(facts(config, measured=measured(payloads=(slow,))))
    assert check(found, "INVOCATION_TIMEOUT").status == status


def test_worst_comes_first() -> None:
    wide = account(memory_size_mb=Quota(1024, "account quota"))
    found = judge(
        facts(
            account=wide,
            measured=measured(
                peak_memory_mb=2000, growth=None, payloads=(payload(latency_p95_ms=9000),)
            ),
            profile=facts().profile.model_copy(update={"uncompiled_modules": 3}),
        )
    )
    order = [item.status for item in worst_first(found.checks)]
    assert order == sorted(order, key=["fail", "unknown", "warn", "pass"].index)
    assert worst_first(found.checks)[0].code == "MEMORY_TIER_QUOTA"
