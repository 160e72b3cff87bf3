"""From how much traffic on real-time is cheaper: simulated along the curve, found by bisection.

A rule of thumb ("real-time from 40 % busy") holds for one pair of tier and instance only: the busy
share at which they cost the same is between 13 % and 160 % for those in configs/pricing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from seatrial.contracts import Crossover, CurvePoint, PolicyCost
from seatrial.cost.case import Case, Tier
from seatrial.cost.comparison import (
    cheapest,
    instances_that_hold,
    serverless_policies,
    tiers_that_hold,
)
from seatrial.cost.instances import real_time
from seatrial.cost.prices import Prices
from seatrial.cost.setup import Objectives, Setup
from seatrial.cost.traffic import Rhythm
from seatrial.cost.workload import Workload

# Simulated at one point of the curve unless said otherwise; above it a sample of the span's minutes
# stands for it.
POINT_ARRIVALS = 500_000
_TOLERANCE = 1.01  # a crossover is known to 1 %
Kind = Literal["serverless", "real time"]


@dataclass(frozen=True)
class Question:
    """What is asked at each point of the curve: the same rhythm, with more or fewer requests."""

    rhythm: Rhythm
    workload: Workload
    prices: Prices
    setup: Setup
    objectives: Objectives
    tiers_mb: tuple[int, ...]
    seed: int = 0
    point_arrivals: int = POINT_ARRIVALS

    def case(self, requests_a_month: float) -> Case:
        """The case of that much traffic."""
        traffic = self.rhythm.traffic(
            requests_a_month, seed=self.seed, source="curve", at_most=self.point_arrivals
        )
        setup = self.setup
        if self.objectives.max_cold_ratio is None:
            setup = replace(setup, keep_warm=())  # dearer than on demand, and nobody asks for it
        return Case(traffic, self.workload, self.prices, setup, self.seed)


def cost_curve(question: Question, requests_a_month: Sequence[float]) -> tuple[CurvePoint, ...]:
    """The cheapest of each kind at each amount of traffic."""
    return tuple(point_at(question, requests) for requests in requests_a_month)


def point_at(question: Question, requests_a_month: float) -> CurvePoint:
    """The cheapest serverless and the cheapest real-time policy that meet the objectives."""
    case = question.case(requests_a_month)
    tiers, _ = tiers_that_hold(case, question.tiers_mb)
    policies = (cost for tier in tiers for cost in serverless_policies(Tier(case, tier)))
    serverless = cheapest(policies, question.objectives)
    instances, _ = instances_that_hold(case)
    alone = cheapest((real_time(case, name) for name in instances), question.objectives)
    return CurvePoint(
        requests_a_month=requests_a_month,
        serverless_usd_a_month=_usd(serverless),
        serverless=None if serverless is None else serverless.label,
        realtime_usd_a_month=_usd(alone),
        realtime=None if alone is None else alone.label,
    )


def winner(point: CurvePoint) -> Kind | None:
    """The cheaper kind; None if neither meets the objectives. Equal costs stay serverless."""
    serverless, alone = point.serverless_usd_a_month, point.realtime_usd_a_month
    if serverless is None and alone is None:
        return None
    if alone is None or (serverless is not None and serverless <= alone):
        return "serverless"
    return "real time"


def crossovers(question: Question, curve: Sequence[CurvePoint]) -> tuple[Crossover, ...]:
    """Every change of the cheaper kind between neighbours on the curve."""
    known = [point for point in curve if winner(point) is not None]
    return tuple(
        _bisected(question, below, above)
        for below, above in pairwise(known)
        if winner(below) != winner(above)
    )


def log_steps(low: float, high: float, per_decade: int = 4) -> tuple[float, ...]:
    """From `low` to `high`, evenly on a logarithmic axis.

    >>> [round(value) for value in log_steps(10, 1000, per_decade=2)]
    [10, 32, 100, 316, 1000]
    """
    steps = max(1, math.ceil(per_decade * math.log10(high / low)))
    return tuple(low * (high / low) ** (step / steps) for step in range(steps + 1))


def _bisected(question: Question, below: CurvePoint, above: CurvePoint) -> Crossover:
    kind = winner(above)
    while above.requests_a_month / below.requests_a_month > _TOLERANCE:
        middle = point_at(question, math.sqrt(below.requests_a_month * above.requests_a_month))
        if winner(middle) == kind:
            above = middle
        else:
            below = middle
    return _crossover(above, kind or "real time")


def _crossover(at: CurvePoint, to: Kind) -> Crossover:
    serverless, alone = at.serverless_usd_a_month, at.realtime_usd_a_month
    usd, other = (alone, serverless) if to == "real time" else (serverless, alone)
    return Crossover(
        requests_a_month=at.requests_a_month,
        usd_a_month=usd or 0.0,
        to=to,
        because="capacity" if other is None else "cost",
    )


def _usd(cost: PolicyCost | None) -> float | None:
    return None if cost is None else cost.usd_a_month
