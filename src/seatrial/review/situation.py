"""Everything that advice depends on, as values."""

from __future__ import annotations

from dataclasses import dataclass

from seatrial.config import Config
from seatrial.contracts.calls import Calls
from seatrial.contracts.review import Usage
from seatrial.cost.prices import Prices
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
    """Everything advice depends on. `realtime` is the cheapest instance, and its cost a month.

    `data_usd_a_request` is what moving one costs, by the log; None without one. `served_days` is
    how much of the `days` the endpoint was there, a day at least.
    """

    usage: Usage
    serving: Serving
    config: Config
    limits: Limits
    days: int
    served_days: float
    usd_per_gb_second: float
    realtime: tuple[str, float] | None
    data_usd_a_request: float | None = None

    @property
    def requests_a_month(self) -> float:
        """At the rate of the period, from when the endpoint was made."""
        return self.usage.requests * SECONDS_A_MONTH / (self.served_days * 86_400)

    def usd_a_month(self, memory_size_mb: int) -> float | None:
        """On demand at that tier, with data if the log has sizes; None if no latency is known.

        The time of a request grows as its share of a CPU falls: an upper bound, as for work that
        does nothing but compute.
        """
        mean_ms = self.usage.latency_mean_ms
        if mean_ms is None:
            return None
        gb_seconds = mean_ms / 1000 * self.slower(memory_size_mb) * memory_size_mb / 1024
        a_request = gb_seconds * self.usd_per_gb_second + (self.data_usd_a_request or 0.0)
        return self.requests_a_month * a_request

    @property
    def usd_a_month_by_tier(self) -> dict[int, float]:
        """The same for every tier within the quota; empty if no latency is known."""
        tiers = (x for x in self.limits.memory_tiers_mb.value if x <= self.serving.quota_mb)
        costs = {tier: self.usd_a_month(tier) for tier in tiers}
        return {tier: usd for tier, usd in costs.items() if usd is not None}

    @property
    def synthetic_share(self) -> float:
        """The share of all requests that was our own, by the log; 0 without one."""
        logged = self.usage.logged
        if logged is None or not logged.calls.requests:
            return 0.0
        return logged.calls.synthetic.requests / logged.calls.requests

    @property
    def pings_usd_a_month(self) -> float | None:
        """What our own requests cost, by what the server took for them; None without a log."""
        logged = self.usage.logged
        mean_ms = None if logged is None else logged.calls.synthetic.server_ms.mean
        if mean_ms is None:
            return None
        a_second = self.serving.memory_size_mb / 1024 * self.usd_per_gb_second
        return self.requests_a_month * self.synthetic_share * mean_ms / 1000 * a_second

    def slower(self, memory_size_mb: int) -> float:
        """How many times as long a computation takes there as now."""
        share = self.limits.mb_per_vcpu.value
        return slowdown(memory_size_mb, share) / slowdown(self.serving.memory_size_mb, share)


def data_usd_a_request(calls: Calls, prices: Prices) -> float | None:
    """What moving a request and its answer costs, our own among them; None if no size is known."""
    groups = (calls.callers, calls.synthetic)
    asked, answered = (
        sum(getattr(group, name).total for group in groups)
        / max(1.0, sum(getattr(group, name).count for group in groups))
        for name in ("request_bytes", "response_bytes")
    )
    known = any(group.request_bytes.count for group in groups)
    return prices.data_usd(asked, answered) if known else None
