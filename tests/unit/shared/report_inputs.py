"""A run with everything a report can show: two profiled candidates, samples over time, traffic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from readiness_facts import CANDIDATE, account, facts, growth, measured, payload

from seatrial.config import Config, load_config
from seatrial.contracts import (
    Agreement,
    BatchLatency,
    Candidate,
    ColdStart,
    Estimate,
    MemorySample,
    Optimization,
    Profile,
    Readiness,
    TierLatency,
)
from seatrial.readiness.choice import choose
from seatrial.readiness.facts import ArchiveLook, Facts


@dataclass(frozen=True)
class Inputs:
    """What `render` is given."""

    readiness: Readiness
    optimization: Optimization
    profile: Profile
    config: Config


def run(name: str = "fp32", *, config: Config | None = None, **changes: Any) -> Inputs:
    """Judged: the fp32 candidate, under that name, beside an int8 one."""
    config = config or load_config()
    candidates = (candidate(name, 420.0, 180.0), candidate("int8-static", 110.0, 75.0))
    profiles = (
        profiled(name, 180.0, 900.0, **changes),
        profiled("int8-static", 75.0, 420.0, **changes),
    )
    base = facts(config)
    optimization = base.optimization.model_copy(update={"candidates": candidates})
    profile = base.profile.model_copy(update={"candidates": profiles})
    made = [
        Facts(
            **{
                **vars(base),
                "candidate": item,
                "measured": seen,
                "optimization": optimization,
                "profile": profile,
                "account": account(),
                "archive": ArchiveLook(None, ()),
            }
        )
        for item, seen in zip(candidates, profiles, strict=True)
    ]
    return Inputs(choose(made), optimization, profile, config)


def candidate(name: str, size_mb: float, p50_ms: float) -> Candidate:
    exact = name != "int8-static"
    drop = 0.0 if exact else 0.0012
    return CANDIDATE.model_copy(
        update={
            "name": name,
            "precision": "fp32" if exact else "int8",
            "model_size_mb": size_mb,
            "latencies": (BatchLatency(rows=1, p50_ms=p50_ms, p99_ms=p50_ms, cpu_ms=1, calls=9),),
            "drops": {"auc": Estimate(value=drop, low=drop - 0.0008, high=drop + 0.0009)},
            "quality": {"auc": 0.7671 - drop, "f1": 0.412},
            "agreement": Agreement(
                rows=14302,
                max_deviation=0.001,
                mean_deviation=1e-5 if exact else 0.004,
                label_agreement_ratio=1.0,
            ),
        }
    )


def profiled(name: str, ms: float, peak_mb: float, **changes: Any) -> Any:
    slow = {"latency_p50_ms": ms, "latency_p95_ms": 1.2 * ms, "latency_p99_ms": 1.4 * ms}
    sizes = [("one-row", 1, 0.001), ("one-day", 500, 0.2), ("batch", 4000, 1.6)]
    made = {
        "candidate": name,
        "cold_start": ColdStart(
            to_port_s=1.1,
            to_ping_s=1.1 + ms / 150,
            to_first_prediction_s=1.4 + ms / 140,
            cpu_s=2,
            repeats=3,
        ),
        "peak_memory_mb": peak_mb,
        "payloads": tuple(
            payload(
                payload=label,
                rows=rows,
                request_mb=size,
                response_mb=size / 4,
                peak_memory_mb=peak_mb - 300 + 300 * rows / 4000,
                cpu_s_per_request=ms / 1000,
                **slow,
            )
            for label, rows, size in sizes
        ),
        "scaled": (
            payload(payload="batch x2", rows=8000, request_mb=3.2, peak_memory_mb=peak_mb + 310),
        ),
        "memory": tuple(
            MemorySample(at_s=step / 4, memory_mb=(peak_mb - 9) * (1 - 0.8 * 0.9**step) + step % 7)
            for step in range(120)
        ),
        "growth": growth(1.2, 0.9, 1.5),
        "tier_latencies": tuple(
            TierLatency(
                memory_size_mb=tier,
                payload=label,
                latency_p50_ms=ms * 1769 / tier,
                latency_p95_ms=1.3 * ms * 1769 / tier,
                requests=40,
            )
            for tier in (1024, 2048)
            for label, _, _ in sizes
        ),
    }
    return measured(**{**made, **changes})
