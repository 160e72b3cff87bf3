"""MEMORY_HEADROOM, MEMORY_TIER_QUOTA, MEMORY_LEAK and OVER_PROVISIONED."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.contracts import Check
from seatrial.readiness.checks import at_most
from seatrial.readiness.facts import Facts
from seatrial.readiness.safe_payload import SafePayload
from seatrial.readiness.setting import Setting
from seatrial.readiness.tiers import TierOutlook, largest_payload, outlook, why_not


def memory(facts: Facts, setting: Setting) -> Iterator[Check]:
    """MEMORY_HEADROOM: the peak fits the tier; MEMORY_TIER_QUOTA: the account may have it."""
    tier, shown = setting.tier, _shown_peak(facts)
    usable_mb, peak = tier.memory_size_mb * facts.usable_ratio, _peak_mb(facts)
    yield at_most(
        "MEMORY_HEADROOM",
        peak,
        usable_mb,
        "MB",
        "service limit" if facts.config.endpoint.memory_size_mb is None else "objective",
        detail=f"peak {shown}; {usable_mb:.0f} MB usable of {tier.memory_size_mb}"
        f"{_fitting(tier.largest)}",
        fix=f"{_fewer_rows(facts, tier.memory_size_mb)}, quantize the model, or "
        f"{_larger_tier(facts, tier)}",
    )
    needed = _needed_tier_mb(facts, peak)
    quota = facts.account.memory_size_mb
    ask = f"ask AWS support for {'more' if needed is None else f'{needed:.0f} MB'}"
    yield at_most(
        "MEMORY_TIER_QUOTA",
        needed,
        quota.value,
        "MB",
        quota.source,
        detail=f"peak {shown} with {1 - facts.usable_ratio:.0%} headroom needs "
        f"{'an unknown tier' if needed is None else f'{needed:.0f} MB'}",
        fix=f"{_fewer_rows(facts, quota.value)}, quantize the model, or {ask}: quota "
        f"{quota.value:.0f}",
    )


def leak(facts: Facts, setting: Setting) -> Iterator[Check]:
    """MEMORY_LEAK: memory that surely grows fills the tier within objectives.leak_requests.

    The slope counts if its 95 % interval is above 0; then the tier is full when the peak has grown
    to all of it, at the slope itself.
    """
    growth, peak = facts.measured.growth, _peak_mb(facts)
    tier_mb, requests = setting.tier.memory_size_mb, facts.config.objectives.leak_requests
    after_mb, seen, fix = None, "no sustained run was measured", "Profile it again"
    if growth is not None and peak is not None:
        slope = growth.slope_mb_per_1000_requests
        interval = f"{growth.slope_low:.2g} to {growth.slope_high:.2g}"
        grows = growth.slope_low > 0
        after_mb = peak + slope * requests / 1000 if grows else peak
        seen = f"{slope:.2g} MB per 1000 requests ({interval}) over {growth.requests}"
        if grows:
            full = max(0.0, tier_mb - peak) / slope * 1000
            seen += f": {tier_mb} MB are full after {full:.0f} requests"
            fix = f"Free what {slope:.2g} MB per 1000 requests keep: the sandbox is killed then"
    yield at_most(
        "MEMORY_LEAK",
        after_mb,
        tier_mb,
        f"MB after {requests}",
        "service limit",
        detail=seen,
        fix=fix,
    )


def over_provisioned(facts: Facts, setting: Setting) -> Iterator[Check]:
    """OVER_PROVISIONED (a warning): tiers further down would hold it, and do as well."""
    tier, objectives = setting.tier, facts.config.objectives
    sizes = list(facts.limits.memory_tiers_mb.value)
    lower = sizes[: sizes.index(tier.memory_size_mb) + 1]
    known = _peak_mb(facts) is not None
    least = next((size for size in lower if _as_good(facts, size, tier)), tier.memory_size_mb)
    yield at_most(
        "OVER_PROVISIONED",
        sizes.index(tier.memory_size_mb) - sizes.index(least) if known else None,
        objectives.max_spare_tiers,
        "tiers to spare",
        "objective",
        detail=f"{least} MB would do as well as {tier.memory_size_mb}"
        if least != tier.memory_size_mb
        else f"no tier under {tier.memory_size_mb} MB would do as well",
        fix=f"Set endpoint.memory_size_mb to {least}",
        over="warn",
    )


def _as_good(facts: Facts, memory_size_mb: int, than: TierOutlook) -> bool:
    """Whether the tier holds the model within the objectives, and is no worse by what is asked."""
    tier, objectives = outlook(facts, memory_size_mb), facts.config.objectives
    ours, theirs = tier.figure(objectives.optimize_for), than.figure(objectives.optimize_for)
    if why_not(facts, tier) is not None:
        return False
    return ours is None or theirs is None or ours <= theirs * (1 + objectives.tie_ratio)


def _peak_mb(facts: Facts) -> float | None:
    """The peak; a run that was stopped would have needed more than the largest tier."""
    peak = facts.peak_memory_mb
    if peak is not None and facts.measured.stopped:
        return max(peak, facts.profile.memory_stop_mb + 1)
    return peak


def _shown_peak(facts: Facts) -> str:
    peak = _peak_mb(facts)
    more = "> " if facts.measured.stopped else ""
    shown = "unknown" if peak is None else f"{more}{peak:.0f} MB"
    largest = max(facts.measured.payloads, key=lambda item: item.peak_memory_mb, default=None)
    return shown + (f" at payload {largest.payload} ({largest.rows} rows)" if largest else "")


def _needed_tier_mb(facts: Facts, peak: float | None) -> float | None:
    """The tier with room for the peak: the one fixed by the user, or the smallest."""
    if facts.config.endpoint.memory_size_mb is not None:
        return facts.config.endpoint.memory_size_mb
    if peak is None:
        return None
    needed_mb = peak / facts.usable_ratio
    tiers = facts.limits.memory_tiers_mb.value
    return next((tier for tier in tiers if tier >= needed_mb), needed_mb)


def _fitting(largest: SafePayload) -> str:
    """How large a request may be there, where that was measured."""
    if largest.rows is None or largest.request_mb is None:
        return ""
    end = ", the most that was tried" if largest.bound == "largest measured" else ""
    return f"; {largest.rows} rows ({largest.request_mb:.2g} MB) fit{end}"


def _fewer_rows(facts: Facts, memory_size_mb: float) -> str:
    fits = largest_payload(facts, int(memory_size_mb))
    if fits.rows is None or fits.bound != "memory":
        return "Send smaller payloads"
    return f"Send at most {fits.rows} rows a request for {memory_size_mb:.0f} MB"


def _larger_tier(facts: Facts, tier: TierOutlook) -> str:
    sizes = facts.limits.memory_tiers_mb.value
    needed = next((size for size in sizes if outlook(facts, size).holds), None)
    if needed is None or needed <= tier.memory_size_mb:
        return f"serve it elsewhere: no tier is above {sizes[-1]} MB"
    return f"raise endpoint.memory_size_mb to {needed}"
