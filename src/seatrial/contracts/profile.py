"""`profile.json`: what the serving image did with each survivor, measured.

profile_model writes it with the standard library alone, as plain JSON; this is its type.
"""

from __future__ import annotations

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from seatrial.contracts.base import Contract, Part


class ColdStart(Part):
    """Seconds since the process was started, medians over `repeats` fresh processes."""

    to_port_s: NonNegativeFloat
    to_ping_s: NonNegativeFloat
    to_first_prediction_s: NonNegativeFloat
    cpu_s: NonNegativeFloat
    repeats: PositiveInt


class PayloadProfile(Part):
    """One payload, sent by `concurrency` clients at a time; a sandbox only ever gets one.

    Latencies are None if no request was answered. The 95th percentile is None of fewer than 20
    requests and the 99th of fewer than 100, which do not support them; `latency_p95_at_least_ms` is
    what the 95th is no less than, 19 times of 20. The first request is warm-up, in no latency
    where there are others. `peak_memory_mb` is that of the whole process
    tree since its start, in a process that has answered this payload only; `memory_after_mb` is
    what it still held after the last answer. `no_answer_s` is how long a request was waited for in
    vain, if one was. `requests_per_s` counts the pause of whoever sends them too.
    """

    payload: str
    rows: PositiveInt
    concurrency: PositiveInt = 1
    request_mb: NonNegativeFloat
    response_mb: NonNegativeFloat | None
    requests: NonNegativeInt
    errors: NonNegativeInt
    first_error: str | None
    no_answer_s: NonNegativeFloat | None = None
    peak_memory_mb: NonNegativeFloat
    stopped: bool
    latency_p50_ms: NonNegativeFloat | None
    latency_p95_ms: NonNegativeFloat | None
    latency_p99_ms: NonNegativeFloat | None
    latency_p95_at_least_ms: NonNegativeFloat | None = None
    latency_max_ms: NonNegativeFloat | None = None
    latency_mean_ms: NonNegativeFloat | None = None
    cpu_s_per_request: NonNegativeFloat | None
    requests_per_s: NonNegativeFloat | None = None
    memory_after_mb: NonNegativeFloat | None = None


class MemorySample(Part):
    """Memory of the whole process tree, `at_s` seconds after the server was started."""

    at_s: NonNegativeFloat
    memory_mb: NonNegativeFloat


class MemoryGrowth(Part):
    """What a sustained run of the smallest sample added, and its 95 % interval.

    Least squares through block means, after warm-up; the interval allows for memory that moves in
    steps and for what levels off (`growth` of profile_model). It counts what is in no file.
    """

    requests: PositiveInt
    slope_mb_per_1000_requests: float
    slope_low: float
    slope_high: float


class TierStart(Part):
    """A cold start with the tier's CPU share in force, as `ColdStart` has it; one, no median."""

    memory_size_mb: PositiveInt
    to_port_s: NonNegativeFloat
    to_ping_s: NonNegativeFloat
    to_first_prediction_s: NonNegativeFloat


class PayloadLatency(Part):
    """A payload's latency, of requests in turn with those under the tiers' CPU shares.

    The mean is what is billed: a short request mostly goes by between two stalls of a quota, and
    the median does not show them. The p95 is None of fewer than 20 requests.
    """

    payload: str
    latency_p50_ms: NonNegativeFloat
    latency_p95_ms: NonNegativeFloat | None
    latency_p95_at_least_ms: NonNegativeFloat | None = None
    latency_mean_ms: NonNegativeFloat | None = None
    latency_max_ms: NonNegativeFloat | None = None
    cpu_s_per_request: NonNegativeFloat | None = None
    requests: PositiveInt


class TierLatency(PayloadLatency):
    """The same with the tier's CPU share in force: a CPU quota, not a prediction."""

    memory_size_mb: PositiveInt


class WholeLatency(PayloadLatency):
    """The same on all cores, by a server that computes with so many `threads`.

    None: with as many as it takes by itself (profiles before threads were told).
    """

    threads: PositiveInt | None = None


class Behaviour(Part):
    """What breaks on serverless, as it was seen. None: could not be seen here; `why` says so.

    `writes_outside` are files made or changed outside of /tmp and the model directory, bytecode
    aside; `shared_memory_mb` is what was made in /dev/shm, at its highest; `workers` are processes
    that share one listening socket; `model_copies` those that hold a private copy of the model's
    size; `startup_connections` are addresses beyond loopback that were reached for before /ping
    said 200. Of the `listening_ports`, TCP, the port that the server was told is given as 8080,
    whichever it was here; `early_ready` is a /ping of 200 before a prediction worked.
    """

    writes_outside: tuple[str, ...] | None = None
    shared_memory_mb: NonNegativeFloat | None = None
    workers: PositiveInt | None = None
    model_copies: PositiveInt | None = None
    startup_connections: tuple[str, ...] | None = None
    listening_ports: tuple[PositiveInt, ...] | None = None
    early_ready: bool | None = None
    why: tuple[str, ...] = ()


class CandidateProfile(Part):
    """One survivor in the serving image. `failure` says why it never answered, if it did not.

    `payloads` are the user's samples, one request at a time. `concurrent` are the same by more
    clients at once, which a sandbox never sees, and `scaled` are the samples repeated up to the
    service's payload limit, which show what still fits a tier; neither is part of the user's mix
    or of `peak_memory_mb`.

    A machine's speed drifts, so `tier_latencies` were measured in turns, and with them
    `whole_latencies`, on all cores: what is not measured is predicted from those, if there are any.

    `tmpfs_mb`, the highest, is in the peaks: nothing takes it back. `page_cache_mb`, at the end, is
    not: the kernel gives it back before the cap kills; None where no cgroup tells it.
    `estimated_download_s` is an estimate, and in no other figure. `cut_short` says what was
    measured less than asked for, or left out, because the time was up. `no_answer_s` is how long
    the first request of a cold start was waited for in vain, if it was.

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
    concurrent: tuple[PayloadProfile, ...] = ()
    scaled: tuple[PayloadProfile, ...] = ()
    tmpfs_mb: NonNegativeFloat | None = None
    page_cache_mb: NonNegativeFloat | None = None
    memory: tuple[MemorySample, ...] = ()
    growth: MemoryGrowth | None = None
    tier_starts: tuple[TierStart, ...] = ()
    tier_latencies: tuple[TierLatency, ...] = ()
    whole_latencies: tuple[WholeLatency, ...] = ()
    behaviour: Behaviour = Behaviour()
    estimated_download_s: NonNegativeFloat | None = None
    cut_short: tuple[str, ...] = ()
    no_answer_s: NonNegativeFloat | None = None
    failure: str | None


class Profile(Contract):
    """Written by profile_model; read by judge_readiness and the report.

    `image` is the one that it was measured in, as ProfileModel was told; None: in none, on a
    person's own machine for example.

    `uncompiled_modules` counts what the server imported from source files without bytecode: it
    compiles them again at every cold start; None if it is not Python. `estimated_image_pull_s` is
    an estimate, its size as unpacked at `assumed_transfer_mb_per_s`, and in no other figure.
    """

    memory_method: str
    memory_stop_mb: PositiveInt
    image: str | None = None
    image_size_mb: NonNegativeFloat | None
    image_size_method: str
    uncompiled_modules: NonNegativeInt | None = None
    estimated_image_pull_s: NonNegativeFloat | None = None
    assumed_transfer_mb_per_s: PositiveFloat | None = None
    python: str
    cpu: str
    cpu_count: PositiveInt
    serve_command: tuple[str, ...]
    candidates: tuple[CandidateProfile, ...]
