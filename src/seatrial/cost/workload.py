"""How long a request takes and how much it moves, at a tier or on an instance.

From `profile.json`: each request is one of the sample payloads, and its time is drawn from that
payload's percentiles as predicted for the tier's CPU share. The draws are the same for every
tier, so tiers differ by their speed and not by luck.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from seatrial.cost.traffic import Numbers
from seatrial.readiness.latency import predicted_ms, slowdown

Quantiles = tuple[float, float, float]  # p50, p95, p99 in ms
_Z = tuple(NormalDist().inv_cdf(share) for share in (0.5, 0.95, 0.99))


@dataclass(frozen=True)
class Payload:
    """One kind of request, measured on whole cores; `cpu_s` is None where time is given.

    `tiers_ms` has those at which it was measured under a tier's CPU share, which beats a
    prediction.
    """

    name: str
    share: float
    quantiles_ms: Quantiles
    cpu_s: float | None
    bytes_in: float
    bytes_out: float
    tiers_ms: Mapping[int, Quantiles] = field(default_factory=dict)


@dataclass(frozen=True)
class Draws:
    """Which payload each request has, and how unlucky it is (a standard normal)."""

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
    cold_start_s: float
    peak_memory_mb: float | None
    mb_per_vcpu: float
    max_service_s: float

    def draw(self, requests: int, *, seed: int) -> Draws:
        """The draws for that many requests."""
        rng = np.random.default_rng([seed, 1])
        shares = [item.share for item in self.payloads]
        payload = rng.choice(len(shares), requests, p=shares).astype(np.int16)
        return Draws(payload, rng.standard_normal(requests, dtype=np.float32))

    def service_s(self, draws: Draws, memory_size_mb: float) -> Numbers:
        """Seconds in the model for each request, at the CPU share of that memory."""
        taken = np.empty(len(draws.payload))
        for number, payload in enumerate(self.payloads):
            chosen = slice(None) if len(self.payloads) == 1 else draws.payload == number
            taken[chosen] = self._drawn_s(payload, draws.luck[chosen], memory_size_mb)
        return taken

    def instance_service_s(self, draws: Draws) -> Numbers:
        """The same on an instance, where each worker has one whole vCPU."""
        return self.service_s(draws, self.mb_per_vcpu)

    def tier_cold_start_s(self, memory_size_mb: float) -> float:
        """How long a sandbox of that tier takes to start."""
        if not self.scales:
            return self.cold_start_s
        return self.cold_start_s * slowdown(int(memory_size_mb), self.mb_per_vcpu)

    def bytes_moved(self, draws: Draws, answered: npt.NDArray[np.bool_]) -> tuple[float, float]:
        """Bytes in and out of the requests that were answered."""
        counts = np.bincount(draws.payload[answered], minlength=len(self.payloads))
        return (
            float(sum(n * item.bytes_in for n, item in zip(counts, self.payloads, strict=True))),
            float(sum(n * item.bytes_out for n, item in zip(counts, self.payloads, strict=True))),
        )

    def ping(self, memory_size_mb: float) -> Ping:
        """The quickest of the payloads, which is what keeps a sandbox warm."""
        times = [self._quantiles(item, memory_size_mb)[0] for item in self.payloads]
        quickest = self.payloads[times.index(min(times))]
        return Ping(min(times) / 1000, quickest.bytes_in, quickest.bytes_out)

    @property
    def scales(self) -> bool:
        """False where times were given as they are, for whatever tier."""
        return self.payloads[0].cpu_s is not None

    def _drawn_s(
        self, payload: Payload, luck: npt.NDArray[np.float32], memory_size_mb: float
    ) -> Numbers:
        """The inverse of the distribution through p50, p95 and p99, log latency over z.

        Three percentiles say nothing of the faster half, which gets the p50: a model seldom takes
        much less than its median, and cost is not understated. Beyond the p99 the slope goes on.
        """
        low, middle, high = self._quantiles(payload, memory_size_mb)
        if low == high:
            return np.full(len(luck), min(low / 1000, self.max_service_s))
        logs = np.log((low, middle, high))
        slope = (logs[2] - logs[1]) / (_Z[2] - _Z[1])
        end = _Z[2] + 4  # farther than any draw of a normal goes
        found = np.exp(np.interp(luck, (*_Z, end), (*logs, logs[2] + 4 * slope))) / 1000
        capped: Numbers = np.minimum(found, self.max_service_s)
        return capped

    def _quantiles(self, payload: Payload, memory_size_mb: float) -> Quantiles:
        found = payload.tiers_ms.get(int(memory_size_mb))
        if found is not None:
            return _ascending(found)
        low, middle, high = (
            self._predicted(payload, ms, memory_size_mb) for ms in _ascending(payload.quantiles_ms)
        )
        return low, middle, high

    def _predicted(self, payload: Payload, ms: float, memory_size_mb: float) -> float:
        if payload.cpu_s is None:
            return ms
        found = predicted_ms(ms, payload.cpu_s, int(memory_size_mb), self.mb_per_vcpu)
        assert found is not None  # noqa: S101 - both figures are there
        return found


def _ascending(quantiles_ms: Quantiles) -> Quantiles:
    """The percentiles made to ascend, and more than nothing, so that they have logarithms."""
    low = max(quantiles_ms[0], 1e-3)
    middle = max(low, quantiles_ms[1])
    return low, middle, max(middle, quantiles_ms[2])
