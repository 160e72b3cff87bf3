"""What AWS would bill: milliseconds of inference, GB-seconds and bytes, for each endpoint.

Assumed, since AWS says no more than "compute capacity used to process inference requests" and "the
amount of data processed": a request takes from being sent to the sandbox until its answer is back,
rounded up to a whole millisecond, and is billed whatever the answer was; one that was throttled or
refused before that is not. Starting a sandbox is counted apart, as `setup_ms`: whether it is billed
is not documented. Provisioned concurrency costs by the hour too, which is not in here. The duration
is this machine's, whose CPU is not AWS's. A GB is 1024 MB, as in the memory tiers.
"""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from typing import NamedTuple

from seatrial.localcloud.metrics import Invocation

_MB_PER_GB = 1024


@dataclass
class Account:
    """Sums of one endpoint's requests."""

    requests: int = 0
    billed_ms: int = 0
    setup_ms: int = 0
    gb_seconds: float = 0.0
    bytes_in: int = 0
    bytes_out: int = 0

    def add(self, other: Account) -> None:
        """Add the other's sums to these."""
        for field in fields(Account):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))


class Posting(NamedTuple):
    """What an account is of: an endpoint, a day in UTC, and the tier that it had then."""

    endpoint_name: str
    day: date
    memory_mb: int


class Ledger:
    """Accounts since localcloud started; deleting an endpoint keeps its own.

    `now` is seconds since 1970.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now, self._lock = now, threading.Lock()
        self._accounts = defaultdict[Posting, Account](Account)

    def record(self, invocation: Invocation) -> None:
        """Take one request into account; one that found no sandbox costs its setup only."""
        day = datetime.fromtimestamp(self._now(), UTC).date()
        posting = Posting(invocation.endpoint_name, day, invocation.memory_mb)
        with self._lock:
            self._accounts[posting].add(_account_of(invocation))

    def postings(self) -> dict[Posting, Account]:
        """All accounts as they are now."""
        with self._lock:
            return {posting: Account(**vars(item)) for posting, item in self._accounts.items()}

    def shown(self) -> dict[str, dict[str, float]]:
        """Each endpoint's sums for status: plain numbers, GB-seconds to the microsecond."""
        totals = defaultdict[str, Account](Account)
        for posting, account in self.postings().items():
            totals[posting.endpoint_name].add(account)
        return {
            name: {**vars(account), "gb_seconds": round(account.gb_seconds, 6)}
            for name, account in sorted(totals.items())
        }


def _account_of(invocation: Invocation) -> Account:
    setup_ms = math.ceil((invocation.setup_s or 0.0) * 1000)
    if not invocation.sent:
        return Account(setup_ms=setup_ms)
    billed_ms = math.ceil(invocation.model_s * 1000)
    return Account(
        requests=1,
        billed_ms=billed_ms,
        setup_ms=setup_ms,
        gb_seconds=billed_ms / 1000 * invocation.memory_mb / _MB_PER_GB,
        bytes_in=invocation.bytes_in,
        bytes_out=invocation.bytes_out,
    )
