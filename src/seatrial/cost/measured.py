"""Workloads from `profile.json`, or from two figures for a quick question."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from seatrial.contracts import MB, CandidateProfile, PayloadProfile, Profile
from seatrial.cost.workload import Payload, Workload
from seatrial.errors import InputError
from seatrial.readiness.latency import latency_at
from seatrial.readiness.spread import Spread
from seatrial.readiness.starts import start_at
from seatrial.readiness.whole import Latency


@dataclass(frozen=True)
class GivenTimes:
    """The same for every request, wherever it runs."""

    duration_ms: float
    start_s: float
    scales = False

    def latencies_ms(self, _payload: str, _memory_size_mb: float) -> Spread:
        """The only one."""
        return (self.duration_ms,)

    def cold_start_s(self, _memory_size_mb: float) -> float:
        """As given."""
        return self.start_s


@dataclass(frozen=True)
class ProfiledTimes:
    """As the verdict has them, of the payloads in these shares."""

    measured: CandidateProfile
    shares: Mapping[str, float]
    mb_per_vcpu: float
    scales = True

    def latencies_ms(self, payload: str, memory_size_mb: float) -> Spread:
        """Measured under the tier's CPU share, else predicted."""
        return self._latency(payload, memory_size_mb).spread_ms

    def cold_start_s(self, memory_size_mb: float) -> float:
        """The first prediction is a request too, whose time is counted with the requests."""
        start = start_at(self.measured, memory_size_mb, self.mb_per_vcpu)
        assert start is not None  # noqa: S101 - `profiled_workload` has looked
        first_ms = sum(
            share * self._latency(name, memory_size_mb).p50_ms
            for name, share in self.shares.items()
        )
        return max(start.to_ping_s, start.to_first_prediction_s - first_ms / 1000)

    def _latency(self, payload: str, memory_size_mb: float) -> Latency:
        [item] = [item for item in self.measured.payloads if item.payload == payload]
        found = latency_at(self.measured, item, memory_size_mb, self.mb_per_vcpu)
        assert found is not None  # noqa: S101 - `profiled_workload` has looked
        return found


def given_workload(
    *,
    duration_ms: float,
    cold_start_s: float,
    request_kb: float,
    response_kb: float,
    mb_per_vcpu: float,
    max_service_s: float,
) -> Workload:
    """Every request takes `duration_ms`, wherever it runs. 1 kB is 1000 bytes."""
    if not 0 < duration_ms <= 1000 * max_service_s:
        raise InputError(
            "no request takes that long",
            got=f"{duration_ms:g} ms",
            allowed=f"over 0, up to the service's {1000 * max_service_s:g} ms",
            do="Give --duration-ms within that",
        )
    return Workload(
        source=f"{duration_ms:g} ms a request and {cold_start_s:g} s a cold start, as given",
        payloads=(Payload("given", 1.0, 1000 * request_kb, 1000 * response_kb),),
        times=GivenTimes(duration_ms, cold_start_s),
        peak_memory_mb=None,
        mb_per_vcpu=mb_per_vcpu,
        max_service_s=max_service_s,
    )


def profiled_workload(
    measured: CandidateProfile,
    *,
    shares: Mapping[str, float] | None,
    mb_per_vcpu: float,
    max_service_s: float,
) -> Workload:
    """What the profile measured of a candidate; payloads in equal shares unless `shares` says."""
    payloads = _mix(measured, shares, mb_per_vcpu)
    if measured.cold_start is None:
        raise InputError(
            f"the profile has no cold start of {measured.candidate}",
            got=measured.failure or "none measured",
            allowed="a candidate that was started",
            do="Profile it again, or give --duration-ms and --cold-start-s",
        )
    found = {item.name: item.share for item in payloads}
    return Workload(
        source=f"profile of {measured.candidate}",
        payloads=payloads,
        times=ProfiledTimes(measured, found, mb_per_vcpu),
        peak_memory_mb=None if measured.stopped else measured.peak_memory_mb,
        mb_per_vcpu=mb_per_vcpu,
        max_service_s=max_service_s,
    )


def _mix(
    measured: CandidateProfile, shares: Mapping[str, float] | None, mb_per_vcpu: float
) -> tuple[Payload, ...]:
    names = [item.payload for item in measured.payloads]
    wanted = dict.fromkeys(names, 1.0) if shares is None else dict(shares)
    unknown = [name for name in wanted if name not in names]
    total = math.fsum(wanted.values())
    if unknown or total <= 0 or min(wanted.values()) < 0:
        raise InputError(
            f"the mix of payloads does not fit the profile of {measured.candidate}",
            got=", ".join(unknown) or wanted,
            allowed=f"shares of {', '.join(names) or 'no payload'}, 0 or more",
            do="Correct --share PAYLOAD=RATIO, or profile the payloads again",
        )
    return tuple(
        _payload(measured, item, wanted[item.payload] / total, mb_per_vcpu)
        for item in measured.payloads
        if wanted.get(item.payload)
    )


def _payload(
    measured: CandidateProfile, item: PayloadProfile, share: float, mb_per_vcpu: float
) -> Payload:
    known = latency_at(measured, item, mb_per_vcpu, mb_per_vcpu)
    if known is None or item.response_mb is None:
        raise InputError(
            f"the profile has no latency for payload {item.payload}",
            got=item.first_error or "no answer",
            allowed="a payload that was answered",
            do=f"Leave it out with --share {item.payload}=0 and shares of the others",
        )
    return Payload(item.payload, share, item.request_mb * MB, item.response_mb * MB)


def choose_candidate(profile: Profile, name: str | None) -> CandidateProfile:
    """The candidate called `name`, else the one whose payloads take least at their p50."""
    names = [item.candidate for item in profile.candidates]
    found = [
        item
        for item in profile.candidates
        if (name is None and item.failure is None) or item.candidate == name
    ]
    if not found:
        raise InputError(
            "the profile has no such candidate",
            got=name or "no candidate that answered",
            allowed=", ".join(names),
            do="Give one of these as --candidate",
        )
    return min(found, key=lambda item: sum(p.latency_p50_ms or 0.0 for p in item.payloads))
