"""`profile.json`: what the serving image did with each survivor, measured.

profile_model writes it with the standard library alone, as plain JSON; this is its type.
"""

from __future__ import annotations

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveInt

from seatrial.contracts.base import Contract, Part


class ColdStart(Part):
    """Seconds since the process was started, medians over `repeats` fresh processes."""

    to_port_s: NonNegativeFloat
    to_ping_s: NonNegativeFloat
    to_first_prediction_s: NonNegativeFloat
    cpu_s: NonNegativeFloat
    repeats: PositiveInt


class PayloadProfile(Part):
    """One payload, sent one request at a time.

    Latencies are None if no request was answered. `peak_memory_mb` is that of the whole process
    tree since its start, in a process that has answered this payload only.
    """

    payload: str
    rows: PositiveInt
    request_mb: NonNegativeFloat
    response_mb: NonNegativeFloat | None
    requests: NonNegativeInt
    errors: NonNegativeInt
    first_error: str | None
    peak_memory_mb: NonNegativeFloat
    stopped: bool
    latency_p50_ms: NonNegativeFloat | None
    latency_p95_ms: NonNegativeFloat | None
    latency_p99_ms: NonNegativeFloat | None
    cpu_s_per_request: NonNegativeFloat | None


class CandidateProfile(Part):
    """One survivor in the serving image. `failure` says why it never answered, if it did not.

    `stopped` means that memory passed `memory_stop_mb` and the run was ended there, so
    `peak_memory_mb` is a lower bound.
    """

    candidate: str
    archive_size_mb: NonNegativeFloat
    unpacked_size_mb: NonNegativeFloat
    cold_start: ColdStart | None
    idle_memory_mb: NonNegativeFloat | None
    peak_memory_mb: NonNegativeFloat | None
    stopped: bool
    processes: NonNegativeInt | None
    threads: NonNegativeInt | None
    payloads: tuple[PayloadProfile, ...]
    failure: str | None


class Profile(Contract):
    """Written by profile_model; read by judge_readiness and the report."""

    memory_method: str
    memory_stop_mb: PositiveInt
    image_size_mb: NonNegativeFloat | None
    image_size_method: str
    python: str
    cpu: str
    cpu_count: PositiveInt
    serve_command: tuple[str, ...]
    candidates: tuple[CandidateProfile, ...]
