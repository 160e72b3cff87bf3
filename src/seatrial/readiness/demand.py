"""What the expected traffic needs of a tier, and costs on it: simulated as `seatrial cost` does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from seatrial.contracts import Crossover, CurvePoint, PolicyCost
from seatrial.cost.case import Case, Tier
from seatrial.cost.comparison import cheapest, instances_that_hold
from seatrial.cost.crossover import POINT_ARRIVALS, Question, cost_curve, crossovers, log_steps
from seatrial.cost.instances import real_time
from seatrial.cost.measured import profiled_workload
from seatrial.cost.prices import DATA_PRICES, ON_DEMAND_PRICE, PROVISIONED_PRICES
from seatrial.cost.sandboxes import covering, on_demand, provisioned
from seatrial.cost.setup import Objectives, Setup
from seatrial.cost.traffic import rhythm_of
from seatrial.cost.workload import Workload
from seatrial.errors import InputError
from seatrial.readiness.facts import Facts
from seatrial.readiness.setting import MAX_THROTTLED_RATIO

OBJECTIVES = Objectives(max_throttled_ratio=MAX_THROTTLED_RATIO)
# The curve, times the traffic that is expected; and how much is simulated at each of its points,
# which is enough for cost: of 500 000 arrivals it differed by 0.05 %.
_BELOW, _ABOVE, _PER_DECADE = 0.01, 100.0, 2
_POINT_ARRIVALS = 50_000


@dataclass(frozen=True)
class Demand:
    """The expected traffic on one tier. `question` has the most sandboxes that could be had."""

    question: Question
    requests_per_month: float

    @cached_property
    def case(self) -> Case:
        """The traffic, with as many sandboxes as could be had."""
        whole = replace(self.question, point_arrivals=POINT_ARRIVALS)
        return whole.case(self.requests_per_month)

    @cached_property
    def _tier(self) -> Tier:
        return Tier(self.case, self.question.tiers_mb[0])

    def covering(self, ratio: float) -> int:
        """How many sandboxes are enough for that share of the requests."""
        return covering(self._tier, ratio)

    def usd_per_month(self, max_concurrency: int, held: int | None) -> float | None:
        """What the traffic costs, `held` of the sandboxes provisioned; None without a price."""
        prices = (ON_DEMAND_PRICE, *DATA_PRICES, *(PROVISIONED_PRICES if held else ()))
        if self.question.prices.missing(prices) or (held or 0) > max_concurrency:
            return None
        setup = replace(self.question.setup, max_concurrency=max_concurrency)
        tier = Tier(replace(self.case, setup=setup), self.question.tiers_mb[0])
        return (provisioned(tier, held) if held else on_demand(tier)).usd_a_month

    @cached_property
    def real_time(self) -> PolicyCost | None:
        """The cheapest real-time instances for it; None if no price is known or none holds it."""
        names, _ = instances_that_hold(self.case)
        if self.question.prices.missing(DATA_PRICES):
            return None
        return cheapest((real_time(self.case, name) for name in names), OBJECTIVES)

    @cached_property
    def curve(self) -> tuple[CurvePoint, ...]:
        """Cost from a hundredth to a hundred times the traffic."""
        now = self.requests_per_month
        return cost_curve(self.question, log_steps(now * _BELOW, now * _ABOVE, _PER_DECADE))

    @cached_property
    def crossovers(self) -> tuple[Crossover, ...]:
        """Where on the curve the cheaper kind changes."""
        return crossovers(self.question, self.curve)


def demand_of(facts: Facts, memory_size_mb: int) -> Demand | None:
    """The expected traffic on that tier; None if none is given or not all payloads answered."""
    objectives = facts.config.objectives
    workload = workload_of(facts)
    if objectives.requests_per_month is None or workload is None:
        return None
    question = Question(
        rhythm_of(objectives.traffic_shape, seed=0),
        workload,
        facts.prices,
        Setup(
            max_concurrency=int(facts.limits.max_concurrency.value),
            provisioned=(),
            keep_warm=(),
            headroom_ratio=objectives.memory_headroom_ratio,
        ),
        OBJECTIVES,
        (memory_size_mb,),
        point_arrivals=_POINT_ARRIVALS,
    )
    return Demand(question, float(objectives.requests_per_month))


def workload_of(facts: Facts) -> Workload | None:
    """The profile's payloads in equal shares; None if one of them or the start has no answer."""
    try:
        return profiled_workload(
            facts.measured,
            shares=None,
            mb_per_vcpu=facts.limits.mb_per_vcpu.value,
            max_service_s=facts.limits.invocation_s.value,
        )
    except InputError:
        return None


def first_realtime(changes: Iterable[Crossover]) -> Crossover | None:
    """The least traffic from which real-time is the cheaper kind."""
    return next((item for item in changes if item.to == "real time"), None)
