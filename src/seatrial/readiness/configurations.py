"""The chosen candidate's tiers, with why one was taken and what each other lost by."""

from __future__ import annotations

from seatrial.contracts import Configuration, Provisioning
from seatrial.cost.prices import PROVISIONED_PRICES
from seatrial.readiness.facts import Facts
from seatrial.readiness.setting import PROVISIONED_RATIO, Setting
from seatrial.readiness.tiers import TierOutlook, candidate_tiers, why_not

WORDS = {"cost": "cost", "latency": "p95", "cold_start": "cold start"}


def configurations(facts: Facts, setting: Setting) -> tuple[Configuration, ...]:
    """Every tier that the configuration leaves open, smallest first."""
    return tuple(_configuration(facts, setting, tier) for tier in candidate_tiers(facts))


def otherwise_provisioned(facts: Facts, setting: Setting) -> Provisioning:
    """The judged tier with sandboxes held for most requests, or with none if some are held."""
    held, demand = setting.provisioned_concurrency, setting.demand
    other = None
    if held is None:
        other = 1 if demand is None else demand.covering(PROVISIONED_RATIO)
    usd = None if demand is None else demand.usd_per_month(setting.max_concurrency, other)
    return Provisioning(
        memory_size_mb=setting.tier.memory_size_mb,
        provisioned_concurrency=other,
        usd_per_month=usd,
        reason=_why_not_so(facts, setting, usd),
    )


def _why_not_so(facts: Facts, setting: Setting, usd: float | None) -> str:
    cold, wanted = setting.tier.cold_start_s, facts.config.objectives.cold_start_s
    late = cold is not None and cold > wanted
    shown = "cold start unknown" if cold is None else f"cold start {cold:.1f} s"
    why = f"{shown}, objective {wanted:g} s"
    if setting.provisioned_concurrency is not None and not late:
        return f"asked for by endpoint.provisioned_concurrency; {why}"
    missing = facts.prices.missing(PROVISIONED_PRICES)
    if setting.provisioned_concurrency is None and missing:
        names = " and ".join(f"prices.{name}" for name in missing)
        return f"{why}; its price in {facts.prices.region} is not known: give {names}"
    if usd is None or setting.usd_per_month is None:
        return f"{why}; what it costs depends on objectives.requests_per_month"
    return f"{why}; {usd:.2f} USD a month, and {setting.usd_per_month:.2f} as recommended"


def _configuration(facts: Facts, setting: Setting, tier: TierOutlook) -> Configuration:
    judged = tier.memory_size_mb == setting.tier.memory_size_mb
    chosen = setting.recommended and judged
    largest = tier.largest
    return Configuration(
        memory_size_mb=tier.memory_size_mb,
        provisioned_concurrency=setting.provisioned_concurrency,
        judged=judged,
        chosen=chosen,
        usd_per_million_requests=tier.usd_per_million_requests,
        latency_p95_ms=tier.latency_p95_ms,
        latency_method=tier.latency_method,
        cold_start_s=tier.cold_start_s,
        cold_start_method=tier.cold_start_method,
        largest_rows=largest.rows,
        largest_request_mb=largest.request_mb,
        largest_bound=largest.bound,
        reason=_won(facts, setting) if chosen else _lost(facts, setting, tier),
    )


def _won(facts: Facts, setting: Setting) -> str:
    optimize_for = facts.config.objectives.optimize_for
    if facts.config.endpoint.memory_size_mb is not None:
        return "fixed by endpoint.memory_size_mb, and meets every objective"
    held = setting.provisioned_concurrency
    how = f", with {held} provisioned" if held else ""
    if setting.tier.figure(optimize_for) is None:
        return f"the smallest that meets every objective{how}; its {WORDS[optimize_for]} is unknown"
    return f"lowest {WORDS[optimize_for]} of those that meet every objective{how}"


def _lost(facts: Facts, setting: Setting, tier: TierOutlook) -> str:
    held = setting.provisioned_concurrency is not None
    excluded = why_not(facts, tier, kept_warm=held)
    if excluded is not None:
        return excluded
    optimize_for, best = facts.config.objectives.optimize_for, setting.tier
    ours, theirs = tier.figure(optimize_for), best.figure(optimize_for)
    if ours is None or not theirs or ours <= theirs:
        return f"no better than {best.memory_size_mb} MB, and larger"
    return f"{WORDS[optimize_for]} is {ours / theirs - 1:.0%} over {best.memory_size_mb} MB's"
