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
from dataclasses import dataclass

from seatrial.localcloud.metrics import Invocation

_MB_PER_GB = 1024


@dataclass
class Account:
    """The sums of one endpoint since localcloud started; deleting the endpoint keeps them."""

    requests: int = 0
    billed_ms: int = 0
    setup_ms: int = 0
    gb_seconds: float = 0.0
    bytes_in: int = 0
    bytes_out: int = 0


class Ledger:
    """Accounts by endpoint name. Lives on the event loop."""

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}

    def record(self, invocation: Invocation) -> None:
        """Take one request into account; one that found no sandbox costs its setup only."""
        account = self._accounts.setdefault(invocation.endpoint_name, Account())
        account.setup_ms += math.ceil((invocation.setup_s or 0.0) * 1000)
        if not invocation.sent:
            return
        billed_ms = math.ceil(invocation.model_s * 1000)
        account.requests += 1
        account.billed_ms += billed_ms
        account.gb_seconds += billed_ms / 1000 * invocation.memory_mb / _MB_PER_GB
        account.bytes_in += invocation.bytes_in
        account.bytes_out += invocation.bytes_out

    def shown(self) -> dict[str, dict[str, float]]:
        """The accounts for status: plain numbers, GB-seconds to the microsecond."""
        return {
            name: {**vars(account), "gb_seconds": round(account.gb_seconds, 6)}
            for name, account in sorted(self._accounts.items())
        }
