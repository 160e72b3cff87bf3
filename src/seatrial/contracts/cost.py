"""`cost.json`: what traffic costs a month by tier and policy, and where real-time is cheaper."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from seatrial.contracts.base import Contract, Part

CostPolicy = Literal["on demand", "provisioned", "keep warm", "hybrid", "real time"]
Ratio = Field(ge=0, le=1)


class UsedPrice(Part):
    """A price that went into the figures. `verified`: read from AWS's Price List."""

    name: str
    usd: NonNegativeFloat
    source: str
    date: date
    verified: bool


class TrafficSummary(Part):
    """The traffic that was simulated."""

    source: str
    requests: PositiveInt
    span_s: PositiveFloat
    requests_a_month: PositiveFloat
    busiest_minute: NonNegativeInt


class PolicyCost(Part):
    """One way to serve the traffic, for 730 hours of it.

    `reserved` is the provisioned concurrency, the sandboxes kept warm, or the mean number of
    instances. `throttled_ratio` counts every request without an answer: real-time ones wait in a
    queue, and give up after the service's 60 s. Latencies are None if none was answered.
    """

    policy: CostPolicy
    memory_size_mb: PositiveInt | None
    instance_type: str | None
    reserved: NonNegativeFloat | None
    usd_a_month: NonNegativeFloat
    usd_running: NonNegativeFloat
    usd_standing: NonNegativeFloat
    usd_data: NonNegativeFloat
    cold_ratio: float = Ratio
    throttled_ratio: float = Ratio
    latency_p50_ms: NonNegativeFloat | None
    latency_p95_ms: NonNegativeFloat | None
    latency_p99_ms: NonNegativeFloat | None

    @property
    def label(self) -> str:
        """For a person: `on demand, 2048 MB`."""
        where = self.instance_type or ""
        tier = f"{self.memory_size_mb} MB" if self.memory_size_mb is not None else ""
        held = f"{self.reserved:g}" if self.policy in ("provisioned", "keep warm") else ""
        name = f"{self.policy} {held}".strip()
        return ", ".join(part for part in (name, where, tier) if part)


class LeftOut(Part):
    """A policy, tier or instance type that is not in the comparison, and why."""

    what: str
    reason: str


class CurvePoint(Part):
    """The cheapest of each kind at that traffic; None: none of that kind meets the objectives."""

    requests_a_month: PositiveFloat
    serverless_usd_a_month: NonNegativeFloat | None
    serverless: str | None
    realtime_usd_a_month: NonNegativeFloat | None
    realtime: str | None


class Crossover(Part):
    """Where the cheaper kind changes, as traffic grows. `because` of `capacity`: no serverless
    policy meets the objectives above it.
    """

    requests_a_month: PositiveFloat
    usd_a_month: NonNegativeFloat
    to: Literal["serverless", "real time"]
    because: Literal["cost", "capacity"]


class CostReport(Contract):
    """Written by `seatrial cost`; read by the report. `cheapest` meets the objectives, if any."""

    region: str
    prices: tuple[UsedPrice, ...]
    traffic: TrafficSummary
    workload: str
    policies: tuple[PolicyCost, ...]
    left_out: tuple[LeftOut, ...]
    cheapest: PolicyCost | None
    curve: tuple[CurvePoint, ...]
    crossovers: tuple[Crossover, ...]
    assumptions: tuple[str, ...]
