"""Every tier and policy side by side, what had to be left out and why, and the cheapest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from seatrial.contracts import LeftOut, PolicyCost
from seatrial.cost.case import Case, Tier
from seatrial.cost.instances import hybrid, real_time, workers_of
from seatrial.cost.prices import PROVISIONED_PRICES
from seatrial.cost.sandboxes import covering, keep_warm, on_demand, provisioned
from seatrial.cost.setup import Objectives
from seatrial.errors import InputError

# Of the requests, that the larger of the two provisioned concurrencies tried covers.
_COVERED_RATIO = 0.95


@dataclass(frozen=True)
class Comparison:
    """All that could be simulated, and all that could not."""

    policies: tuple[PolicyCost, ...]
    left_out: tuple[LeftOut, ...]


def compare(case: Case, tiers_mb: Sequence[int]) -> Comparison:
    """The cost of each policy on each tier and each instance type."""
    tiers, small = tiers_that_hold(case, tiers_mb)
    instances, unfit = instances_that_hold(case)
    base = min(
        instances,
        key=lambda name: case.prices.instances[name].usd_per_hour.usd or 0.0,
        default=None,
    )
    found: list[PolicyCost] = []
    for memory_size_mb in tiers:
        tier = Tier(case, memory_size_mb)
        found += serverless_policies(tier)
        found += [] if base is None else [hybrid(tier, base)]
    found += [real_time(case, name) for name in instances]
    return Comparison(tuple(found), (*small, *_without_price(case), *unfit))


def serverless_policies(tier: Tier) -> Iterator[PolicyCost]:
    """On demand, provisioned if its prices are known, and kept warm."""
    yield on_demand(tier)
    if not tier.case.prices.missing(PROVISIONED_PRICES):
        for concurrency in concurrencies(tier):
            yield provisioned(tier, concurrency)
    for sandboxes in tier.case.setup.keep_warm:
        yield keep_warm(tier, sandboxes)


def concurrencies(tier: Tier) -> tuple[int, ...]:
    """The provisioned concurrencies to try."""
    if tier.case.setup.provisioned is not None:
        return tier.case.setup.provisioned
    return tuple(sorted({1, covering(tier, _COVERED_RATIO)}))


def _without_price(case: Case) -> Iterator[LeftOut]:
    missing = case.prices.missing(PROVISIONED_PRICES)
    if missing:
        reason = (
            f"{' and '.join(missing)} of {case.prices.region} not known: give "
            f"{' '.join(f'--price {name}=…' for name in missing)}, or prices in the configuration"
        )
        yield LeftOut(what="provisioned", reason=reason)


def tiers_that_hold(case: Case, tiers_mb: Sequence[int]) -> tuple[list[int], list[LeftOut]]:
    """The tiers with room for the model's peak, and the others."""
    peak = case.workload.peak_memory_mb
    usable_ratio = 1 - case.setup.headroom_ratio
    if peak is None:
        return list(tiers_mb), []
    small = [tier for tier in tiers_mb if peak > tier * usable_ratio]
    left_out = [
        LeftOut(
            what=f"{tier} MB",
            reason=f"peak {peak:.0f} MB, and {tier * usable_ratio:.0f} MB of it are usable",
        )
        for tier in small
    ]
    return [tier for tier in tiers_mb if tier not in small], left_out


def instances_that_hold(case: Case) -> tuple[list[str], list[LeftOut]]:
    """The instance types to compare, and why not the others."""
    known, asked = case.prices.instances, case.setup.instances
    unknown = [name for name in asked or () if name not in known]
    if unknown:
        raise InputError(
            "no such instance type in the prices",
            got=", ".join(unknown),
            allowed=", ".join(known) or "none",
            do="Correct --instance, or add the type to a file for --prices",
        )
    left_out = [
        LeftOut(what=name, reason=reason)
        for name in asked or known
        if (reason := _unfit(case, name, asked=asked is not None))
    ]
    out = {item.what for item in left_out}
    return [name for name in asked or known if name not in out], left_out


def _unfit(case: Case, name: str, *, asked: bool) -> str:
    instance = case.prices.instances[name]
    if instance.burstable and not asked:
        return f"burstable: it cannot hold its speed; --instance {name} compares it all the same"
    if instance.usd_per_hour.usd is None:
        return f"its price in {case.prices.region} is not known: give --price {name}=…"
    if workers_of(instance, case.workload, case.setup.headroom_ratio) < 1:
        return (
            f"peak {case.workload.peak_memory_mb:.0f} MB does not fit its {instance.memory_mb} MB"
        )
    return ""


def cheapest(policies: Iterable[PolicyCost], objectives: Objectives) -> PolicyCost | None:
    """The cheapest that meets the objectives, the faster of equals; None if none does."""
    return min(
        (item for item in policies if objectives.met_by(item)),
        key=lambda item: (item.usd_a_month, item.latency_p95_ms or 0.0),
        default=None,
    )
