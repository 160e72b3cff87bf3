"""From checks to an answer: readiness.json, and the short message that a pipeline can carry."""

from __future__ import annotations

from collections.abc import Iterable

from seatrial.contracts import Check, Readiness, Verdict
from seatrial.readiness.facts import Facts
from seatrial.readiness.rules import RULES
from seatrial.readiness.setting import Setting, setting_of
from seatrial.readiness.tiers import cost

# FailureReason of a pipeline execution holds 1300 characters, that of a step 1024.
MAX_MESSAGE_BYTES = 1000


def judge(facts: Facts) -> Readiness:
    """Run every rule on one candidate; ready only if nothing blocks."""
    return judge_setting(facts, setting_of(facts))


def judge_setting(facts: Facts, setting: Setting) -> Readiness:
    """The same, where the tier and its concurrency are known already."""
    checks = tuple(check for rule in RULES for check in rule(facts, setting))
    blocked = any(blocking(checks, facts.config.unknown_blocks))
    return Readiness(
        ready=setting.recommended and not blocked,
        model_package_arn=facts.optimization.model_package_arn,
        candidate=facts.candidate.name,
        recommended=setting.serverless,
        cost=cost(facts, setting.tier, setting.usd_per_month) if setting.recommended else None,
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
    found = worst_first(blocking(readiness.checks, unknown_blocks))
    parts = [_short(check) for check in found]
    tail = f" See {readiness_uri}/readiness.json"
    for shown in range(len(parts), -1, -1):
        more = f" (+{len(parts) - shown} more)" if shown < len(parts) else ""
        message = f"not ready: {'; '.join(parts[:shown])}{more}.{tail}"
        if len(message.encode()) <= MAX_MESSAGE_BYTES:
            return Verdict(ready=False, message=message)
    return Verdict(ready=False, message=f"not ready: {len(parts)} checks block")


def worst_first(checks: Iterable[Check]) -> list[Check]:
    """Fails, unknowns, warnings, passes; within them what the service or the account forbids
    before what the user would like, and then by how many times over its limit.
    """
    return sorted(checks, key=_severity, reverse=True)


def _severity(check: Check) -> tuple[int, bool, float]:
    place = ("pass", "warn", "unknown", "fail").index(check.status)
    if check.measured is None or check.limit is None:
        return place, False, 0.0
    ratio = check.measured / check.limit if check.limit else float("inf")
    return place, check.source != "objective", ratio


def _short(check: Check) -> str:
    if check.measured is None:
        return f"{check.code} unknown"
    return f"{check.code} {check.measured:.4g} {check.unit} over {check.limit:.4g} ({check.source})"
