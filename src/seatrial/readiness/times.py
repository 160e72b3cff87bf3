"""INVOCATION_TIMEOUT, LATENCY_OBJECTIVE, COLD_START_LIMIT and COLD_START_OBJECTIVE."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from seatrial.contracts import Check, LatencyMethod
from seatrial.cost.prices import PROVISIONED_PRICES
from seatrial.readiness.checks import at_most
from seatrial.readiness.facts import Facts
from seatrial.readiness.latency import waited_in_vain
from seatrial.readiness.setting import Setting
from seatrial.readiness.tiers import TierOutlook


def latency(facts: Facts, setting: Setting) -> Iterator[Check]:
    """A request takes no longer than the service allows, and than the user wants."""
    tier, objectives = setting.tier, facts.config.objectives
    failures = [item for item in facts.measured.payloads if item.errors and not item.requests]
    why = f"; {failures[0].payload}: {failures[0].first_error}" if failures else ""
    at = _how(facts, setting, tier.latency_method)
    yield _invocation_timeout(facts, tier, f"{at}{why}")
    p95, least = tier.latency_p95_ms, tier.latency_p95_at_least_ms
    few = ""
    if p95 is None and least is not None:
        few = "; too few requests in the profile's time for a p95"
        if least > objectives.latency_p95_ms:  # whatever it is, it is more than that
            p95, few = least, f"{few}, which is at least this"
    yield at_most(
        "LATENCY_OBJECTIVE",
        p95,
        objectives.latency_p95_ms,
        "ms",
        "objective",
        detail=f"p95 of the slowest payload, {at}{few}{why}",
        fix="Send fewer rows a request, make the model "
        f"{_faster(p95, objectives.latency_p95_ms)}, or raise objectives.latency_p95_ms"
        f"{'' if p95 is None else f' to {ceil(p95)}'}",
    )


def _invocation_timeout(facts: Facts, tier: TierOutlook, at: str) -> Check:
    """No answer within the service's time fails, whatever else was answered."""
    slow, limit_s = tier.latency_slowest_ms, facts.limits.invocation_s.value
    waited = waited_in_vain(facts.measured)
    if waited is not None and waited.seconds >= limit_s:
        return Check(
            code="INVOCATION_TIMEOUT",
            status="fail",
            measured=waited.seconds,
            limit=limit_s,
            unit="s",
            source="service limit",
            detail=f"no answer within {waited.seconds:g} s on whole cores: {waited.request}",
            fix="Send fewer rows a request, or make the model faster",
        )
    return at_most(
        "INVOCATION_TIMEOUT",
        None if slow is None else slow / 1000,
        limit_s,
        "s",
        "service limit",
        detail=f"slowest request that was seen, {at}",
        fix=f"Send fewer rows a request, or make the model {_faster(slow, 1000 * limit_s)}",
    )


def cold_start(facts: Facts, setting: Setting) -> Iterator[Check]:
    """A sandbox starts as fast as the service asks, and as the user wants.

    Where provisioned concurrency is recommended, a miss of the objective is a warning: only
    requests beyond it meet a cold start.
    """
    cold, measured = setting.tier.cold_start_s, facts.measured
    at = _how(facts, setting, setting.tier.cold_start_method)
    detail = (
        f"process start to first prediction, {at}, without image pull"
        f"{f'; {measured.failure}' if measured.failure else ''}"
    )
    limit_s, wanted_s = facts.limits.startup_s.value, facts.config.objectives.cold_start_s
    less = "Load less at start-up, compile bytecode into the image, or use a smaller model"
    yield at_most("COLD_START_LIMIT", cold, limit_s, "s", "service limit", detail=detail, fix=less)
    held = setting.provisioned_concurrency
    raised = "" if cold is None else f" to {ceil(cold)}"
    yield at_most(
        "COLD_START_OBJECTIVE",
        cold,
        wanted_s,
        "s",
        "objective",
        detail=detail if held is None else f"{detail}; {held} provisioned, so beyond them only",
        fix=f"{less}; {_provisioning(facts)}or raise objectives.cold_start_s{raised}"
        if held is None
        else f"Provision more than {held} if requests beyond them are many",
        over="fail" if held is None else "warn",
    )


def _provisioning(facts: Facts) -> str:
    """How provisioned concurrency could help; it is recommended only at a known price."""
    missing = facts.prices.missing(PROVISIONED_PRICES)
    if not missing:
        return ""
    return (
        "provisioned concurrency would meet it, but its price in "
        f"{facts.prices.region} is not known: give {' and '.join(f'prices.{n}' for n in missing)}; "
    )


def _how(facts: Facts, setting: Setting, method: LatencyMethod) -> str:
    size = setting.tier.memory_size_mb
    if method == "predicted":
        return f"predicted for {size} MB from {facts.profile.cpu_count} cores here"
    return f"measured under the CPU quota of {size} MB"


def _faster(measured: float | None, limit: float) -> str:
    """By what factor it would have to be faster."""
    over = measured is not None and measured > limit
    return f"{measured / limit:.2g} times faster" if over and measured else "faster"
