"""How long a request takes in each tier's cgroup: the truth that a profile is held against.

A machine's speed drifts by a third within minutes, more than the 15 % that are allowed. So the
truth is measured in the profile's own turns: right before and right after each block of requests
that the profiler sends at a tier, a block goes to a server in that tier's cgroup. Whatever slows
both alike is then in neither's error. How far the blocks before and those after differ by
themselves is what no profile could have known. `measure_pass` is the truth apart: all tiers in
turn, some time before the profile or after it.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median
from typing import Any

from profiling_runs import Body, Running, Subject, caged, percentile

from seatrial.limits import load_limits, tier_environment

CORES = len(os.sched_getaffinity(0))
LIMITS = load_limits()
KINDS = ("mean", "p50", "p95")
FEWEST_FOR_P95 = 20
# Of one tier in one pass, or on one side of the profile's blocks: enough requests for a p95 of
# both, however long that takes.
REQUESTS, SECONDS, FEWEST = 100, 1.5, 10
LONG_PERIODS = 10
PERIOD_S = 0.02  # of the quota, which an idle server has saved up: a block's first goes uncounted
# A block of short requests goes on for some periods: of few it is chance how many meet a stall.
BLOCK_REQUESTS, BLOCK_S, BLOCK_PERIODS = 25, 0.5, 5


@dataclass(frozen=True)
class TierTruth:
    """A tier as measured in a cgroup with its memory and CPU, before the profile's and after it."""

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
        return figure_ms((*self.before_ms, *self.after_ms), kind)

    def repeats(self, kind: str) -> float:
        """How far the two passes differ by themselves, as a ratio to the lesser."""
        pair = (figure_ms(self.before_ms, kind, 1), figure_ms(self.after_ms, kind, 1))
        low, high = sorted(value or 0.0 for value in pair)
        return high / low - 1


def figure_ms(found_ms: Sequence[float], kind: str, fewest: int = FEWEST_FOR_P95) -> float | None:
    """The mean or a percentile of these; no p95 of fewer than `fewest`."""
    if kind == "mean":
        return mean(found_ms)
    if kind == "p95" and len(found_ms) < fewest:
        return None
    return percentile(sorted(found_ms), int(kind[1:]) / 100)


@dataclass
class Asked:
    """One tier's server, and what it took so far, before and after the profile's blocks."""

    running: Running
    body: Body
    found_ms: dict[str, list[float]] = field(default_factory=lambda: {"before": [], "after": []})
    spent_s: float = 0.0
    connection: http.client.HTTPConnection = field(init=False)

    def __post_init__(self) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", self.running.port, timeout=60)
        self.connection.connect()
        self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def block(self, side: str) -> bool:
        """Ask some; True if that side is to have more."""
        self._lead_in()
        begun, asked_ms = time.monotonic(), self.found_ms[side]
        last, least_s = len(asked_ms) + BLOCK_REQUESTS, BLOCK_PERIODS * PERIOD_S
        while (took_s := time.monotonic() - begun) < BLOCK_S:
            if took_s >= least_s and len(asked_ms) >= last:
                break
            asked_ms.append(self._request_ms())
        self.spent_s += time.monotonic() - begun
        few = len(asked_ms) < FEWEST
        return few or (len(asked_ms) < REQUESTS and self.spent_s < SECONDS)

    def _lead_in(self) -> None:
        """As the profiler's: a request of many periods takes no notice of one that was saved up."""
        known = [ms for found in self.found_ms.values() for ms in found]
        if known and median(known) > LONG_PERIODS * 1000 * PERIOD_S:
            return
        started = time.monotonic()
        while time.monotonic() < started + PERIOD_S:
            self._request_ms()

    def _request_ms(self) -> float:
        started = time.perf_counter()
        headers = {"Content-Type": self.body.content_type}
        self.connection.request("POST", "/invocations", self.body.body, headers)
        self.connection.getresponse().read()
        return 1000 * (time.perf_counter() - started)


class Servers:
    """A server in each tier's cgroup, of those that hold the model; started when first asked."""

    def __init__(self, subject: Subject, folder: Path, cgroups: Any, sizes: Sequence[int]) -> None:
        self._subject, self._folder, self._cgroups = subject, folder, cgroups
        self._sizes, self._up = sizes, contextlib.ExitStack()
        self._asked: dict[int, Asked] | None = None

    def __enter__(self) -> Servers:
        return self

    def __exit__(self, *_: object) -> None:
        for item in (self._asked or {}).values():
            item.connection.close()
        self._up.close()

    def turn(self, label: str) -> None:
        """A block of a tier, "1024 before" for example; of those beyond the cores for "0"."""
        size, side = label.split()
        large = [item for item in self.asked if item / LIMITS.mb_per_vcpu.value > CORES]
        for item in large if size == "0" else [int(size)]:
            if item in self.asked:
                self.asked[item].block(side)

    def complete(self, *sides: str) -> None:
        """All in turn, until each has what it takes for a p95."""
        for side in sides:
            turn = list(self.asked.values())
            while turn:
                turn = [item for item in turn if item.block(side)]

    def found_ms(self, side: str) -> dict[int, tuple[float, ...]]:
        """What each tier's server took."""
        return {size: tuple(item.found_ms[side]) for size, item in self.asked.items()}

    @property
    def asked(self) -> dict[int, Asked]:
        """The servers, by tier."""
        if self._asked is None:
            self._asked = dict(self._start())
        return self._asked

    def _start(self) -> Iterator[tuple[int, Asked]]:
        for size in self._sizes:
            place, told = self._folder / str(size), tier_environment(size, {})
            one = ask(self._subject, place, self._cgroups, size, told)
            asked = self._up.enter_context(one)
            if asked is not None:
                yield size, asked


@contextlib.contextmanager
def ask(
    subject: Subject, place: Path, cgroups: Any, memory_size_mb: int, told: Mapping[str, str]
) -> Iterator[Asked | None]:
    """A server in that tier's cgroup, told these variables; None if it does not hold the model."""
    vcpus = min(memory_size_mb / LIMITS.mb_per_vcpu.value, CORES)
    place.mkdir(parents=True)
    cage = caged(subject, place, cgroups, memory_mb=memory_size_mb, vcpus=vcpus, told=told)
    with cage as running:
        body = subject.bodies[0]
        held = running.ready() and running.invoke(body) and not running.killed
        yield Asked(running, body) if held else None


def measure_pass(
    subject: Subject, folder: Path, cgroups: Any, sizes: Sequence[int]
) -> dict[int, tuple[float, ...]]:
    """Latencies by tier, all asked in turn; of those that hold the model."""
    with Servers(subject, folder, cgroups, sizes) as servers:
        servers.complete("before")
        return servers.found_ms("before")


def truths_of(
    before: dict[int, tuple[float, ...]],
    after: dict[int, tuple[float, ...]],
    sizes: Sequence[int],
) -> tuple[TierTruth, ...]:
    """Both sides, tier by tier."""
    return tuple(
        TierTruth(size, size in before and size in after, before.get(size, ()), after.get(size, ()))
        for size in sizes
    )
