"""How long a request takes in each tier's cgroup: the truth that a profile is held against.

A machine's speed drifts by a third within minutes, more than the 15 % that are allowed. So a server
of every tier is up, they are asked in turn, in blocks, and there is one such pass before the
profile and one after it. The truth is both passes together; how far they differ by themselves is
what no profile could have known.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

from profiling_runs import Body, Running, Subject, caged, percentile

from seatrial.limits import load_limits

CORES = len(os.sched_getaffinity(0))
LIMITS = load_limits()
KINDS = ("mean", "p50", "p95")
FEWEST_FOR_P95 = 20
# Of one tier in one pass: enough requests for a p95 of both, however long that takes.
REQUESTS, SECONDS, FEWEST = 100, 1.5, 10
BLOCK_REQUESTS, BLOCK_S = 25, 0.5
PERIOD_S = 0.02  # of the quota, which an idle server has saved up: a block's first goes uncounted


@dataclass(frozen=True)
class TierTruth:
    """A tier as measured in a cgroup with its memory and CPU, before the profile and after it."""

    memory_size_mb: int
    held: bool
    before_ms: tuple[float, ...]
    after_ms: tuple[float, ...]

    @property
    def fits_cores(self) -> bool:
        """Whether this machine's cores can hold its CPU."""
        return self.memory_size_mb / LIMITS.mb_per_vcpu.value <= CORES

    def figure_ms(self, kind: str) -> float | None:
        """The mean, or a percentile; no p95 of fewer requests than have one."""
        return _figure_ms((*self.before_ms, *self.after_ms), kind)

    def repeats(self, kind: str) -> float:
        """How far the two passes differ by themselves, as a ratio to the lesser."""
        pair = (_figure_ms(self.before_ms, kind, 1), _figure_ms(self.after_ms, kind, 1))
        low, high = sorted(value or 0.0 for value in pair)
        return high / low - 1


def _figure_ms(found_ms: Sequence[float], kind: str, fewest: int = FEWEST_FOR_P95) -> float | None:
    if kind == "mean":
        return mean(found_ms)
    if kind == "p95" and len(found_ms) < fewest:
        return None
    return percentile(sorted(found_ms), int(kind[1:]) / 100)


@dataclass
class _Asked:
    """One tier's server in a pass, and what it took so far."""

    running: Running
    body: Body
    found_ms: list[float] = field(default_factory=list)
    spent_s: float = 0.0
    connection: http.client.HTTPConnection = field(init=False)

    def __post_init__(self) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", self.running.port, timeout=60)
        self.connection.connect()
        self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def block(self) -> bool:
        """Ask some; True if there are to be more."""
        started = time.monotonic()
        while time.monotonic() < started + PERIOD_S:
            self._request_ms()
        begun, last = time.monotonic(), len(self.found_ms) + BLOCK_REQUESTS
        while len(self.found_ms) < last and time.monotonic() < begun + BLOCK_S:
            self.found_ms.append(self._request_ms())
        self.spent_s += time.monotonic() - begun
        few = len(self.found_ms) < FEWEST
        return few or (len(self.found_ms) < REQUESTS and self.spent_s < SECONDS)

    def _request_ms(self) -> float:
        started = time.perf_counter()
        headers = {"Content-Type": self.body.content_type}
        self.connection.request("POST", "/invocations", self.body.body, headers)
        self.connection.getresponse().read()
        return 1000 * (time.perf_counter() - started)


def measure_pass(subject: Subject, folder: Path, cgroups: Any) -> dict[int, tuple[float, ...]]:
    """Latencies by tier, all asked in turn; of those that hold the model."""
    asked: dict[int, _Asked] = {}
    with contextlib.ExitStack() as up:
        for size in LIMITS.memory_tiers_mb.value:
            vcpus = min(size / LIMITS.mb_per_vcpu.value, CORES)
            place = folder / str(size)
            place.mkdir(parents=True)
            cage = caged(subject, place, cgroups, memory_mb=size, vcpus=vcpus)
            running = up.enter_context(cage)
            if running.ready() and running.invoke(subject.bodies[0]) and not running.killed:
                asked[size] = _Asked(running, subject.bodies[0])
        turn = list(asked.values())
        while turn:
            turn = [item for item in turn if item.block()]
        for item in asked.values():
            item.connection.close()
        return {size: tuple(item.found_ms) for size, item in asked.items()}


def truths_of(
    before: dict[int, tuple[float, ...]], after: dict[int, tuple[float, ...]]
) -> tuple[TierTruth, ...]:
    """Both passes, tier by tier."""
    return tuple(
        TierTruth(size, size in before and size in after, before.get(size, ()), after.get(size, ()))
        for size in LIMITS.memory_tiers_mb.value
    )
