"""The largest request that stays within a tier's memory and the service's payload limit.

From what was measured alone: the samples, and the same rows repeated up to the limit. Between two
measured sizes the curve is taken to be no steeper than the steeper of the two chords that meet at
the lower one; that holds for a curve that bends either way. Nothing is said beyond the largest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from seatrial.contracts import CandidateProfile, PayloadProfile

Bound = Literal["memory", "response", "error", "largest measured"]


@dataclass(frozen=True)
class SafePayload:
    """`request_mb` and `rows` are None if the smallest is not safe; `bound` is what ends it."""

    memory_size_mb: int
    request_mb: float | None
    rows: int | None
    bound: Bound


def safe_payloads(
    measured: CandidateProfile,
    tiers_mb: Iterable[int],
    *,
    usable_ratio: float,
    payload_limit_mb: float,
) -> tuple[SafePayload, ...]:
    """The largest safe request of each tier, of which `usable_ratio` may be used."""
    points = sorted((*measured.payloads, *measured.scaled), key=lambda item: item.request_mb)
    return tuple(
        _safe_payload(points, size, size * usable_ratio, payload_limit_mb) for size in tiers_mb
    )


def _safe_payload(
    points: list[PayloadProfile], memory_size_mb: int, usable_mb: float, limit_mb: float
) -> SafePayload:
    safe: list[PayloadProfile] = []
    for item in points:
        bound = _bound(item, usable_mb, limit_mb)
        if bound is None:
            safe.append(item)
            continue
        if not safe:
            return SafePayload(memory_size_mb, None, None, bound)
        share = 0.0
        if bound == "memory" and not item.stopped:
            curve = [(point.request_mb, point.peak_memory_mb) for point in (*safe, item)]
            share = _share(curve, usable_mb)
        elif bound == "response":
            curve = [(point.request_mb, point.response_mb or 0.0) for point in (*safe, item)]
            share = _share(curve, limit_mb)
        last = safe[-1]
        request_mb = last.request_mb + share * (item.request_mb - last.request_mb)
        rows = int(last.rows + share * (item.rows - last.rows))
        return SafePayload(memory_size_mb, request_mb, rows, bound)
    if not safe:
        return SafePayload(memory_size_mb, None, None, "error")
    return SafePayload(memory_size_mb, safe[-1].request_mb, safe[-1].rows, "largest measured")


def _bound(item: PayloadProfile, usable_mb: float, limit_mb: float) -> Bound | None:
    if item.stopped or item.peak_memory_mb > usable_mb:
        return "memory"
    if item.errors or not item.requests or item.response_mb is None or item.request_mb > limit_mb:
        return "error"
    return "response" if item.response_mb > limit_mb else None


def _share(curve: list[tuple[float, float]], limit: float) -> float:
    """How far between the last two points the curve certainly stays within the limit, 0 to 1."""
    *_, (from_x, from_y), (to_x, _) = curve
    slopes = [
        (high_y - low_y) / (high_x - low_x)
        for (low_x, low_y), (high_x, high_y) in pairwise(curve[-3:])
        if high_x > low_x
    ]
    steepest = max(slopes, default=0.0)
    if to_x <= from_x or steepest <= 0:
        return 0.0
    return min(1.0, (limit - from_y) / steepest / (to_x - from_x))
