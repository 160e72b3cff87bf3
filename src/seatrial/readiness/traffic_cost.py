"""Cost over traffic at the judged tier, beside real-time instances.

Simulated where the user says how much traffic there will be. Otherwise worked out for steady
traffic, which needs no simulation: on demand each request has its price, and so many instances as
the requests keep busy have theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from seatrial.contracts import MB, Crossover, CurvePoint, TrafficCost
from seatrial.cost.prices import HOURS_A_MONTH, MONTH_S, InstancePrice
from seatrial.readiness.facts import Facts
from seatrial.readiness.latency import latency_at
from seatrial.readiness.setting import Setting

BUSY_RATIO = 0.7  # of a worker's time: what cost/setup.py's autoscaling aims at
_REQUESTS_A_MONTH = tuple(10 ** (3 + step / 4) for step in range(25))  # 1000 to 10^9


def traffic_cost(facts: Facts, setting: Setting) -> TrafficCost | None:
    """The curve and its crossovers; None if a latency or the price on demand is not known."""
    per_million, demand = setting.tier.usd_per_million_requests, setting.demand
    if per_million is None:
        return None
    if demand is not None:
        return TrafficCost(
            requests_per_month=demand.requests_per_month,
            shape=facts.config.objectives.traffic_shape,
            usd_per_month=setting.usd_per_month,
            curve=demand.curve,
            crossovers=demand.crossovers,
        )
    return TrafficCost(
        requests_per_month=None,
        shape="steady",
        usd_per_month=None,
        curve=tuple(_point(facts, per_million / 1e6, requests) for requests in _REQUESTS_A_MONTH),
        crossovers=tuple(_crossover(facts, per_million / 1e6)),
    )


def _point(facts: Facts, usd_per_request: float, requests: float) -> CurvePoint:
    data_usd = requests * _data_usd(facts)
    standing = {
        name: ceil(requests / holds) * usd for name, (holds, usd) in _instances(facts).items()
    }
    best = min(standing, key=lambda name: standing[name], default=None)
    return CurvePoint(
        requests_a_month=requests,
        serverless_usd_a_month=requests * usd_per_request,
        serverless="on demand",
        realtime_usd_a_month=None if best is None else standing[best] + data_usd,
        realtime=None if best is None else f"real time, {best}",
    )


def _crossover(facts: Facts, usd_per_request: float) -> Iterator[Crossover]:
    """Where one instance costs what its requests cost on demand, if it can hold so many.

    If one cannot, k of them cannot either: both sides grow k times. Data cost the same on both.
    """
    running_usd = usd_per_request - _data_usd(facts)
    if running_usd <= 0:
        return
    even = [
        usd / running_usd for holds, usd in _instances(facts).values() if usd / running_usd <= holds
    ]
    if even:
        requests = min(even)
        yield Crossover(
            requests_a_month=requests,
            usd_a_month=requests * usd_per_request,
            to="real time",
            because="cost",
        )


def _instances(facts: Facts) -> dict[str, tuple[float, float]]:
    """Requests a month that one instance holds, and its price; those that hold the model."""
    found = {}
    for name, instance in facts.prices.instances.items():
        usd, workers = instance.usd_per_hour.usd, _workers(facts, instance)
        if usd is not None and workers > 0 and not instance.burstable:
            busy_s = BUSY_RATIO * workers * MONTH_S
            found[name] = (busy_s / _service_s(facts), usd * HOURS_A_MONTH)
    return found


def _workers(facts: Facts, instance: InstancePrice) -> int:
    """One for each vCPU, while memory lasts."""
    peak = facts.peak_memory_mb
    if not peak:
        return 0
    return min(instance.vcpus, int(instance.memory_mb * facts.usable_ratio // peak))


def _service_s(facts: Facts) -> float:
    """The mean on a whole vCPU, payloads in equal shares."""
    share = facts.limits.mb_per_vcpu.value
    found = [
        latency_at(facts.measured, item, int(share), share) for item in facts.measured.payloads
    ]
    mean_ms = sum(item.mean_ms for item in found if item is not None) / len(found)
    return max(mean_ms, 1e-3) / 1000


def _data_usd(facts: Facts) -> float:
    """What the data of a mean request costs, both ways."""
    items = facts.measured.payloads
    sent = sum(item.request_mb for item in items) * MB / len(items)
    answered = sum(item.response_mb or 0.0 for item in items) * MB / len(items)
    return facts.prices.data_usd(sent, answered)
