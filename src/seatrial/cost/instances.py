"""Real-time instances: alone with autoscaling, or as the base of a serverless endpoint."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from seatrial.contracts import PolicyCost
from seatrial.cost.case import Bill, Case, Fleet, Tier, costed, run_fleet
from seatrial.cost.loops import THROTTLED, WARM, autoscale, compiled, drain, queue
from seatrial.cost.prices import HOURS_A_MONTH, InstancePrice
from seatrial.cost.sandboxes import on_demand_usd
from seatrial.cost.setup import Autoscaling
from seatrial.cost.traffic import MINUTE_S, Numbers
from seatrial.cost.workload import Workload

Counts = npt.NDArray[np.int64]


def workers_of(instance: InstancePrice, workload: Workload, headroom_ratio: float) -> int:
    """Workers that an instance holds: one for each vCPU, while memory lasts."""
    if workload.peak_memory_mb is None or workload.peak_memory_mb <= 0:
        return instance.vcpus
    usable_mb = instance.memory_mb * (1 - headroom_ratio)
    return min(instance.vcpus, int(usable_mb // workload.peak_memory_mb))


def target_per_minute(workers: int, mean_service_s: float, rules: Autoscaling) -> float:
    """Requests a minute that an instance is meant to get."""
    return rules.busy_ratio * workers * MINUTE_S / mean_service_s


def instances_by_minute(
    counts: Numbers, target: float, rules: Autoscaling
) -> tuple[Counts, Counts]:
    """Instances that serve, and instances that are paid for, in each minute."""
    serving = np.empty(len(counts), dtype=np.int64)
    billed = np.empty(len(counts), dtype=np.int64)
    compiled(autoscale)(
        counts,
        float(target),
        rules.fewest,
        rules.most,
        rules.out_after_min,
        rules.in_after_min,
        rules.launch_min,
        serving,
        billed,
    )
    return serving, billed


def real_time(case: Case, instance_type: str) -> PolicyCost:
    """Instances with target tracking, and one queue for all of their workers."""
    instance, setup = case.prices.instances[instance_type], case.setup
    workers = workers_of(instance, case.workload, setup.headroom_ratio)
    service_s = case.instance_service_s
    target = target_per_minute(workers, float(service_s.mean()), setup.autoscaling)
    serving, billed = instances_by_minute(case.minute_counts, target, setup.autoscaling)
    run = run_queue if case.traffic.sample is None else run_fluid_queue
    fleet = run(case, service_s, serving * workers)
    instances = float(billed.mean())
    return costed(
        "real time",
        case,
        fleet,
        Bill(standing_usd=standing_usd(instance, instances)),
        instance_type=instance_type,
        reserved=round(instances, 3),
    )


def run_queue(case: Case, service_s: Numbers, workers: Counts) -> Fleet:
    """Serve the arrivals, first come first served, with that many workers in each minute."""
    waits_s = np.empty(len(service_s))
    compiled(queue)(
        case.traffic.arrivals_s,
        service_s,
        workers,
        MINUTE_S,
        float(case.setup.patience_s),
        waits_s,
    )
    return _queued(waits_s, service_s)


def run_fluid_queue(case: Case, service_s: Numbers, workers: Counts) -> Fleet:
    """The same where the arrivals are a sample: the queue is that of all requests, as a fluid."""
    sample, counts = case.traffic.sample, case.minute_counts
    assert sample is not None  # noqa: S101 - the caller looked
    waits, lost = np.empty(len(counts)), np.empty(len(counts))
    capacity = workers * (MINUTE_S / float(service_s.mean()))
    compiled(drain)(counts, capacity, case.setup.patience_s / MINUTE_S, waits, lost)
    position = case.traffic.arrivals_s / sample.piece_s
    piece = np.minimum(position.astype(np.int64), len(sample.minutes) - 1)
    minute = sample.minutes[piece]
    gave_up = position - piece >= 1 - lost[minute]
    return _queued(np.where(gave_up, np.inf, waits[minute] * MINUTE_S), service_s)


def _queued(waits_s: Numbers, service_s: Numbers) -> Fleet:
    answered = np.isfinite(waits_s)
    kinds = np.where(answered, WARM, THROTTLED).astype(np.uint8)
    in_flight = np.zeros(len(kinds), dtype=np.int32)  # not asked of a queue
    return Fleet(kinds, in_flight, np.where(answered, waits_s + service_s, np.nan))


def hybrid(tier: Tier, instance_type: str) -> PolicyCost:
    """Fixed instances for the median minute; what finds no free worker goes serverless.

    AWS has no such routing: whoever calls counts its requests in flight, and sends on to the
    serverless endpoint while all workers are busy.
    """
    case, setup = tier.case, tier.case.setup
    instance = case.prices.instances[instance_type]
    workers = workers_of(instance, case.workload, setup.headroom_ratio)
    mean_s = float(case.instance_service_s.mean())
    target = target_per_minute(workers, mean_s, setup.autoscaling)
    count = max(1, int(np.median(case.minute_counts) / target))
    fleet = run_fleet(
        case.traffic.arrivals_s,
        tier.service_s,
        limit=setup.max_concurrency,
        idle_s=setup.idle_s,
        cold_s=tier.cold_s,
        reserved=count * workers,
        reserved_service_s=case.instance_service_s,
    )
    running_usd = on_demand_usd(tier, tier.service_s, fleet.kinds)
    return costed(
        "hybrid",
        case,
        fleet,
        Bill(running_usd, standing_usd(instance, count)),
        memory_size_mb=tier.memory_size_mb,
        instance_type=instance_type,
        reserved=count,
    )


def standing_usd(instance: InstancePrice, instances: float) -> float:
    """What that many instances cost a month."""
    return instances * HOURS_A_MONTH * (instance.usd_per_hour.usd or 0.0)
