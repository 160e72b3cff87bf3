"""What the rules judge: measurements, quotas and plans as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from seatrial.config import Config
from seatrial.contracts import Baseline, Candidate, CandidateProfile, Optimization, Profile, Source
from seatrial.cost.prices import Prices
from seatrial.limits import Limits


@dataclass(frozen=True)
class Quota:
    """One account quota and where its figure is from."""

    value: float
    source: Source


@dataclass(frozen=True)
class Account:
    """The account's quotas, and what endpoints other than ours already use of them."""

    memory_size_mb: Quota
    total_concurrency: Quota
    endpoints: Quota
    other_concurrency: int
    other_endpoints: int


@dataclass(frozen=True)
class MonitoringPlan:
    """What a watched endpoint needs to be there before it serves; None: AWS was not asked.

    `output_std` has the reference's standard deviation of each score column.
    """

    baseline: Baseline | None
    records_bucket_found: bool | None
    alert_topic_found: bool | None
    output_std: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ArchiveLook:
    """What is in an archive: why it may not be unpacked, or the pickles among its files."""

    problem: str | None
    pickles: tuple[str, ...]


@dataclass(frozen=True)
class Circumstances:
    """What all candidates share: the package, the account, what was asked for, limits, prices."""

    package: dict[str, Any]
    account: Account
    plan: MonitoringPlan
    config: Config
    limits: Limits
    prices: Prices


@dataclass(frozen=True)
class Facts(Circumstances):
    """Everything the verdict on one candidate depends on. `archive` None: it is not there."""

    candidate: Candidate
    measured: CandidateProfile
    profile: Profile
    optimization: Optimization
    archive: ArchiveLook | None

    @property
    def peak_memory_mb(self) -> float | None:
        """The largest peak over all payloads; None if it was not measured."""
        return self.measured.peak_memory_mb

    @property
    def usable_ratio(self) -> float:
        """The share of a tier that the model may use."""
        return 1 - self.config.objectives.memory_headroom_ratio
