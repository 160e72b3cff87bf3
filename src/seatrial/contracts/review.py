"""`review.json`: what an endpoint's last weeks say about how it is configured."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import AwareDatetime, Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from seatrial.contracts.base import Contract, Part
from seatrial.contracts.calls import Calls
from seatrial.contracts.verdicts import Ailment

Topic = Literal[
    "UNUSED",
    "MEMORY",
    "CONCURRENCY",
    "COLD_STARTS",
    "LATENCY",
    "ERRORS",
    "COST",
    "BILL",
    "LOG",
    "PAYLOADS",
    "PINGS",
    "MODEL_AGE",
    "IMAGE_AGE",
    "VULNERABILITIES",
    "ADVISORIES",
    "ALERTS",
]
Severity = Literal["CRITICAL", "HIGH", "MODERATE", "LOW"]


class Advisory(Part):
    """A published vulnerability of a package at that version.

    `ids` are its own first, then the aliases of other databases. `severity` is None where the
    databases do not say it in a word; `fixed_in` is empty if no version is known to be without it.
    """

    package: str
    version: str
    ids: tuple[str, ...] = Field(min_length=1)
    severity: Severity | None
    summary: str
    fixed_in: tuple[str, ...]


class PackageScan(Part):
    """What is published of the serving image's packages; `unknown`: why nothing can be said."""

    packages: NonNegativeInt
    advisories: tuple[Advisory, ...]
    unknown: str | None


class Logged(Part):
    """What the prediction log says: `windows` that were collected in the period, as one.

    `verified_request_bytes` is the largest request that the deployment was verified with, which are
    those that it was profiled with; None if that is not known.
    """

    calls: Calls
    windows: PositiveInt
    verified_request_bytes: NonNegativeInt | None


class BillLine(Part):
    """One usage type of the bill; the unit of `quantity` is the usage type's."""

    usage_type: str
    quantity: NonNegativeFloat
    usd: float


class Bill(Part):
    """What Cost Explorer has of the endpoint's tag, from the first day to the last, in UTC.

    `request_s` and `setup_s` are CloudWatch's, of the same days: what requests took, each rounded
    up to a millisecond, and what cold starts took. `data_usd` is what the log's sizes come to; None
    without a log. `unknown`: why nothing can be said.
    """

    first_day: date
    last_day: date
    lines: tuple[BillLine, ...] = ()
    request_s: NonNegativeFloat = 0.0
    setup_s: NonNegativeFloat = 0.0
    data_usd: NonNegativeFloat | None = None
    unknown: str | None = None


class Usage(Part):
    """What was seen in the period. None: CloudWatch, ECR or the monitor had nothing to say.

    `latency_p95_ms` is that of the worst day: percentiles of days cannot be merged. Latencies are
    the model's (ModelLatency), without what the service adds. `concurrency_max_ratio` is of
    MaxConcurrency; it and the memory's percentage are seen since these were last changed.
    `cold_starts` counts the data points of ModelSetupTime. `ailments` counts the windows that had
    each. `vulnerabilities` counts by severity what ECR's scan found in the image. `logged` is None
    if no window was collected, `bill` if it was not asked for.
    """

    requests: NonNegativeInt
    errors_4xx: NonNegativeInt
    errors_5xx: NonNegativeInt
    latency_mean_ms: NonNegativeFloat | None
    latency_p95_ms: NonNegativeFloat | None
    cold_starts: NonNegativeInt
    setup_mean_s: NonNegativeFloat | None
    setup_max_s: NonNegativeFloat | None
    memory_max_percent: NonNegativeFloat | None
    concurrency_max_ratio: NonNegativeFloat | None
    model_age_days: NonNegativeFloat | None
    image_age_days: NonNegativeFloat | None
    vulnerabilities: dict[str, NonNegativeInt] | None
    packages: PackageScan
    windows: NonNegativeInt
    alerting_windows: NonNegativeInt
    ailments: dict[Ailment, PositiveInt]
    logged: Logged | None = None
    bill: Bill | None = None


class Advice(Part):
    """One topic. `change` are configuration keys with their new values; `saving` can be negative.

    `saving_usd_a_month` is None where nothing is saved, or it cannot be told. Not `known`: nobody
    could be asked, which is not to say that all is well.
    """

    topic: Topic
    act: bool
    detail: str
    known: bool = True
    change: dict[str, int | None] = Field(default_factory=dict)
    saving_usd_a_month: float | None = None


class Review(Contract):
    """Written by `seatrial review`; `advice` has the topics that ask for something first.

    `usd_a_month_by_tier` is at most: as for work that does nothing but compute.
    """

    endpoint_name: str
    variant_name: str
    days: PositiveInt
    ended_at: AwareDatetime
    memory_size_mb: PositiveInt
    max_concurrency: PositiveInt
    provisioned_concurrency: PositiveInt | None
    usd_a_month: NonNegativeFloat | None
    usd_a_month_by_tier: dict[int, NonNegativeFloat] = Field(default_factory=dict)
    usage: Usage
    advice: tuple[Advice, ...]

    @property
    def to_do(self) -> tuple[Advice, ...]:
        """What should change."""
        return tuple(item for item in self.advice if item.act)

    @property
    def change(self) -> dict[str, int | None]:
        """All changes of the configuration together."""
        return {key: value for item in self.to_do for key, value in item.change.items()}
