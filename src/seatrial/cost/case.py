"""One question, and the simulation of sandboxes that answers it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from seatrial.contracts import CostPolicy, PolicyCost
from seatrial.cost.loops import COLD, RESERVED, THROTTLED, compiled, serve
from seatrial.cost.prices import Prices
from seatrial.cost.setup import Setup
from seatrial.cost.traffic import Numbers, Traffic
from seatrial.cost.workload import Draws, Workload


@dataclass(frozen=True)
class Case:
    """What the policies are compared on. Draws are made once, so all see the same requests."""

    traffic: Traffic
    workload: Workload
    prices: Prices
    setup: Setup
    seed: int = 0

    @cached_property
    def draws(self) -> Draws:
        """Payload and luck of each request."""
        return self.workload.draw(self.traffic.requests, seed=self.seed)

    @cached_property
    def minute_counts(self) -> Numbers:
        """Requests in each minute of the span."""
        return self.traffic.minute_counts

    @cached_property
    def instance_service_s(self) -> Numbers:
        """Seconds that each request takes on an instance."""
        return self.workload.instance_service_s(self.draws)

    @property
    def spans_a_month(self) -> float:
        """How often the span, or the sample of it, goes into a month."""
        return self.traffic.requests_a_month / self.traffic.requests


@dataclass(frozen=True)
class Fleet:
    """What became of each arrival; a latency is not a number where there was no answer."""

    kinds: npt.NDArray[np.uint8]
    in_flight: npt.NDArray[np.int32]
    latency_s: Numbers

    @property
    def answered(self) -> npt.NDArray[np.bool_]:
        """Which were answered."""
        return np.asarray(self.kinds != THROTTLED)


@dataclass(frozen=True)
class Tier:
    """A case on sandboxes of one memory size; what several policies need of it is kept."""

    case: Case
    memory_size_mb: int

    @cached_property
    def service_s(self) -> Numbers:
        """Seconds that each request takes."""
        return self.case.workload.service_s(self.case.draws, self.memory_size_mb)

    @cached_property
    def on_demand(self) -> Fleet:
        """What sandboxes from zero make of the traffic."""
        return self.run(self.case.traffic.arrivals_s, self.service_s)

    @property
    def cold_s(self) -> float:
        """Seconds that a sandbox takes to start."""
        return self.case.workload.times.cold_start_s(self.memory_size_mb)

    def run(self, arrivals_s: Numbers, service_s: Numbers) -> Fleet:
        """Serve these arrivals with sandboxes from zero."""
        setup = self.case.setup
        return run_fleet(
            arrivals_s,
            service_s,
            limit=setup.max_concurrency,
            idle_s=setup.idle_s,
            cold_s=self.cold_s,
        )


@dataclass(frozen=True)
class Bill:
    """US dollars: `running_usd` of the span, `standing_usd` a month, and bytes of the span."""

    running_usd: float = 0.0
    standing_usd: float = 0.0
    more_bytes: tuple[float, float] = (0.0, 0.0)  # of requests that are not the caller's


def run_fleet(
    arrivals_s: Numbers,
    service_s: Numbers,
    *,
    limit: int,
    idle_s: float,
    cold_s: float,
    reserved: int = 0,
    reserved_service_s: Numbers | None = None,
) -> Fleet:
    """Serve the arrivals with sandboxes that come from zero, and `reserved` slots before them."""
    kinds = np.empty(len(arrivals_s), dtype=np.uint8)
    in_flight = np.empty(len(arrivals_s), dtype=np.int32)
    held_s = service_s if reserved_service_s is None else reserved_service_s
    idle_s, cold_s = float(idle_s), float(cold_s)
    compiled(serve)(
        arrivals_s, service_s, held_s, reserved, limit, idle_s, cold_s, kinds, in_flight
    )
    latency_s = service_s.copy()
    if reserved_service_s is not None:
        latency_s[kinds == RESERVED] = held_s[kinds == RESERVED]
    latency_s[kinds == COLD] += cold_s
    latency_s[kinds == THROTTLED] = np.nan
    return Fleet(kinds, in_flight, latency_s)


def billed_s(service_s: Numbers) -> float:
    """The sum, each request rounded up to a whole millisecond (0.07 s is 70 ms, not 71)."""
    return float(np.ceil(service_s * 1000 - 1e-6).sum()) / 1000


def costed(
    policy: CostPolicy,
    case: Case,
    fleet: Fleet,
    bill: Bill,
    *,
    memory_size_mb: int | None = None,
    instance_type: str | None = None,
    reserved: float | None = None,
) -> PolicyCost:
    """The bill for a month, beside what callers see."""
    answered, requests = fleet.answered, len(fleet.kinds)
    bytes_in, bytes_out = case.workload.bytes_moved(case.draws, answered)
    more_in, more_out = bill.more_bytes
    data_usd = case.prices.data_usd(bytes_in + more_in, bytes_out + more_out)
    running_usd, data_usd = bill.running_usd * case.spans_a_month, data_usd * case.spans_a_month
    latency_s = fleet.latency_s[answered]
    slow = (
        [1000 * float(value) for value in np.percentile(latency_s, (50, 95, 99))]
        if len(latency_s)
        else [None] * 3
    )
    return PolicyCost(
        policy=policy,
        memory_size_mb=memory_size_mb,
        instance_type=instance_type,
        reserved=reserved,
        usd_a_month=running_usd + bill.standing_usd + data_usd,
        usd_running=running_usd,
        usd_standing=bill.standing_usd,
        usd_data=data_usd,
        cold_ratio=float((fleet.kinds == COLD).sum()) / requests,
        throttled_ratio=float(requests - answered.sum()) / requests,
        latency_p50_ms=slow[0],
        latency_p95_ms=slow[1],
        latency_p99_ms=slow[2],
    )
