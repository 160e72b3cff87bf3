"""Which memory tier: the best by objective that holds the model and meets all objectives."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from seatrial.config import OptimizeFor
from seatrial.contracts import MB, CandidateProfile, Cost, LatencyMethod
from seatrial.cost.prices import DATA_PRICES, ON_DEMAND_PRICE, PROVISIONED_PRICES
from seatrial.readiness.facts import Facts
from seatrial.readiness.latency import latency_at
from seatrial.readiness.safe_payload import SafePayload, safe_payloads
from seatrial.readiness.starts import start_at
from seatrial.readiness.whole import Latency

MEASURED: LatencyMethod = "measured under CPU quota"
PREDICTED: LatencyMethod = "predicted"


@dataclass(frozen=True)
class TierOutlook:
    """What one tier would be like; latencies are the worst over all payloads.

    The p95 is None if a payload had too few requests for one; `latency_p95_at_least_ms` is then
    what it is no less than, if that is known.
    """

    memory_size_mb: int
    holds: bool
    latency_p95_ms: float | None
    latency_p95_at_least_ms: float | None
    latency_slowest_ms: float | None
    latency_method: LatencyMethod
    cold_start_s: float | None
    cold_start_method: LatencyMethod
    usd_per_million_requests: float | None
    largest: SafePayload

    def figure(self, optimize_for: OptimizeFor) -> float | None:
        """What is to be small; None if it is not known."""
        return {
            "cost": self.usd_per_million_requests,
            "latency": self.latency_p95_ms,
            "cold_start": self.cold_start_s,
        }[optimize_for]


def outlook(facts: Facts, memory_size_mb: int) -> TierOutlook:
    """What `memory_size_mb` would be like for this candidate."""
    measured, share = facts.measured, facts.limits.mb_per_vcpu.value
    peak = facts.peak_memory_mb
    found = [latency_at(measured, item, memory_size_mb, share) for item in measured.payloads]
    known = [item for item in found if item is not None]
    whole = bool(known) and len(known) == len(found)
    in_force = whole and all(item.measured for item in known)
    start = start_at(measured, memory_size_mb, share)
    p95s_ms = [item.p95_ms for item in known if item.p95_ms is not None]
    return TierOutlook(
        memory_size_mb=memory_size_mb,
        holds=peak is not None
        and not measured.stopped
        and peak <= memory_size_mb * facts.usable_ratio,
        latency_p95_ms=max(p95s_ms) if whole and len(p95s_ms) == len(known) else None,
        latency_p95_at_least_ms=_p95_at_least_ms(measured, known),
        latency_slowest_ms=max(item.slowest_ms for item in known) if whole else None,
        latency_method=MEASURED if in_force else PREDICTED,
        cold_start_s=None if start is None else start.to_first_prediction_s,
        cold_start_method=MEASURED if start is not None and start.measured else PREDICTED,
        usd_per_million_requests=_usd_per_million(facts, memory_size_mb, known) if whole else None,
        largest=largest_payload(facts, memory_size_mb),
    )


def _p95_at_least_ms(measured: CandidateProfile, known: Iterable[Latency]) -> float | None:
    """Of the slowest payload; one that was never answered takes longer than was waited for it."""
    least_ms = [item.p95_at_least_ms for item in known]
    in_vain = [item.no_answer_s for item in measured.payloads if not item.requests]
    least_ms += [1000 * seconds for seconds in in_vain if seconds is not None]
    return max((value for value in least_ms if value is not None), default=None)


def largest_payload(facts: Facts, memory_size_mb: int) -> SafePayload:
    """The largest request that is safe at the tier."""
    [found] = safe_payloads(
        facts.measured,
        [memory_size_mb],
        usable_ratio=facts.usable_ratio,
        payload_limit_mb=facts.limits.payload_mb.value,
    )
    return found


def _usd_per_million(facts: Facts, memory_size_mb: int, latencies: list[Latency]) -> float | None:
    """On-demand: memory × duration plus data both ways, payloads in equal shares."""
    if facts.prices.missing((ON_DEMAND_PRICE, *DATA_PRICES)):
        return None
    usd_per_s, total = facts.prices.usd_per_second(ON_DEMAND_PRICE, memory_size_mb), 0.0
    for item, latency in zip(facts.measured.payloads, latencies, strict=True):
        if item.response_mb is None:
            return None
        total += usd_per_s * latency.billed_ms / 1000
        total += facts.prices.data_usd(item.request_mb * MB, item.response_mb * MB)
    return 1e6 * total / len(latencies)


def cost(facts: Facts, tier: TierOutlook, usd_per_month: float | None) -> Cost | None:
    """What the tier costs; None if its latency or a price is unknown."""
    if tier.usd_per_million_requests is None:
        return None
    return Cost(
        usd_per_million_requests=tier.usd_per_million_requests,
        usd_per_second=facts.prices.usd_per_second(ON_DEMAND_PRICE, tier.memory_size_mb),
        region=facts.prices.region,
        source=facts.prices.serverless_usd_per_gb_second.source,
        usd_per_month=usd_per_month,
    )


def choose_tier(facts: Facts) -> TierOutlook | None:
    """The best tier by objective that holds the model within quota and objectives.

    The smaller of equals: tiers are predicted from the same measurement, so there is no noise
    between them. A tier fixed in the configuration is taken or refused, not replaced. Where none
    starts fast enough on demand, one that provisioned concurrency would keep warm, if its price is
    known or the user asked for it.
    """
    tiers = candidate_tiers(facts)
    asked = facts.config.endpoint.provisioned_concurrency is not None
    good = [] if asked else [tier for tier in tiers if why_not(facts, tier) is None]
    if not good and (asked or not facts.prices.missing(PROVISIONED_PRICES)):
        good = [tier for tier in tiers if why_not(facts, tier, kept_warm=True) is None]
    figure = partial(_figure, optimize_for=facts.config.objectives.optimize_for)
    return min(good, key=lambda tier: (figure(tier), tier.memory_size_mb), default=None)


def _figure(tier: TierOutlook, optimize_for: OptimizeFor) -> float:
    return tier.figure(optimize_for) or 0.0


def candidate_tiers(facts: Facts) -> list[TierOutlook]:
    """The tiers that the configuration leaves open, smallest first."""
    fixed = facts.config.endpoint.memory_size_mb
    sizes = facts.limits.memory_tiers_mb.value if fixed is None else (fixed,)
    return [outlook(facts, size) for size in sizes]


def tier_to_judge(facts: Facts) -> TierOutlook:
    """The tier that the checks speak of: the chosen one, else the first that holds, or the last."""
    tiers = candidate_tiers(facts)
    return choose_tier(facts) or next((tier for tier in tiers if tier.holds), tiers[-1])


def why_not(facts: Facts, tier: TierOutlook, *, kept_warm: bool = False) -> str | None:
    """What keeps the tier from being taken; None if nothing does.

    `kept_warm` leaves the cold start out. What is not known keeps nobody: its check says so.
    """
    objectives, quota = facts.config.objectives, facts.account.memory_size_mb
    peak, p95, cold = facts.peak_memory_mb, tier.latency_p95_at_least_ms, tier.cold_start_s
    if not tier.holds:
        usable_mb = tier.memory_size_mb * facts.usable_ratio
        shown = "unknown" if peak is None else f"{peak:.0f} MB"
        return f"peak {shown}, and {usable_mb:.0f} MB of it are usable"
    if tier.memory_size_mb > quota.value:
        return f"over the {quota.source} of {quota.value:.0f} MB"
    if p95 is not None and p95 > objectives.latency_p95_ms:
        some = "" if tier.latency_p95_ms is not None else "at least "
        return f"p95 {some}{p95:.0f} ms is over the objective of {objectives.latency_p95_ms:g} ms"
    if not kept_warm and cold is not None and cold > objectives.cold_start_s:
        return f"cold start {cold:.1f} s is over the objective of {objectives.cold_start_s:g} s"
    return None
