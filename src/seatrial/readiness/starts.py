"""How long a cold start takes at a tier: measured under its CPU share, or predicted."""

from __future__ import annotations

from dataclasses import dataclass

from seatrial.contracts import CandidateProfile
from seatrial.readiness.bandwidth import on_share


@dataclass(frozen=True)
class Start:
    """Seconds of a cold start at a tier; `measured` under its CPU share, or predicted."""

    to_ping_s: float
    to_first_prediction_s: float
    measured: bool


def start_at(measured: CandidateProfile, memory_size_mb: float, mb_per_vcpu: float) -> Start | None:
    """The cold start at the tier; predicted, its CPU time over the quota if that is longer."""
    named = (item for item in measured.tier_starts if item.memory_size_mb == memory_size_mb)
    seen, cold = next(named, None), measured.cold_start
    if seen is not None:
        return Start(seen.to_ping_s, seen.to_first_prediction_s, measured=True)
    if cold is None:
        return None
    whole_s = cold.to_first_prediction_s
    there_s = on_share(whole_s, cold.cpu_s, memory_size_mb / mb_per_vcpu)
    slower = there_s / whole_s if whole_s else 1.0
    return Start(cold.to_ping_s * slower, there_s, measured=False)
