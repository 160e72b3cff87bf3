"""How long a request takes and how much it moves, at a tier or on an instance.

Each request is one of the sample payloads, and its time is one of those that are equally likely for
that payload at the tier. The draws are the same for every tier, so tiers differ by their speed and
not by luck.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from seatrial.cost.traffic import Numbers
from seatrial.readiness.spread import percentile_of


class Times(Protocol):
    """How long the payloads and a start take: measured and predicted, or given."""

    @property
    def scales(self) -> bool:
        """Whether it depends on the memory size."""
        ...

    def latencies_ms(self, payload: str, memory_size_mb: float) -> Sequence[float]:
        """Equally likely ones of a payload, in ascending order."""
        ...

    def cold_start_s(self, memory_size_mb: float) -> float:
        """How long a sandbox takes to start, without the request that it starts for."""
        ...


@dataclass(frozen=True)
class Payload:
    """One kind of request, and its share of all."""

    name: str
    share: float
    bytes_in: float
    bytes_out: float


@dataclass(frozen=True)
class Draws:
    """Which payload each request has, and how unlucky it is: a share of requests are luckier."""

    payload: npt.NDArray[np.int16]
    luck: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Ping:
    """A request that keeps a sandbox warm."""

    service_s: float
    bytes_in: float
    bytes_out: float


@dataclass(frozen=True)
class Workload:
    """What is asked of the model; `peak_memory_mb` None: not known, so every tier is taken."""

    source: str
    payloads: tuple[Payload, ...]
    times: Times
    peak_memory_mb: float | None
    mb_per_vcpu: float
    max_service_s: float

    def draw(self, requests: int, *, seed: int) -> Draws:
        """The draws for that many requests."""
        rng = np.random.default_rng([seed, 1])
        shares = [item.share for item in self.payloads]
        payload = rng.choice(len(shares), requests, p=shares).astype(np.int16)
        return Draws(payload, rng.random(requests, dtype=np.float32))

    def service_s(self, draws: Draws, memory_size_mb: float) -> Numbers:
        """Seconds in the model for each request, at the CPU share of that memory."""
        taken = np.empty(len(draws.payload))
        for number, payload in enumerate(self.payloads):
            chosen = slice(None) if len(self.payloads) == 1 else draws.payload == number
            likely = np.asarray(self.times.latencies_ms(payload.name, memory_size_mb)) / 1000
            place = (draws.luck[chosen] * len(likely)).astype(np.intp)
            taken[chosen] = np.minimum(likely, self.max_service_s)[place]
        return taken

    def instance_service_s(self, draws: Draws) -> Numbers:
        """The same on an instance, where each worker has one whole vCPU."""
        return self.service_s(draws, self.mb_per_vcpu)

    def bytes_moved(self, draws: Draws, answered: npt.NDArray[np.bool_]) -> tuple[float, float]:
        """Bytes in and out of the requests that were answered."""
        counts = np.bincount(draws.payload[answered], minlength=len(self.payloads))
        return (
            float(sum(n * item.bytes_in for n, item in zip(counts, self.payloads, strict=True))),
            float(sum(n * item.bytes_out for n, item in zip(counts, self.payloads, strict=True))),
        )

    def ping(self, memory_size_mb: float) -> Ping:
        """The quickest of the payloads, which is what keeps a sandbox warm."""
        likely_ms = [self.times.latencies_ms(item.name, memory_size_mb) for item in self.payloads]
        times_ms = [percentile_of(found, 0.5) for found in likely_ms]
        quickest = self.payloads[times_ms.index(min(times_ms))]
        return Ping(min(times_ms) / 1000, quickest.bytes_in, quickest.bytes_out)
