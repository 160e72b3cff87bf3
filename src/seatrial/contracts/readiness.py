"""`readiness.json` and `verdict.json`: is it ready, and if not, why and what to do."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeFloat, PositiveInt

from seatrial.contracts.base import Contract, Part

Status = Literal["pass", "warn", "fail", "unknown"]
Source = Literal["service limit", "account quota", "assumed quota", "objective"]


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
    """On-demand cost at the recommended tier, for the declared payloads in equal shares."""

    usd_per_million_requests: NonNegativeFloat
    usd_per_second: NonNegativeFloat
    region: str
    source: str


class Readiness(Contract):
    """Written by judge_readiness. `recommended` and `cost` are None if no tier holds the model."""

    ready: bool
    model_package_arn: str | None
    candidate: str
    recommended: ServerlessConfiguration | None
    cost: Cost | None
    checks: tuple[Check, ...]


class Verdict(Contract):
    """The property file that Condition and Fail read; `message` is at most 1000 bytes."""

    ready: bool
    message: str
