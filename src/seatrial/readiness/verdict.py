"""From checks to an answer: readiness.json, and the short message that a pipeline can carry."""

from __future__ import annotations

from collections.abc import Iterable

from seatrial.contracts import Check, Readiness, ServerlessConfiguration, Verdict
from seatrial.readiness.facts import Facts
from seatrial.readiness.rules import RULES
from seatrial.readiness.tiers import choose_tier, cost, tier_to_judge

# FailureReason of a pipeline execution holds 1300 characters, that of a step 1024.
MAX_MESSAGE_BYTES = 1000


def judge(facts: Facts) -> Readiness:
    """Run every rule on one candidate; ready only if nothing blocks."""
    tier = tier_to_judge(facts)
    checks = tuple(check for rule in RULES for check in rule(facts, tier))
    chosen = choose_tier(facts)
    return Readiness(
        ready=chosen is not None and not list(blocking(checks, facts.config.unknown_blocks)),
        model_package_arn=facts.optimization.model_package_arn,
        candidate=facts.candidate.name,
        recommended=None
        if chosen is None
        else ServerlessConfiguration(
            memory_size_mb=chosen.memory_size_mb,
            max_concurrency=facts.config.endpoint.max_concurrency,
            provisioned_concurrency=facts.config.endpoint.provisioned_concurrency,
        ),
        cost=None if chosen is None else cost(facts, chosen),
        checks=checks,
    )


def blocking(checks: Iterable[Check], unknown_blocks: Iterable[str]) -> Iterable[Check]:
    """Failed checks, and unknown ones that the configuration does not let pass."""
    blocks = set(unknown_blocks)
    return (
        check
        for check in checks
        if check.status == "fail" or (check.status == "unknown" and check.code in blocks)
    )


def verdict(readiness: Readiness, unknown_blocks: Iterable[str], readiness_uri: str) -> Verdict:
    """The answer in at most 1000 bytes: failing codes with their numbers, worst first."""
    if readiness.ready:
        return Verdict(ready=True, message=f"ready: {readiness.candidate}. See {readiness_uri}")
    found = sorted(blocking(readiness.checks, unknown_blocks), key=_severity, reverse=True)
    parts = [_short(check) for check in found]
    tail = f" See {readiness_uri}/readiness.json"
    for shown in range(len(parts), -1, -1):
        more = f" (+{len(parts) - shown} more)" if shown < len(parts) else ""
        message = f"not ready: {'; '.join(parts[:shown])}{more}.{tail}"
        if len(message.encode()) <= MAX_MESSAGE_BYTES:
            return Verdict(ready=False, message=message)
    return Verdict(ready=False, message=f"not ready: {len(parts)} checks block")


def _severity(check: Check) -> tuple[bool, bool, float]:
    """Measured before unknown, what the service or the account forbids before what the user
    would like, and then by how many times over its limit.
    """
    if check.measured is None or check.limit is None:
        return False, False, 0.0
    ratio = check.measured / check.limit if check.limit else float("inf")
    return True, check.source != "objective", ratio


def _short(check: Check) -> str:
    if check.measured is None:
        return f"{check.code} unknown"
    return f"{check.code} {check.measured:.4g} {check.unit} over {check.limit:.4g} ({check.source})"
