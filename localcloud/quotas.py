"""The account's quotas, and whether an endpoint is within them."""

from __future__ import annotations

from dataclasses import dataclass

from seatrial.errors import InputError
from seatrial.limits import Limits
from seatrial.localcloud.api import AwsError

_NAMES = "memory=MB, concurrency=N, endpoints=N, separated by commas"
_ASK_FOR_MORE = (
    "Please use AWS Service Quotas to request an increase for this quota. If AWS Service Quotas is "
    "not available, contact AWS support to request an increase for this quota."
)


@dataclass(frozen=True)
class Quotas:
    """What the account may have in this region."""

    memory_size_mb: int
    total_concurrency: int
    endpoints: int


@dataclass
class AccountQuotas:
    """The quotas in force now; Service Quotas replaces them when an increase is asked for."""

    current: Quotas


@dataclass(frozen=True)
class Usage:
    """What the account's serverless endpoints take, without the one that is to change."""

    total_concurrency: int
    endpoints: int


def new_account(limits: Limits) -> Quotas:
    """The quotas of an account that has asked for nothing."""
    return Quotas(
        memory_size_mb=int(limits.assumed_memory_size_mb.value),
        total_concurrency=int(limits.assumed_total_concurrency.value),
        endpoints=int(limits.assumed_endpoints.value),
    )


def read_quotas(text: str, default: Quotas) -> Quotas:
    """`memory=6144,endpoints=50` laid over `default`; InputError for anything else."""
    found = {
        "memory": default.memory_size_mb,
        "concurrency": default.total_concurrency,
        "endpoints": default.endpoints,
    }
    for part in filter(None, text.split(",")):
        name, _, value = part.partition("=")
        if name.strip() not in found or not value.strip().isdigit():
            raise InputError(
                "cannot read the quota", got=part, allowed=_NAMES, do="Correct --quota"
            )
        found[name.strip()] = int(value)
    return Quotas(found["memory"], found["concurrency"], found["endpoints"])


def check_quotas(
    quotas: Quotas, usage: Usage, *, memory_mb: int, concurrency: int, replaces: int | None
) -> None:
    """AwsError if an endpoint of that size is over a quota; at creation and at update.

    `replaces` is the concurrency that the endpoint has now, None for a new one.
    """
    if memory_mb > quotas.memory_size_mb:
        raise AwsError(
            "ResourceLimitExceeded",
            "The account-level service limit 'Memory size in MB per serverless endpoint' is "
            f"{quotas.memory_size_mb} MBs, with current utilization of 0 MBs and a request delta "
            f"of {memory_mb} MBs. {_ASK_FOR_MORE}",
        )
    if usage.total_concurrency + concurrency > quotas.total_concurrency:
        raise _exceeded(
            "Maximum total concurrency that can be allocated across all serverless endpoints",
            quotas.total_concurrency,
            usage.total_concurrency + (replaces or 0),
            concurrency - (replaces or 0),
        )
    if replaces is None and usage.endpoints + 1 > quotas.endpoints:
        raise _exceeded(
            "Maximum number of serverless endpoints", quotas.endpoints, usage.endpoints, 1
        )


def _exceeded(name: str, quota: int, used: int, delta: int) -> AwsError:
    return AwsError(
        "ResourceLimitExceeded",
        f"localcloud: the account-level service limit '{name}' is {quota}, with current "
        f"utilization of {used} and a request delta of {delta}. Delete an endpoint, ask for less, "
        "or request an increase from Service Quotas",
    )
