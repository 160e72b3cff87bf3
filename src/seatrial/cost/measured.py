"""Workloads from `profile.json`, or from two figures for a quick question."""

from __future__ import annotations

import math
from collections.abc import Mapping

from seatrial.contracts import MB, CandidateProfile, PayloadProfile, Profile
from seatrial.cost.workload import Payload, Quantiles, Workload
from seatrial.errors import InputError
from seatrial.readiness.latency import latency_at, slowest_seen_ms


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
    times = (duration_ms, duration_ms, duration_ms)
    return Workload(
        source=f"{duration_ms:g} ms a request and {cold_start_s:g} s a cold start, as given",
        payloads=(Payload("given", 1.0, times, None, 1000 * request_kb, 1000 * response_kb),),
        cold_start_s=cold_start_s,
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
    cold = measured.cold_start
    if cold is None:
        raise InputError(
            f"the profile has no cold start of {measured.candidate}",
            got=measured.failure or "none measured",
            allowed="a candidate that was started",
            do="Profile it again, or give --duration-ms and --cold-start-s",
        )
    first_ms = sum(item.share * item.quantiles_ms[0] for item in payloads)
    return Workload(
        source=f"profile of {measured.candidate}",
        payloads=payloads,
        # the first prediction is a request too, whose time is counted with the requests
        cold_start_s=max(cold.to_ping_s, cold.to_first_prediction_s - first_ms / 1000),
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
    slowest_ms = slowest_seen_ms(item)
    if (
        item.latency_p50_ms is None
        or slowest_ms is None
        or item.cpu_s_per_request is None
        or item.response_mb is None
    ):
        raise InputError(
            f"the profile has no latency for payload {item.payload}",
            got=item.first_error or "no answer",
            allowed="a payload that was answered",
            do=f"Leave it out with --share {item.payload}=0 and shares of the others",
        )
    return Payload(
        name=item.payload,
        share=share,
        # of few requests the slowest stands in for what they have no percentile of
        quantiles_ms=(
            item.latency_p50_ms,
            slowest_ms if item.latency_p95_ms is None else item.latency_p95_ms,
            slowest_ms if item.latency_p99_ms is None else item.latency_p99_ms,
        ),
        cpu_s=item.cpu_s_per_request,
        bytes_in=item.request_mb * MB,
        bytes_out=item.response_mb * MB,
        tiers_ms=_measured_tiers(measured, item, mb_per_vcpu),
    )


def _measured_tiers(
    measured: CandidateProfile, item: PayloadProfile, mb_per_vcpu: float
) -> dict[int, Quantiles]:
    """Its latencies at the tiers whose CPU share was in force."""
    tiers_mb = [seen.memory_size_mb for seen in measured.tier_latencies]
    found = {tier_mb: latency_at(measured, item, tier_mb, mb_per_vcpu) for tier_mb in tiers_mb}
    return {
        tier_mb: (latency.p50_ms, latency.p95_ms or latency.slowest_ms, latency.slowest_ms)
        for tier_mb, latency in found.items()
        if latency is not None and latency.measured
    }


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
