"""A candidate without fault, and every fact about it, to be changed one at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from seatrial.config import Config, load_config
from seatrial.contracts import (
    Agreement,
    Baseline,
    Behaviour,
    Candidate,
    CandidateProfile,
    Check,
    ColdStart,
    DriftBound,
    MemoryGrowth,
    Optimization,
    PayloadProfile,
    Profile,
    Readiness,
)
from seatrial.cost.prices import load_prices
from seatrial.limits import load_limits
from seatrial.readiness.facts import Account, ArchiveLook, Facts, MonitoringPlan, Quota

CANDIDATE = Candidate(
    name="fp32",
    backend="onnxruntime",
    precision="fp32",
    graph_optimization="extended",
    archive="fp32/model.tar.gz",
    archive_sha256="0" * 64,
    archive_size_mb=1,
    model_size_mb=2,
    agreement=Agreement(
        rows=100, max_deviation=1e-6, mean_deviation=1e-7, label_agreement_ratio=1.0
    ),
    quality={"auc": 0.75},
    rejection=None,
)
BASELINE = Baseline(
    model_package_arn=None,
    task="binary_classification",
    target="late",
    rows=1000,
    started_at=None,
    ended_at=None,
    input_columns=("temp",),
    output_columns=("score",),
    bounds=(
        DriftBound(
            column="temp",
            metric="wasserstein_std",
            window_h=168,
            bound=1,
            floor=0.1,
            blocks=12,
            largest_block_score=0.9,
        ),
    ),
    bound_method="contiguous blocks",
    false_alert_every_windows=20,
    held_out_rows=100,
    seed=1,
    quality={"auc": 0.75},
)


WELL_BEHAVED = Behaviour(
    writes_outside=(),
    shared_memory_mb=0,
    workers=1,
    model_copies=1,
    startup_connections=(),
    listening_ports=(8080,),
    early_ready=False,
)


def growth(slope: float, low: float, high: float) -> MemoryGrowth:
    """In MB per 1000 requests."""
    return MemoryGrowth(
        requests=1000, slope_mb_per_1000_requests=slope, slope_low=low, slope_high=high
    )


def payload(**changes: Any) -> PayloadProfile:
    return PayloadProfile(
        **{
            "payload": "one",
            "rows": 1,
            "request_mb": 0.1,
            "response_mb": 0.1,
            "requests": 50,
            "errors": 0,
            "first_error": None,
            "peak_memory_mb": 100,
            "stopped": False,
            "latency_p50_ms": 5,
            "latency_p95_ms": 10,
            "latency_p99_ms": 12,
            "cpu_s_per_request": 0.005,
            **changes,
        }
    )


def measured(**changes: Any) -> CandidateProfile:
    return CandidateProfile(
        **{
            "candidate": "fp32",
            "archive_size_mb": 1,
            "unpacked_size_mb": 2,
            "cold_start": ColdStart(
                to_port_s=0.1, to_ping_s=0.2, to_first_prediction_s=0.3, cpu_s=0.3, repeats=3
            ),
            "idle_memory_mb": 60,
            "peak_memory_mb": 100,
            "stopped": False,
            "processes": 1,
            "threads": 4,
            "payloads": (payload(),),
            "growth": growth(0, -1, 1),
            "behaviour": WELL_BEHAVED,
            "failure": None,
            **changes,
        }
    )


def facts(config: Config | None = None, **changes: Any) -> Facts:
    found: dict[str, Any] = {
        "candidate": CANDIDATE,
        "measured": measured(),
        "profile": Profile(
            memory_method="test",
            memory_stop_mb=6144,
            image_size_mb=200,
            image_size_method="files",
            uncompiled_modules=0,
            python="3.11",
            cpu="test",
            cpu_count=2,
            serve_command=("serve",),
            candidates=(measured(),),
        ),
        "optimization": Optimization(
            model_package_arn=None,
            flavor="sklearn",
            task="binary_classification",
            original_size_mb=2,
            original_quality={"auc": 0.75},
            candidates=(CANDIDATE,),
            optimizer="test",
            cpu="test",
        ),
        "package": {},
        "account": Account(
            memory_size_mb=Quota(3072, "assumed quota"),
            total_concurrency=Quota(10, "account quota"),
            endpoints=Quota(5, "account quota"),
            other_concurrency=0,
            other_endpoints=0,
        ),
        "plan": MonitoringPlan(BASELINE, True, True),
        "config": config or load_config(),
        "limits": load_limits(),
        "prices": load_prices("us-east-1"),
        "archive": ArchiveLook(None, ()),
    }
    return Facts(**{**found, **changes})


def check(found: Readiness, code: str) -> Check:
    return next(item for item in found.checks if item.code == code)


def account(**changes: Any) -> Account:
    return replace(facts().account, **changes)


def with_behaviour(**changes: Any) -> Facts:
    """The same facts, the server behaving otherwise."""
    seen = WELL_BEHAVED.model_copy(update=changes)
    return facts(measured=measured(behaviour=seen))
