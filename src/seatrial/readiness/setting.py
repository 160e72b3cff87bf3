"""What the rules judge beside the facts: a tier, and how many sandboxes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.contracts import ServerlessConfiguration
from seatrial.cost.prices import PROVISIONED_PRICES
from seatrial.readiness.facts import Facts
from seatrial.readiness.tiers import TierOutlook, choose_tier, tier_to_judge

if TYPE_CHECKING:
    from seatrial.readiness.demand import Demand

# Of the requests: so many may find all sandboxes busy (an error at the caller), and so many are
# to find a provisioned one.
MAX_THROTTLED_RATIO = 0.001
PROVISIONED_RATIO = 0.95


@dataclass(frozen=True)
class Setting:
    """The tier that the checks speak of; `recommended` says whether it meets the objectives.

    `demand` is what the expected traffic makes of it; None if none was given, or the profile has
    no answers to cost.
    """

    tier: TierOutlook
    recommended: bool
    max_concurrency: int
    provisioned_concurrency: int | None
    demand: Demand | None

    @property
    def usd_per_month(self) -> float | None:
        """What the expected traffic costs so; None if it or a price is not known."""
        if self.demand is None:
            return None
        return self.demand.usd_per_month(self.max_concurrency, self.provisioned_concurrency)

    @property
    def serverless(self) -> ServerlessConfiguration | None:
        """What the endpoint is to be created with; None if no tier meets the objectives."""
        if not self.recommended:
            return None
        return ServerlessConfiguration(
            memory_size_mb=self.tier.memory_size_mb,
            max_concurrency=self.max_concurrency,
            provisioned_concurrency=self.provisioned_concurrency,
        )


def setting_of(facts: Facts) -> Setting:
    """The tier, and the concurrency that the traffic needs, at least what was asked for."""
    tier, wanted = tier_to_judge(facts), facts.config.endpoint.max_concurrency
    demand = _demand(facts, tier)
    if demand is not None:
        wanted = max(wanted, demand.covering(1 - MAX_THROTTLED_RATIO))
    return Setting(
        tier=tier,
        recommended=choose_tier(facts) is not None,
        max_concurrency=wanted,
        provisioned_concurrency=_provisioned(facts, tier, demand),
        demand=demand,
    )


def _demand(facts: Facts, tier: TierOutlook) -> Demand | None:
    if facts.config.objectives.requests_per_month is None:
        return None
    from seatrial.readiness.demand import demand_of  # numpy, which files alone do without

    return demand_of(facts, tier.memory_size_mb)


def _provisioned(facts: Facts, tier: TierOutlook, demand: Demand | None) -> int | None:
    """As asked for; else only where the cold start needs it and its price is known."""
    asked = facts.config.endpoint.provisioned_concurrency
    late = tier.cold_start_s is not None and (
        tier.cold_start_s > facts.config.objectives.cold_start_s
    )
    if asked is not None or not late or facts.prices.missing(PROVISIONED_PRICES):
        return asked
    return 1 if demand is None else demand.covering(PROVISIONED_RATIO)
