"""COST_OBJECTIVE and REALTIME_CHEAPER: only where the user says how much traffic or money."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.contracts import Check
from seatrial.cost.prices import DATA_PRICES, ON_DEMAND_PRICE
from seatrial.readiness.checks import at_most
from seatrial.readiness.facts import Facts
from seatrial.readiness.setting import Setting

UNIT = "USD a month"


def cost_objective(facts: Facts, setting: Setting) -> Iterator[Check]:
    """COST_OBJECTIVE: the expected traffic costs no more a month; left out without an objective."""
    objectives = facts.config.objectives
    wanted, usd = objectives.cost_usd_per_month, setting.usd_per_month
    if wanted is None:
        return
    fix = "Make the model faster or smaller, or raise objectives.cost_usd_per_month"
    if usd is not None:
        fix += f" to {usd:.2f}"
    yield at_most(
        "COST_OBJECTIVE",
        usd,
        wanted,
        UNIT,
        "objective",
        detail=_traffic(facts),
        fix=_how_to_know(facts) if usd is None else fix,
    )


def realtime_cheaper(facts: Facts, setting: Setting) -> Iterator[Check]:
    """REALTIME_CHEAPER (a warning): instances would cost less; left out without traffic."""
    if facts.config.objectives.requests_per_month is None:
        return
    demand, usd = setting.demand, setting.usd_per_month
    other = None if demand is None else demand.real_time
    if demand is None or usd is None or other is None:
        yield Check(
            code="REALTIME_CHEAPER",
            status="unknown",
            measured=usd,
            limit=None if other is None else other.usd_a_month,
            unit=UNIT,
            source="objective",
            detail=_traffic(facts),
            fix=_how_to_know(facts),
        )
        return
    from seatrial.readiness.demand import first_realtime

    change = first_realtime(demand.crossovers)
    most = demand.curve[-1].requests_a_month
    where = (
        f"not up to {most:,.0f} requests a month"
        if change is None
        else f"from {change.requests_a_month:,.0f} requests a month on"
    )
    yield at_most(
        "REALTIME_CHEAPER",
        usd,
        other.usd_a_month,
        UNIT,
        "objective",
        detail=f"{_traffic(facts)}; {other.label}: {other.usd_a_month:.2f}; real-time is cheaper "
        f"{where}",
        fix=f"Use {other.instance_type}, {other.reserved:g} on average, in place of serverless",
        over="warn",
    )


def _traffic(facts: Facts) -> str:
    objectives = facts.config.objectives
    if objectives.requests_per_month is None:
        return "objectives.requests_per_month is not given"
    return f"{objectives.requests_per_month:,} requests a month, {objectives.traffic_shape}"


def _how_to_know(facts: Facts) -> str:
    """What is missing for a figure; prices are never invented."""
    if facts.config.objectives.requests_per_month is None:
        return "Give objectives.requests_per_month"
    missing = facts.prices.missing((ON_DEMAND_PRICE, *DATA_PRICES))
    if missing:
        names = ", ".join(f"prices.{name}" for name in missing)
        return f"Give {names}: not known in {facts.prices.region}"
    instances = facts.prices.instances
    if all(item.usd_per_hour.usd is None for item in instances.values()):
        what = ", ".join(f"prices.{name}" for name in instances)
        region = facts.prices.region
        return f"Give {what}" if what else f"seatrial cost refresh --region {region} reads them"
    return "Every payload and the start have to be answered, and an instance to hold the model"
