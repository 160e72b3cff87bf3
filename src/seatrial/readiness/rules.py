"""The checks. Each yields one Check per thing it looked at; codes never change their meaning."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from seatrial.contracts import Check
from seatrial.readiness.baseline_match import baseline_match
from seatrial.readiness.checks import at_most
from seatrial.readiness.facts import Facts
from seatrial.readiness.features import features
from seatrial.readiness.tiers import TierOutlook

Rule = Callable[[Facts, TierOutlook], Iterator[Check]]


def memory(facts: Facts, tier: TierOutlook) -> Iterator[Check]:
    """MEMORY_HEADROOM: the peak fits the tier; MEMORY_TIER_QUOTA: the account may have it."""
    peak, usable_ratio = facts.peak_memory_mb, facts.usable_ratio
    usable_mb = tier.memory_size_mb * usable_ratio
    stopped = facts.measured.stopped
    if stopped and peak is not None:
        peak = max(peak, facts.profile.memory_stop_mb + 1)
    shown = "unknown" if peak is None else f"{'> ' if stopped else ''}{peak:.0f} MB"
    largest = max(facts.measured.payloads, key=lambda item: item.peak_memory_mb, default=None)
    where = f" at payload {largest.payload} ({largest.rows} rows)" if largest else ""
    yield at_most(
        "MEMORY_HEADROOM",
        peak,
        usable_mb,
        "MB",
        "service limit" if facts.config.endpoint.memory_size_mb is None else "objective",
        detail=f"peak {shown}{where}; {usable_mb:.0f} MB usable of {tier.memory_size_mb}",
        fix="Send smaller payloads, quantize the model, or raise endpoint.memory_size_mb",
    )
    needed_mb = None if peak is None else peak / usable_ratio
    tiers = facts.limits.memory_tiers_mb.value
    needed_tier = (
        None if needed_mb is None else next((t for t in tiers if t >= needed_mb), needed_mb)
    )
    if facts.config.endpoint.memory_size_mb is not None:
        needed_tier = facts.config.endpoint.memory_size_mb
    quota = facts.account.memory_size_mb
    yield at_most(
        "MEMORY_TIER_QUOTA",
        needed_tier,
        quota.value,
        "MB",
        quota.source,
        detail=f"peak {shown}{where} with {1 - usable_ratio:.0%} headroom needs "
        f"{'an unknown tier' if needed_tier is None else f'{needed_tier:.0f} MB'}",
        fix=f"Ask AWS support for a tier above {quota.value:.0f} MB, send smaller payloads, or "
        "quantize the model",
    )


def concurrency(facts: Facts, _: TierOutlook) -> Iterator[Check]:
    """CONCURRENCY_LIMIT, CONCURRENCY_QUOTA, ENDPOINT_QUOTA and PROVISIONED_CONCURRENCY."""
    wanted, account = facts.config.endpoint.max_concurrency, facts.account
    yield at_most(
        "CONCURRENCY_LIMIT",
        wanted,
        facts.limits.max_concurrency.value,
        "requests at once",
        "service limit",
        detail=f"endpoint.max_concurrency is {wanted}",
        fix=f"Lower it to {facts.limits.max_concurrency.value:.0f}, or split the traffic",
    )
    free = account.total_concurrency.value - account.other_concurrency
    yield at_most(
        "CONCURRENCY_QUOTA",
        wanted + account.other_concurrency,
        account.total_concurrency.value,
        "requests at once",
        account.total_concurrency.source,
        detail=f"{wanted} here and {account.other_concurrency} of other endpoints",
        fix=f"Lower endpoint.max_concurrency to {max(free, 0):.0f}, or ask for quota L-96300102",
    )
    yield at_most(
        "ENDPOINT_QUOTA",
        1 + account.other_endpoints,
        account.endpoints.value,
        "endpoints",
        account.endpoints.source,
        detail=f"this one and {account.other_endpoints} others",
        fix="Delete an endpoint, or ask for quota L-99AD19BF",
    )
    provisioned = facts.config.endpoint.provisioned_concurrency
    yield at_most(
        "PROVISIONED_CONCURRENCY",
        provisioned or 0,
        wanted,
        "requests at once",
        "service limit",
        detail=f"provisioned {provisioned or 'none'} of at most {wanted}",
        fix=f"Lower endpoint.provisioned_concurrency to {wanted}",
    )


def payloads(facts: Facts, _: TierOutlook) -> Iterator[Check]:
    """PAYLOAD_REQUEST and PAYLOAD_RESPONSE: the largest request, and its answer, fit."""
    limit, items = facts.limits.payload_mb.value, facts.measured.payloads
    requests = [item.request_mb for item in items]
    responses = [item.response_mb for item in items if item.response_mb is not None]
    yield at_most(
        "PAYLOAD_REQUEST",
        max(requests, default=None),
        limit,
        "MB",
        "service limit",
        detail=f"largest of {len(items)} sample payloads",
        fix="Send fewer rows a request",
    )
    yield at_most(
        "PAYLOAD_RESPONSE",
        max(responses) if responses and len(responses) == len(items) else None,
        limit,
        "MB",
        "service limit",
        detail=f"largest of {len(responses)} answers to {len(items)} sample payloads",
        fix="Send fewer rows a request, or ask for CSV answers",
    )


def time(facts: Facts, tier: TierOutlook) -> Iterator[Check]:
    """INVOCATION_TIMEOUT, LATENCY_OBJECTIVE, COLD_START_LIMIT and COLD_START_OBJECTIVE."""
    objectives = facts.config.objectives
    failures = [item for item in facts.measured.payloads if item.errors and not item.requests]
    why = f"; {failures[0].payload}: {failures[0].first_error}" if failures else ""
    at = f"predicted for {tier.memory_size_mb} MB from {facts.profile.cpu_count} cores here"
    slow = None if tier.latency_p99_ms is None else tier.latency_p99_ms / 1000
    yield at_most(
        "INVOCATION_TIMEOUT",
        slow,
        facts.limits.invocation_s.value,
        "s",
        "service limit",
        detail=f"p99 of the slowest payload, {at}{why}",
        fix="Send fewer rows a request, or make the model faster",
    )
    yield at_most(
        "LATENCY_OBJECTIVE",
        tier.latency_p95_ms,
        objectives.latency_p95_ms,
        "ms",
        "objective",
        detail=f"p95 of the slowest payload, {at}{why}",
        fix="Send fewer rows a request, make the model faster, or raise objectives.latency_p95_ms",
    )
    cold = tier.cold_start_s
    failure = f"; {facts.measured.failure}" if facts.measured.failure else ""
    for code, limit, source in (
        ("COLD_START_LIMIT", facts.limits.startup_s.value, "service limit"),
        ("COLD_START_OBJECTIVE", objectives.cold_start_s, "objective"),
    ):
        yield at_most(
            code,
            cold,
            limit,
            "s",
            "service limit" if source == "service limit" else "objective",
            detail=f"process start to first prediction, {at}, without image pull{failure}",
            fix="Load less at start-up, compile bytecode into the image, or use a smaller model",
        )


def sizes(facts: Facts, _: TierOutlook) -> Iterator[Check]:
    """IMAGE_SIZE, IMAGE_TARGET (a warning) and ARTIFACT_DISK."""
    image = facts.profile.image_size_mb
    how = facts.profile.image_size_method
    yield at_most(
        "IMAGE_SIZE",
        image,
        facts.limits.image_mb.value,
        "MB",
        "service limit",
        detail=how,
        fix="Leave out what serving does not import",
    )
    yield at_most(
        "IMAGE_TARGET",
        image,
        facts.config.objectives.image_target_mb,
        "MB",
        "objective",
        detail=how,
        fix="Leave out what serving does not import",
        over="warn",
    )
    disk = facts.measured.archive_size_mb + facts.measured.unpacked_size_mb
    yield at_most(
        "ARTIFACT_DISK",
        disk,
        facts.limits.disk_mb.value,
        "MB",
        "service limit",
        detail="archive and unpacked model together",
        fix="Make the model smaller",
    )


def workers(facts: Facts, _: TierOutlook) -> Iterator[Check]:
    """WORKER_COUNT: serverless wants one worker with one copy of the model."""
    yield at_most(
        "WORKER_COUNT",
        facts.measured.processes,
        1,
        "processes",
        "service limit",
        detail="processes of the server while idle",
        fix="Start one worker process",
        over="warn",
    )


def quality(facts: Facts, _: TierOutlook) -> Iterator[Check]:
    """QUALITY_GUARD: the candidate still predicts what the original does."""
    exact = facts.candidate.exact
    found = facts.candidate.agreement
    seen = (
        "its predictions were not compared with the original's"
        if found is None
        else f"{found.rows} validation rows; largest deviation {found.max_deviation:.2g}"
    )
    check = at_most(
        "QUALITY_GUARD",
        None if found is None else found.scaled_deviation,
        facts.config.guards.deviation(exact=exact).max_mean_deviation,
        "mean deviation",
        "objective",
        detail=facts.candidate.rejection or seen,
        fix="Use the less optimised candidate, or widen guards.*",
    )
    if facts.candidate.rejection is not None:
        check = check.model_copy(update={"status": "fail", "fix": "Convert another model type"})
    yield check


def monitoring(facts: Facts, _: TierOutlook) -> Iterator[Check]:
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


RULES: tuple[Rule, ...] = (
    memory,
    concurrency,
    payloads,
    time,
    sizes,
    workers,
    quality,
    features,
    monitoring,
    baseline_match,
)
