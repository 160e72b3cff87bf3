"""What would be billed: whole milliseconds, times the tier, and what is not billed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from seatrial.localcloud.ledger import Ledger
from seatrial.localcloud.metrics import Invocation

REQUEST = Invocation(
    endpoint_name="e",
    variant_name="v",
    status=200,
    model_s=0.002,
    overhead_s=0.5,
    setup_s=None,
    in_flight_ratio=0.5,
    memory_ratio=0.25,
    memory_mb=3072,
    bytes_in=10,
    bytes_out=20,
)


def account(*invocations: Invocation) -> dict[str, float]:
    ledger = Ledger(lambda: 0.0)
    for invocation in invocations:
        ledger.record(invocation)
    return ledger.shown()["e"]


@pytest.mark.parametrize(
    ("model_s", "billed_ms"), [(0.0019, 2), (0.002, 2), (0.0021, 3), (60.0, 60_000)]
)
def test_a_started_millisecond_counts_whole(model_s: float, billed_ms: int) -> None:
    found = account(replace(REQUEST, model_s=model_s))
    assert (found["billed_ms"], found["gb_seconds"]) == (billed_ms, billed_ms * 3 / 1000)


def test_sums_are_those_of_all_requests_and_setup_is_apart() -> None:
    assert account(REQUEST, replace(REQUEST, status=500, setup_s=0.25, memory_mb=1024)) == {
        "requests": 2,
        "billed_ms": 4,
        "setup_ms": 250,
        "gb_seconds": 0.008,
        "bytes_in": 20,
        "bytes_out": 40,
    }


def test_a_request_that_found_no_sandbox_is_not_billed() -> None:
    found = account(replace(REQUEST, sent=False))
    assert (found["requests"], found["billed_ms"], found["bytes_in"]) == (0, 0, 0)


def test_endpoints_have_accounts_of_their_own() -> None:
    ledger = Ledger(lambda: 0.0)
    ledger.record(REQUEST)
    ledger.record(replace(REQUEST, endpoint_name="f", bytes_in=7))
    assert {name: found["bytes_in"] for name, found in ledger.shown().items()} == {"e": 10, "f": 7}
