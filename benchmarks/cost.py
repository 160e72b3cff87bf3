"""How long `seatrial cost` takes for a month of a million requests, and whether it counts right.

    .venv/bin/python benchmarks/cost.py [--requests 1000000] [--checked 20000]

Every tier and policy (on demand, provisioned, kept warm, hybrid, real-time with autoscaling) on a
bursty month, from a process that has imported nothing of it: importing and compiling are in the
time. One thread does it all, so CPU seconds are what it takes where a core is free: the limit is on
them, since walls on a shared machine swing. The peer is an event simulation in plain Python
(seatrial.cost.plain): on the first `checked` requests of the month it has to give the same kind and
wait for every request, bit by bit.
The provisioned prices are made up: they are not known, and change no time.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seatrial.cost.case import Case

LIMIT_S, LIMIT_MB = 20.0, 1024.0
CONCURRENCY = 50
MB_PER_VCPU = 1769
MADE_UP = {
    "provisioned_usd_per_gb_second": 0.000004,
    "provisioned_duration_usd_per_gb_second": 0.00001,
}


class Predicted:
    """What a tier's quota makes of known latencies on whole cores; a start takes 4 s anywhere."""

    scales = True

    def __init__(self) -> None:
        from seatrial.readiness.whole import Whole

        self._whole = {
            "one": Whole(45.0, 40.0, 70.0, 150.0, None, 200.0, cpu_ms=40.0),
            "many": Whole(420.0, 400.0, 500.0, 900.0, None, 1000.0, cpu_ms=600.0),
        }

    def latencies_ms(self, payload: str, memory_size_mb: float) -> tuple[float, ...]:
        """Equally likely ones."""
        return self._whole[payload].under(memory_size_mb / MB_PER_VCPU).spread_ms

    def cold_start_s(self, _memory_size_mb: float) -> float:
        """The same at each."""
        return 4.0


def month(requests: int) -> Case:
    """A bursty month of two payloads, of which one is slow and rare."""
    from seatrial.cost.case import Case
    from seatrial.cost.prices import load_prices, with_given
    from seatrial.cost.setup import Setup
    from seatrial.cost.traffic import month_of
    from seatrial.cost.workload import Payload, Workload

    workload = Workload(
        source="benchmark",
        payloads=(Payload("one", 0.9, 2_000, 500), Payload("many", 0.1, 200_000, 50_000)),
        times=Predicted(),
        peak_memory_mb=None,
        mb_per_vcpu=MB_PER_VCPU,
        max_service_s=60,
    )
    prices = with_given(load_prices("us-east-1"), MADE_UP, today=date(2026, 11, 24))
    return Case(month_of("bursty", requests, seed=1), workload, prices, Setup(CONCURRENCY), seed=1)


def highest_memory_mb() -> float:
    """The most memory that this process has had."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("/proc/self/status has no VmHWM")


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """The result, and the CPU seconds that it took."""
    begun = time.process_time()
    result = call()
    return result, time.process_time() - begun


def checks(case: Case, checked: int) -> Iterator[tuple[str, bool, float, float]]:
    """For each loop: name, same results, seconds of ours (compiled before), seconds of the peer."""
    import numpy as np

    from seatrial.cost.case import run_fleet
    from seatrial.cost.loops import compiled, queue
    from seatrial.cost.plain import queue_plainly, serve_plainly

    arrivals = np.ascontiguousarray(case.traffic.arrivals_s[:checked])
    service = case.workload.service_s(case.draws, 1024)[:checked]
    lists = (arrivals.tolist(), service.tolist())
    for reserved in (0, 5):
        rules = {"reserved": reserved, "limit": CONCURRENCY, "idle_s": 300.0, "cold_s": 4.0}
        fleet, ours_s = timed(lambda rules=rules: run_fleet(arrivals, service, **rules))
        plain, peer_s = timed(lambda rules=rules: serve_plainly(*lists, lists[1], **rules))
        same = (fleet.kinds.tolist(), fleet.in_flight.tolist()) == plain
        yield f"sandboxes, {reserved} reserved", same, ours_s, peer_s
    minutes = int(arrivals[-1] // 60) + 1
    workers = 2 + np.arange(minutes) // 5 % 3
    waits = np.empty(len(arrivals))
    _, ours_s = timed(lambda: compiled(queue)(arrivals, service, workers, 60.0, 60.0, waits))
    plain, peer_s = timed(
        lambda: queue_plainly(*lists, workers.tolist(), step_s=60.0, patience_s=60.0)
    )
    yield "queue, changing workers", waits.tolist() == plain, ours_s, peer_s


def main() -> int:
    """Measure and print; 1 if a limit is missed or the peer disagrees."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--checked", type=int, default=20_000)
    args = parser.parse_args()

    begun, begun_cpu = time.perf_counter(), time.process_time()
    from seatrial.cost.comparison import compare
    from seatrial.limits import load_limits

    case = month(args.requests)
    ready_s = time.process_time() - begun_cpu
    found = compare(case, load_limits().memory_tiers_mb.value)
    taken_s, memory_mb = time.perf_counter() - begun, highest_memory_mb()
    cpu_s = time.process_time() - begun_cpu
    _, again_s = timed(lambda: compare(case, load_limits().memory_tiers_mb.value))
    sys.stdout.write(
        f"{args.requests} requests, {len(found.policies)} tiers and policies: CPU {cpu_s:.1f} s "
        f"(limit {LIMIT_S:g}), wall {taken_s:.1f} s, {memory_mb:.0f} MB (limit {LIMIT_MB:g})\n"
        f"of it {ready_s:.1f} s until traffic is there; all again, compiled: CPU {again_s:.1f} s\n"
    )
    good = cpu_s <= LIMIT_S and memory_mb <= LIMIT_MB
    for name, same, ours_s, peer_s in checks(case, args.checked):
        sys.stdout.write(
            f"{name}: {args.checked} requests {'the same' if same else 'DIFFERENT'}; "
            f"{1e6 * ours_s / args.checked:.3f} µs a request, peer "
            f"{1e6 * peer_s / args.checked:.1f} µs: {peer_s / ours_s:.0f} times as long\n"
        )
        good = good and same
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
