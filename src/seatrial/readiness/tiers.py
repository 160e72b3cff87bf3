"""Which memory tier: the best by objective that holds the model and meets all objectives.

CPU grows with memory. SageMaker does not say how; AWS Lambda's rule of one vCPU per 1769 MB is
assumed, so every latency here is *predicted* for a tier from what was measured.
"""

from __future__ import annotations

from dataclasses import dataclass

from seatrial.config import OptimizeFor
from seatrial.contracts import MB, Cost, PayloadProfile
from seatrial.readiness.facts import Facts


@dataclass(frozen=True)
class TierOutlook:
    """What one tier would be like; latencies are predictions, the worst over all payloads."""

    memory_size_mb: int
    holds: bool
    latency_p95_ms: float | None
    latency_p99_ms: float | None
    cold_start_s: float | None
    usd_per_million_requests: float | None

    def figure(self, optimize_for: OptimizeFor) -> float | None:
        """What is to be small; None if it is not known."""
        return {
            "cost": self.usd_per_million_requests,
            "latency": self.latency_p95_ms,
            "cold_start": self.cold_start_s,
        }[optimize_for]


def slowdown(memory_size_mb: int, mb_per_vcpu: float) -> float:
    """How much longer one thread takes at that tier; 1 from a whole vCPU on.

    >>> slowdown(1769, 1769), slowdown(1024, 1769)
    (1.0, 1.7275390625)
    """
    return max(1.0, mb_per_vcpu / memory_size_mb)


def predicted_ms(
    measured_ms: float | None, cpu_s: float | None, memory_size_mb: int, mb_per_vcpu: float
) -> float | None:
    """Latency at the tier: as measured on a whole core, and no less than its CPU allows."""
    if measured_ms is None or cpu_s is None:
        return None
    cpu_bound_ms = 1000 * cpu_s * mb_per_vcpu / memory_size_mb
    return max(measured_ms * slowdown(memory_size_mb, mb_per_vcpu), cpu_bound_ms)


def outlook(facts: Facts, memory_size_mb: int) -> TierOutlook:
    """What `memory_size_mb` would be like for this candidate."""
    payloads = facts.measured.payloads
    share = facts.limits.mb_per_vcpu.value

    def worst(latencies: list[float | None]) -> float | None:
        known = [value for value in latencies if value is not None]
        return max(known) if len(known) == len(latencies) and known else None

    def predict(payload: PayloadProfile, measured_ms: float | None) -> float | None:
        return predicted_ms(measured_ms, payload.cpu_s_per_request, memory_size_mb, share)

    cold = facts.measured.cold_start
    peak = facts.peak_memory_mb
    return TierOutlook(
        memory_size_mb=memory_size_mb,
        holds=peak is not None
        and not facts.measured.stopped
        and peak <= memory_size_mb * facts.usable_ratio,
        latency_p95_ms=worst([predict(item, item.latency_p95_ms) for item in payloads]),
        latency_p99_ms=worst([predict(item, item.latency_p99_ms) for item in payloads]),
        cold_start_s=None
        if cold is None
        else cold.to_first_prediction_s * slowdown(memory_size_mb, share),
        usd_per_million_requests=_usd_per_million(facts, memory_size_mb),
    )


def _usd_per_million(facts: Facts, memory_size_mb: int) -> float | None:
    """On-demand: memory × duration plus data both ways, payloads in equal shares."""
    share = facts.limits.mb_per_vcpu.value
    total = 0.0
    for item in facts.measured.payloads:
        ms = predicted_ms(item.latency_p50_ms, item.cpu_s_per_request, memory_size_mb, share)
        if ms is None or item.response_mb is None:
            return None
        data_gb = (item.request_mb + item.response_mb) * MB / 1e9
        total += usd_per_second(facts, memory_size_mb) * ms / 1000
        total += facts.limits.usd_per_gb_data.value * data_gb
    return 1e6 * total / len(facts.measured.payloads) if facts.measured.payloads else None


def usd_per_second(facts: Facts, memory_size_mb: int) -> float:
    """The tier's price while a request runs."""
    return facts.limits.usd_per_gb_second.value * memory_size_mb / 1024


def cost(facts: Facts, tier: TierOutlook) -> Cost | None:
    """What the tier costs; None if its latency is unknown."""
    if tier.usd_per_million_requests is None:
        return None
    return Cost(
        usd_per_million_requests=tier.usd_per_million_requests,
        usd_per_second=usd_per_second(facts, tier.memory_size_mb),
        region="us-east-1",
        source=facts.limits.usd_per_gb_second.source,
    )


def choose_tier(facts: Facts) -> TierOutlook | None:
    """The best tier by objective that holds the model within quota and objectives.

    The smaller of equals: all tiers are predicted from the same measurement, so there is no noise
    between them. A tier fixed in the configuration is taken or refused, not replaced.
    """
    optimize_for = facts.config.objectives.optimize_for
    return min(
        (tier for tier in candidate_tiers(facts) if _is_good(facts, tier)),
        key=lambda tier: (tier.figure(optimize_for) or 0.0, tier.memory_size_mb),
        default=None,
    )


def candidate_tiers(facts: Facts) -> list[TierOutlook]:
    """The tiers that the configuration leaves open, smallest first."""
    fixed = facts.config.endpoint.memory_size_mb
    sizes = facts.limits.memory_tiers_mb.value if fixed is None else (fixed,)
    return [outlook(facts, size) for size in sizes]


def tier_to_judge(facts: Facts) -> TierOutlook:
    """The tier that the checks speak of: the chosen one, else the first that holds, or the last."""
    tiers = candidate_tiers(facts)
    return choose_tier(facts) or next((tier for tier in tiers if tier.holds), tiers[-1])


def _is_good(facts: Facts, tier: TierOutlook) -> bool:
    objectives = facts.config.objectives
    return (
        tier.holds
        and tier.memory_size_mb <= facts.account.memory_size_mb.value
        and (tier.latency_p95_ms is None or tier.latency_p95_ms <= objectives.latency_p95_ms)
        and (tier.cold_start_s is None or tier.cold_start_s <= objectives.cold_start_s)
    )
