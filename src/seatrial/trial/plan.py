"""What a trial will do: which candidate on which tiers, and what it can cost at most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seatrial.config import Config
from seatrial.contracts import Payload, Readiness
from seatrial.cost.prices import Prices
from seatrial.errors import InputError
from seatrial.trial.idle import at_most

MAX_TIERS = 3
REQUEST_S = 60.0  # the service's own limit


@dataclass(frozen=True)
class Trial:
    """One candidate, in its own image if it brings one, and the tiers to try it on, in order.

    `idle`: the first is also left alone, to see how long a sandbox stays.
    """

    candidate: str
    archive: Path
    archive_sha256: str
    payloads: tuple[Payload, ...]
    tiers_mb: tuple[int, ...]
    max_concurrency: int
    idle: bool = False
    image: str | None = None

    def max_usd(self, config: Config, prices: Prices) -> float:
        """At most this much: each phase's clients busy all the time, cold requests for a minute."""
        usd_per_gb_s = prices.usd("serverless_usd_per_gb_second")
        trial, clients = config.trial, self.max_concurrency
        seconds = min(trial.cold_requests, clients) * REQUEST_S + 10 * trial.burst_s + REQUEST_S
        # a client may begin its last request when the phase ends
        seconds += (clients + 1.5 * clients + 1) * (trial.burst_s + REQUEST_S)
        idle_s = at_most(trial)[0] * REQUEST_S if self.idle else 0.0
        gb_seconds = sum(tier / 1024 * seconds for tier in self.tiers_mb)
        return (gb_seconds + self.tiers_mb[0] / 1024 * idle_s) * usd_per_gb_s


def tiers_to_try(
    asked: Sequence[int], readiness: Readiness | None, tiers_mb: Sequence[int], quota_mb: float
) -> tuple[int, ...]:
    """The tiers asked for, else the recommended one between its neighbours, within the quota.

    InputError for more than three, for one that does not exist or is over the quota, and if
    nothing is recommended.
    """
    if not asked:
        return _around(readiness, tiers_mb, quota_mb)
    wrong = [tier for tier in asked if tier not in tiers_mb]
    over = [tier for tier in asked if tier > quota_mb]
    if wrong or over or len(set(asked)) > MAX_TIERS:
        raise InputError(
            "these memory sizes cannot be tried",
            got=list(asked),
            allowed=f"at most {MAX_TIERS} of {', '.join(map(str, tiers_mb))} MB, within the "
            f"account's quota of {quota_mb:.0f} MB",
            do="Give others with --tier, or tell a higher quota as quotas.memory_size_mb",
        )
    return tuple(sorted(set(asked)))


def _around(
    readiness: Readiness | None, tiers_mb: Sequence[int], quota_mb: float
) -> tuple[int, ...]:
    if readiness is None or readiness.recommended is None:
        raise InputError(
            "no memory size to try",
            got="nothing recommended",
            allowed=f"at most {MAX_TIERS} of {', '.join(map(str, tiers_mb))} MB",
            do="Give --tier, or --readiness with a verdict that recommends one",
        )
    ordered = sorted(tiers_mb)
    at = ordered.index(readiness.recommended.memory_size_mb)
    near = ordered[max(0, at - 1) : at + 2]
    return tuple(tier for tier in near if tier <= quota_mb)
