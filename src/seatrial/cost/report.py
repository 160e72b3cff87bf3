"""`cost.json` put together, with everything that was assumed said in a line each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from seatrial.contracts import (
    CostReport,
    Crossover,
    CurvePoint,
    PolicyCost,
    TrafficSummary,
    UsedPrice,
)
from seatrial.cost.case import Case
from seatrial.cost.comparison import Comparison, cheapest
from seatrial.cost.crossover import POINT_ARRIVALS
from seatrial.cost.prices import HOURS_A_MONTH, Price, Prices, price_names
from seatrial.cost.setup import Objectives


def cost_report(
    case: Case,
    comparison: Comparison,
    objectives: Objectives,
    *,
    curve: Sequence[CurvePoint] = (),
    crossovers: Sequence[Crossover] = (),
) -> CostReport:
    """The comparison as a contract."""
    traffic = case.traffic
    return CostReport(
        region=case.prices.region,
        prices=tuple(_used_prices(case.prices, comparison)),
        traffic=TrafficSummary(
            source=traffic.source,
            requests=traffic.requests,
            span_s=traffic.span_s,
            requests_a_month=traffic.requests_a_month,
            busiest_minute=int(traffic.minute_counts.max()),
        ),
        workload=case.workload.source,
        policies=comparison.policies,
        left_out=comparison.left_out,
        cheapest=cheapest(comparison.policies, objectives),
        curve=tuple(curve),
        crossovers=tuple(crossovers),
        assumptions=tuple(
            _assumptions(case, comparison.policies, objectives, with_curve=bool(curve))
        ),
    )


def _used_prices(prices: Prices, comparison: Comparison) -> Iterator[UsedPrice]:
    compared = {item.instance_type for item in comparison.policies}
    every: dict[str, Price] = {name: getattr(prices, name) for name in price_names()}
    every |= {
        name: item.usd_per_hour for name, item in prices.instances.items() if name in compared
    }
    for name, price in every.items():
        if price.usd is not None:
            yield UsedPrice(
                name=name,
                usd=price.usd,
                source=price.source,
                date=price.date,
                verified=price.verified,
            )


def _assumptions(
    case: Case, policies: Sequence[PolicyCost], objectives: Objectives, *, with_curve: bool
) -> Iterator[str]:
    setup, scaling = case.setup, case.setup.autoscaling
    unverified = [
        name
        for name in ("serverless_usd_per_gb_second", "data_in_usd_per_gb")
        if not getattr(case.prices, name).verified
    ]
    if unverified:
        yield (
            f"Prices of {case.prices.region} are from public sources, not checked with AWS: "
            "seatrial cost refresh reads them."
        )
    yield f"A month is {HOURS_A_MONTH} hours; the span's cost is scaled to it. No free tier."
    yield (
        "A request is billed in whole milliseconds; starting a sandbox is "
        f"{'' if setup.bill_cold_start else 'not '}billed (AWS does not say)."
    )
    yield (
        f"A sandbox serves one request at a time; the one used last is used next, and one idle for "
        f"{setup.idle_s:g} s is gone (AWS documents neither)."
    )
    yield (
        f"Lost: throttled beyond {setup.max_concurrency} requests at once, or given up after "
        f"{setup.patience_s:g} s in a real-time queue; nobody tries again."
    )
    yield from _of_workload(case)
    yield (
        f"Kept warm: requests of our own every {setup.keep_warm_every_s:g} s, as the quickest "
        "payload. Provisioned: what is over them goes on demand, within the same concurrency."
    )
    yield (
        f"Real-time: a worker for each vCPU, one queue, {scaling.busy_ratio:.0%} busy on target, "
        f"{scaling.fewest} to {scaling.most} instances; {scaling.out_after_min} minutes over it "
        f"launch more, in service {scaling.launch_min} minutes later and paid from the start; "
        f"{scaling.in_after_min} minutes under it end some."
    )
    base = next((item.instance_type for item in policies if item.policy == "hybrid"), None)
    if base is not None:
        yield (
            f"Hybrid: fixed {base} for the median minute; the caller sends on to serverless what "
            "finds no free worker (AWS has no such routing)."
        )
    yield (
        "Cheapest means: at most "
        f"{objectives.max_throttled_ratio:.2%} throttled{_more(objectives)}."
    )
    if with_curve:
        yield (
            f"Along the curve, above {POINT_ARRIVALS:,} requests in the span, a sample of its "
            "hours is simulated: more so the farther above, and starts weigh more than they would."
        )


def _of_workload(case: Case) -> Iterator[str]:
    if case.workload.times.scales:
        yield (
            "Latency and cold start are the verdict's: measured under the tier's CPU share where "
            "the profile has that, else predicted from whole cores. One vCPU per "
            f"{case.workload.mb_per_vcpu:g} MB as on Lambda (AWS does not say)."
        )
    else:
        yield "Requests and cold starts take as long as was given, on every tier and instance."
    yield "Pulling the image and downloading the archive are not in the cold start."


def _more(objectives: Objectives) -> str:
    parts = []
    if objectives.max_cold_ratio is not None:
        parts.append(f"at most {objectives.max_cold_ratio:.2%} cold")
    if objectives.latency_p95_ms is not None:
        parts.append(f"p95 at most {objectives.latency_p95_ms:g} ms")
    return "".join(f", {part}" for part in parts)
