"""`readiness.json` and `verdict.json`: is it ready, and if not, why and what to do."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from seatrial.contracts.base import Contract, Part
from seatrial.contracts.cost import Crossover, CurvePoint

Status = Literal["pass", "warn", "fail", "unknown"]
Source = Literal["service limit", "account quota", "assumed quota", "objective"]
LargestBound = Literal["memory", "response", "error", "largest measured"]
LatencyMethod = Literal["measured under CPU quota", "predicted"]


class Check(Part):
    """One rule. `measured` and `limit` are in `unit`; codes never change their meaning."""

    code: str = Field(pattern=r"^[A-Z][A-Z_]+$")
    status: Status
    measured: float | None
    limit: float | None
    unit: str
    source: Source
    detail: str
    fix: str


class ServerlessConfiguration(Part):
    """What the endpoint is to be created with."""

    memory_size_mb: PositiveInt
    max_concurrency: PositiveInt
    provisioned_concurrency: PositiveInt | None


class Cost(Part):
    """On-demand cost at the recommended tier, for the declared payloads in equal shares.

    `usd_per_month` is simulated for `objectives.requests_per_month` with the recommended
    concurrency; None if no traffic is given or a price is missing.
    """

    usd_per_million_requests: NonNegativeFloat
    usd_per_second: NonNegativeFloat
    region: str
    source: str
    usd_per_month: NonNegativeFloat | None = None


class Configuration(Part):
    """One way to run the chosen candidate, and why it was taken or what it lost by.

    `judged` is the tier that the checks speak of; it is `chosen` if it meets every objective.
    p95 is of the slowest payload; None if the requests were too few for one. `largest_rows` and
    `largest_request_mb` are of the largest request that is safe at the tier, from sizes that were
    measured, and `largest_bound` is what ends it; None if not even the smallest is.
    """

    memory_size_mb: PositiveInt
    provisioned_concurrency: PositiveInt | None
    judged: bool
    chosen: bool
    usd_per_million_requests: NonNegativeFloat | None
    latency_p95_ms: NonNegativeFloat | None
    latency_method: LatencyMethod
    cold_start_s: NonNegativeFloat | None
    cold_start_method: LatencyMethod = "predicted"
    largest_rows: PositiveInt | None
    largest_request_mb: NonNegativeFloat | None
    largest_bound: LargestBound
    reason: str


class Provisioning(Part):
    """The judged tier with provisioned concurrency where none is recommended, or without it.

    Of a month only where the traffic and every price are known.
    """

    memory_size_mb: PositiveInt
    provisioned_concurrency: PositiveInt | None
    usd_per_month: NonNegativeFloat | None
    reason: str

    @property
    def line(self) -> str:
        """For a person."""
        held = self.provisioned_concurrency or "none"
        return f"{self.memory_size_mb} MB with {held} provisioned: {self.reason}"


class TrafficCost(Part):
    """Cost over traffic at the recommended tier, beside the cheapest real-time instances.

    Simulated in `shape` if `requests_per_month` was given; else worked out for steady traffic.
    """

    requests_per_month: PositiveFloat | None
    shape: str
    usd_per_month: NonNegativeFloat | None
    curve: tuple[CurvePoint, ...]
    crossovers: tuple[Crossover, ...]


class Choice(Part):
    """What one profiled candidate would have bought, at its tier, and why it was taken or not.

    Cost, cold start and p95 are for `memory_size_mb`, which is None if no tier holds the candidate
    within the objectives; they are then for the tier that the checks speak of.
    """

    candidate: str
    chosen: bool
    ready: bool
    memory_size_mb: PositiveInt | None
    usd_per_million_requests: NonNegativeFloat | None
    cold_start_s: NonNegativeFloat | None
    cold_start_method: LatencyMethod = "predicted"
    latency_p95_ms: NonNegativeFloat | None
    latency_method: LatencyMethod = "predicted"
    peak_memory_mb: NonNegativeFloat | None
    quality: dict[str, float]
    reason: str


class Readiness(Contract):
    """Written by judge_readiness. `recommended` and `cost` are None if no tier holds the model.

    `candidate` is the one of the `choices` that was chosen by `optimize_for`; `configurations` are
    its tiers, and `provisioning` is the judged one provisioned otherwise.
    `traffic` is None if a price or a latency is missing.
    """

    ready: bool
    model_package_arn: str | None
    candidate: str
    recommended: ServerlessConfiguration | None
    cost: Cost | None
    checks: tuple[Check, ...]
    optimize_for: str = "cost"
    choices: tuple[Choice, ...] = ()
    configurations: tuple[Configuration, ...] = ()
    provisioning: Provisioning | None = None
    traffic: TrafficCost | None = None


class Verdict(Contract):
    """The property file that Condition and Fail read; `message` is at most 1000 bytes."""

    ready: bool
    message: str
