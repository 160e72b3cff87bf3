"""From usage to advice: pure functions, one for each topic."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from seatrial.contracts.review import Advice
from seatrial.review.bill import bill
from seatrial.review.situation import Situation
from seatrial.review.times import cold_starts, latency
from seatrial.review.traffic import log, payloads, pings
from seatrial.review.upkeep import advisories, ages, alerts, vulnerabilities

# Half again: the next step after being full, as the trial's last phase asks for.
CONCURRENCY_STEP = 1.5


def advise(found: Situation) -> tuple[Advice, ...]:
    """The topics on which there is something to say, those that ask for a change first."""
    if not found.usage.requests:
        young = found.served_days < found.days
        unused = f"nobody called it in {found.served_days:.0f} days"
        idle = "; it costs nothing but its share of quotas. Delete it"
        return (Advice(topic="UNUSED", act=not young, detail=unused + ("" if young else idle)),)
    said = [item for topic in TOPICS for item in topic(found)]
    return tuple(sorted(said, key=lambda item: not item.act))


def memory(found: Situation) -> Iterator[Advice]:
    """The smallest tier that held what was used, with the headroom and within the objectives."""
    percent = found.usage.memory_max_percent
    if percent is None:
        none = "CloudWatch has no MemoryUtilization"
        yield Advice(topic="MEMORY", act=False, known=False, detail=none)
        return
    now, used_mb = found.serving.memory_size_mb, found.serving.memory_size_mb * percent / 100
    usable = 1 - found.config.objectives.memory_headroom_ratio
    wanted = _tier_for(found, used_mb / usable)
    told = f"at most {used_mb:.0f} MB of {now} MB were used"
    if wanted is None:
        yield Advice(
            topic="MEMORY",
            act=True,
            detail=f"{told}: too near the cap, and no tier within the quota of "
            f"{found.serving.quota_mb:.0f} MB is large enough. Ask for a higher quota, or quantize",
        )
    elif wanted == now:
        yield Advice(topic="MEMORY", act=False, detail=f"{told}: the tier fits")
    else:
        yield _other_tier(found, wanted, told)


def _tier_for(found: Situation, needed_mb: float) -> int | None:
    """The smallest tier with that much memory in which p95 still meets its objective."""
    p95_ms = found.usage.latency_p95_ms or 0.0
    return next(
        (
            tier
            for tier in sorted(found.limits.memory_tiers_mb.value)
            if needed_mb <= tier <= found.serving.quota_mb
            and (
                tier >= found.serving.memory_size_mb
                or p95_ms * found.slower(tier) <= found.config.objectives.latency_p95_ms
            )
        ),
        None,
    )


def _other_tier(found: Situation, wanted: int, told: str) -> Advice:
    """A smaller tier never costs more: slower by its CPU share, it is cheaper by its memory."""
    here, there = found.usd_a_month(found.serving.memory_size_mb), found.usd_a_month(wanted)
    larger = wanted > found.serving.memory_size_mb
    return Advice(
        topic="MEMORY",
        act=True,
        detail=f"{told}: {'too near the cap' if larger else f'{wanted} MB would hold it'}",
        change={"endpoint.memory_size_mb": wanted},
        saving_usd_a_month=None if here is None or there is None else here - there,
    )


def concurrency(found: Situation) -> Iterator[Advice]:
    """Full means that the next request was throttled, if there was one: there is no queue."""
    ratio = found.usage.concurrency_max_ratio
    if ratio is None or ratio < 1:
        return
    now = found.serving.max_concurrency
    wanted = min(int(now * CONCURRENCY_STEP + 0.5), int(found.serving.quota_concurrency))
    if wanted > now:
        change: dict[str, int | None] = {"endpoint.max_concurrency": wanted}
        fix = f"try {wanted}"
    else:
        change, fix = {}, "the account's quota has no more; ask for a higher one"
    yield Advice(
        topic="CONCURRENCY",
        act=True,
        detail=f"all {now} sandboxes were busy at once, and what came then was throttled: {fix}",
        change=change,
    )


def errors(found: Situation) -> Iterator[Advice]:
    """Requests that failed. CloudWatch does not say which 4xx were throttles."""
    usage = found.usage
    told = f"{usage.errors_5xx} answers of 5xx and {usage.errors_4xx} of 4xx in {usage.requests}"
    yield Advice(
        topic="ERRORS",
        act=usage.errors_5xx > 0,
        detail=f"{told}; read the endpoint's log" if usage.errors_5xx else told,
    )


def cost(found: Situation) -> Iterator[Advice]:
    """Against the cheapest real-time instance that carries the same traffic."""
    now = found.usd_a_month(found.serving.memory_size_mb)
    if now is None or found.realtime is None:
        return
    name, usd = found.realtime
    cheaper = usd < now
    yield Advice(
        topic="COST",
        act=cheaper,
        detail=f"${now:.2f} a month for {found.requests_a_month:.0f} requests; real-time on {name} "
        f"would be ${usd:.2f}",
        saving_usd_a_month=now - usd if cheaper else None,
    )


TOPICS: Sequence[Callable[[Situation], Iterator[Advice]]] = (
    memory,
    concurrency,
    cold_starts,
    latency,
    errors,
    cost,
    bill,
    log,
    payloads,
    pings,
    ages,
    vulnerabilities,
    advisories,
    alerts,
)
