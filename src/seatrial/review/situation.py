"""Everything that advice depends on, as values."""

from __future__ import annotations

from dataclasses import dataclass

from seatrial.config import Config
from seatrial.contracts.review import Usage
from seatrial.limits import Limits
from seatrial.readiness.latency import slowdown

SECONDS_A_MONTH = 730 * 3600


@dataclass(frozen=True)
class Serving:
    """How the endpoint is configured now, and what it may be configured to."""

    memory_size_mb: int
    max_concurrency: int
    provisioned_concurrency: int | None
    quota_mb: float
    quota_concurrency: float


@dataclass(frozen=True)
class Situation:
    """Everything advice depends on. `realtime_usd_a_month` is the cheapest instance's cost."""

    usage: Usage
    serving: Serving
    config: Config
    limits: Limits
    days: int
    usd_per_gb_second: float
    realtime: tuple[str, float] | None

    @property
    def requests_a_month(self) -> float:
        """At the rate of the period."""
        return self.usage.requests * SECONDS_A_MONTH / (self.days * 86_400)

    def usd_a_month(self, memory_size_mb: int) -> float | None:
        """On-demand seconds at that tier, without data; None if no latency is known.

        The time of a request grows as its share of a CPU falls: an upper bound, as for work that
        does nothing but compute.
        """
        mean_ms = self.usage.latency_mean_ms
        if mean_ms is None:
            return None
        seconds = mean_ms / 1000 * self.slower(memory_size_mb)
        return self.requests_a_month * seconds * memory_size_mb / 1024 * self.usd_per_gb_second

    @property
    def usd_a_month_by_tier(self) -> dict[int, float]:
        """The same for every tier within the quota; empty if no latency is known."""
        tiers = (x for x in self.limits.memory_tiers_mb.value if x <= self.serving.quota_mb)
        costs = {tier: self.usd_a_month(tier) for tier in tiers}
        return {tier: usd for tier, usd in costs.items() if usd is not None}

    def slower(self, memory_size_mb: int) -> float:
        """How many times as long a computation takes there as now."""
        share = self.limits.mb_per_vcpu.value
        return slowdown(memory_size_mb, share) / slowdown(self.serving.memory_size_mb, share)
