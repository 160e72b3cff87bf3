"""What is assumed of the service and chosen by the user: each figure can be given."""

from __future__ import annotations

from dataclasses import dataclass, field

from seatrial.contracts import PolicyCost
from seatrial.errors import InputError
from seatrial.limits import Limits


@dataclass(frozen=True)
class Autoscaling:
    """Target tracking of real-time instances, in minutes.

    The defaults are what Application Auto Scaling's alarms are known for (three minutes over the
    target, fifteen under nine tenths of it); AWS does not promise them, nor how long it launches.
    """

    busy_ratio: float = 0.7  # of a worker's time, at which an instance is on target
    fewest: int = 1
    most: int = 100
    out_after_min: int = 3
    in_after_min: int = 15
    launch_min: int = 5


@dataclass(frozen=True)
class Setup:
    """Concurrency and the policies to compare. None for `provisioned`: 1, and what covers 95 %."""

    max_concurrency: int
    idle_s: float = 300.0
    bill_cold_start: bool = False
    provisioned: tuple[int, ...] | None = None
    keep_warm: tuple[int, ...] = (1,)
    keep_warm_every_s: float = 240.0
    instances: tuple[str, ...] | None = None  # None: all that are not burstable
    autoscaling: Autoscaling = field(default_factory=Autoscaling)
    patience_s: float = 60.0
    headroom_ratio: float = 0.2  # of a tier's memory that the model may not use

    def check(self, limits: Limits) -> None:
        """InputError for a concurrency that the service does not allow, and the like."""
        highest = int(limits.max_concurrency.value)
        _within("--max-concurrency", self.max_concurrency, 1, highest)
        _within("--idle-s", self.idle_s, 1, 86400)
        _within("--keep-warm-every-s", self.keep_warm_every_s, 1, 86400)
        _within("--min-instances", self.autoscaling.fewest, 1, self.autoscaling.most)
        for count in self.provisioned or ():
            _within("--provisioned", count, 1, self.max_concurrency)
        for count in self.keep_warm:
            _within("--keep-warm", count, 1, self.max_concurrency)


@dataclass(frozen=True)
class Objectives:
    """What a policy has to hold to be chosen. Throttling is an error at the caller: 1 in 1000."""

    max_throttled_ratio: float = 0.001
    max_cold_ratio: float | None = None
    latency_p95_ms: float | None = None

    def met_by(self, cost: PolicyCost) -> bool:
        """True if the policy holds all of them."""
        slow = cost.latency_p95_ms
        return (
            cost.throttled_ratio <= self.max_throttled_ratio
            and (self.max_cold_ratio is None or cost.cold_ratio <= self.max_cold_ratio)
            and (self.latency_p95_ms is None or (slow is not None and slow <= self.latency_p95_ms))
        )


def _within(option: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise InputError(
            f"{option} is out of range",
            got=value,
            allowed=f"{low} to {high}",
            do=f"Give {option} within that",
        )
