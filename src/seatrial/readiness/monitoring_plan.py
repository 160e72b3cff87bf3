"""MONITORING_PLAN: an endpoint that nobody watches is not deployed."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.contracts import Check
from seatrial.readiness.checks import at_most
from seatrial.readiness.facts import Facts
from seatrial.readiness.setting import Setting


def monitoring(facts: Facts, _: Setting) -> Iterator[Check]:
    """MONITORING_PLAN: a baseline, a place for the records, and someone to alert."""
    plan = facts.plan
    parts = {
        "a baseline with drift bounds": plan.baseline is not None and bool(plan.baseline.bounds),
        f"the bucket {facts.config.bucket} for prediction records": plan.records_bucket_found,
        f"the topic {facts.config.monitoring.alert_topic_arn}": plan.alert_topic_found,
    }
    missing = [name for name, found in parts.items() if found is False]
    not_asked = [name for name, found in parts.items() if found is None]
    detail = f"missing: {', '.join(missing)}" if missing else "baseline, records and alert topic"
    yield at_most(
        "MONITORING_PLAN",
        len(missing) if missing or not not_asked else None,
        0,
        "missing parts",
        "objective",
        detail=detail if missing or not not_asked else f"not asked: {', '.join(not_asked)}",
        fix="Make what is missing; an endpoint that nobody watches is not deployed",
    )
