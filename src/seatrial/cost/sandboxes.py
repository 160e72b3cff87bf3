"""The serverless policies: on demand, provisioned, kept warm by requests of our own."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from seatrial.contracts import PolicyCost
from seatrial.cost.case import Bill, Fleet, Tier, billed_s, costed, run_fleet
from seatrial.cost.loops import COLD, RESERVED
from seatrial.cost.prices import HELD_PRICE, HELD_RUNNING_PRICE, MONTH_S, ON_DEMAND_PRICE
from seatrial.cost.traffic import Numbers


def on_demand(tier: Tier) -> PolicyCost:
    """Sandboxes from zero, paid by the millisecond."""
    fleet = tier.on_demand
    running_usd = on_demand_usd(tier, tier.service_s, fleet.kinds)
    return costed(
        "on demand", tier.case, fleet, Bill(running_usd), memory_size_mb=tier.memory_size_mb
    )


def covering(tier: Tier, ratio: float) -> int:
    """How many sandboxes are enough for that share of the requests, one at least."""
    busy = tier.on_demand.in_flight[tier.on_demand.answered]
    found = int(np.quantile(busy, ratio, method="inverted_cdf")) if len(busy) else 1
    return max(1, min(found, tier.case.setup.max_concurrency))


def provisioned(tier: Tier, concurrency: int) -> PolicyCost:
    """`concurrency` sandboxes are kept, and paid for, all the time; what is over goes on demand."""
    case, memory_size_mb = tier.case, tier.memory_size_mb
    fleet = run_fleet(
        case.traffic.arrivals_s,
        tier.service_s,
        limit=case.setup.max_concurrency - concurrency,
        idle_s=case.setup.idle_s,
        cold_s=tier.cold_s,
        reserved=concurrency,
    )
    held_s = billed_s(tier.service_s[fleet.kinds == RESERVED])
    running_usd = on_demand_usd(tier, tier.service_s, fleet.kinds)
    running_usd += held_s * case.prices.usd_per_second(HELD_RUNNING_PRICE, memory_size_mb)
    standing_usd = concurrency * MONTH_S * case.prices.usd_per_second(HELD_PRICE, memory_size_mb)
    return costed(
        "provisioned",
        case,
        fleet,
        Bill(running_usd, standing_usd),
        memory_size_mb=memory_size_mb,
        reserved=concurrency,
    )


def keep_warm(tier: Tier, sandboxes: int) -> PolicyCost:
    """`sandboxes` requests of our own at once, every so often, so that as many are seldom reaped.

    They are billed as all others, take up sandboxes, and are not counted among the requests.
    """
    case = tier.case
    times = np.arange(0.0, case.traffic.span_s, case.setup.keep_warm_every_s)
    pings = np.repeat(times, sandboxes)
    ping = case.workload.ping(tier.memory_size_mb)
    arrivals_s = np.concatenate((case.traffic.arrivals_s, pings))
    order = np.argsort(arrivals_s, kind="stable")
    service_s = np.concatenate((tier.service_s, np.full(len(pings), ping.service_s)))[order]
    merged = tier.run(arrivals_s[order], service_s)
    running_usd = on_demand_usd(tier, service_s, merged.kinds)
    more_bytes = (len(pings) * ping.bytes_in, len(pings) * ping.bytes_out)
    own = order < case.traffic.requests
    return costed(
        "keep warm",
        case,
        Fleet(merged.kinds[own], merged.in_flight[own], merged.latency_s[own]),
        Bill(running_usd, more_bytes=more_bytes),
        memory_size_mb=tier.memory_size_mb,
        reserved=sandboxes,
    )


def on_demand_usd(tier: Tier, service_s: Numbers, kinds: npt.NDArray[np.uint8]) -> float:
    """What the requests that ran on demand cost; cold starts too, where they are billed."""
    taken_s = billed_s(service_s[kinds <= COLD])
    if tier.case.setup.bill_cold_start:
        cold_s = billed_s(np.array([tier.cold_s]))
        taken_s += float((kinds == COLD).sum()) * cold_s
    return taken_s * tier.case.prices.usd_per_second(ON_DEMAND_PRICE, tier.memory_size_mb)
