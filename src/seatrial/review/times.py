"""Advice on how long callers wait: for a sandbox, and for an answer."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.contracts.review import Advice
from seatrial.review.situation import Situation

LEAST_FOR_P95 = 20


def cold_starts(found: Situation) -> Iterator[Advice]:
    """Their share, and whether the slowest met the objective.

    The log tells callers from pings, and CloudWatch does not.
    """
    usage, limit_s = found.usage, found.config.objectives.cold_start_s
    if usage.setup_max_s is None:
        return
    told = (
        f"{_cold(found)} were cold, {usage.setup_mean_s or 0:.1f} s on average and "
        f"{usage.setup_max_s:.1f} s at most"
    )
    over = usage.setup_max_s > limit_s
    fix = f"; the objective is {limit_s:g} s: make the image or the model smaller, or provision"
    yield Advice(topic="COLD_STARTS", act=over, detail=told + (fix if over else ""))


def _cold(found: Situation) -> str:
    logged = found.usage.logged
    if logged is not None and logged.calls.callers.marked:
        callers = logged.calls.callers
        return f"{callers.cold / callers.marked:.1%} of callers' requests"
    return f"{found.usage.cold_starts / found.usage.requests:.1%} of requests"


def latency(found: Situation) -> Iterator[Advice]:
    """The worst day's p95 against the objective; more memory helps up to one whole CPU."""
    p95_ms, limit_ms = found.usage.latency_p95_ms, found.config.objectives.latency_p95_ms
    if p95_ms is None:
        return
    told = f"p95 was {p95_ms:.1f} ms on the worst day, the objective is {limit_ms:g} ms"
    callers_ms = _callers_p95_ms(found)
    if callers_ms is not None:
        # CloudWatch's is of pings and load tests, too, and they are quick
        told += f"; of the callers alone {callers_ms:.1f} ms in the server, over all days"
        p95_ms = max(p95_ms, callers_ms)
    if p95_ms <= limit_ms:
        yield Advice(topic="LATENCY", act=False, detail=told)
        return
    faster = next(
        (
            tier
            for tier in sorted(found.limits.memory_tiers_mb.value)
            if found.serving.memory_size_mb < tier <= found.serving.quota_mb
            and p95_ms * found.slower(tier) <= limit_ms
        ),
        None,
    )
    if faster is None:
        yield Advice(topic="LATENCY", act=True, detail=f"{told}: no tier's CPU share is enough")
        return
    yield Advice(
        topic="LATENCY",
        act=True,
        detail=f"{told}: {faster} MB would have the CPU for it",
        change={"endpoint.memory_size_mb": faster},
    )


def _callers_p95_ms(found: Situation) -> float | None:
    """What the log says of it; None of fewer than have a 95th percentile."""
    logged = found.usage.logged
    if logged is None or logged.calls.callers.server_ms.count < LEAST_FOR_P95:
        return None
    return logged.calls.callers.server_ms.percentile(95)
