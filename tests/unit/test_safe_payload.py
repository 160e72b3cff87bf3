"""The largest safe request: measured, or between two measured sizes, never beyond."""

from __future__ import annotations

from typing import Any

import pytest

from seatrial.contracts import CandidateProfile, PayloadProfile
from seatrial.readiness.safe_payload import SafePayload, safe_payloads


def point(request_mb: float, peak_mb: float, **changes: Any) -> PayloadProfile:
    values: dict[str, Any] = {
        "payload": f"{request_mb} MB",
        "rows": int(1000 * request_mb),
        "request_mb": request_mb,
        "response_mb": request_mb / 2,
        "requests": 3,
        "errors": 0,
        "first_error": None,
        "peak_memory_mb": peak_mb,
        "stopped": False,
        "latency_p50_ms": 1.0,
        "latency_p95_ms": 1.0,
        "latency_p99_ms": 1.0,
        "cpu_s_per_request": 0.001,
    }
    return PayloadProfile(**{**values, **changes})


def safe(*scaled: PayloadProfile, usable_ratio: float = 1.0) -> SafePayload:
    """In 1024 MB, of a candidate whose sample of 1 MB takes 500 MB."""
    measured = CandidateProfile(
        candidate="fp32",
        archive_size_mb=1,
        unpacked_size_mb=1,
        cold_start=None,
        idle_memory_mb=None,
        peak_memory_mb=500,
        stopped=False,
        processes=1,
        threads=1,
        payloads=(point(1, 500),),
        scaled=scaled,
        failure=None,
    )
    [found] = safe_payloads(measured, [1024], usable_ratio=usable_ratio, payload_limit_mb=4)
    return found


@pytest.mark.parametrize(
    ("peak_mb", "expected_mb"),
    [
        pytest.param(1023.9, 2.0, id="under"),
        pytest.param(1024.0, 2.0, id="exactly-at-limit"),
        pytest.param(1548.0, 1.5, id="over"),
    ],
)
def test_memory_ends_it_between_two_measured_sizes(peak_mb: float, expected_mb: float) -> None:
    found = safe(point(2, peak_mb))
    assert found.request_mb == pytest.approx(expected_mb)
    assert found.rows == int(1000 * expected_mb)
    assert found.bound == ("memory" if peak_mb > 1024 else "largest measured")


def test_a_curve_that_bends_down_is_not_trusted_to_have_bent_already() -> None:
    # 300 MB a MB, then 200: the rest of the first slope may reach into the second part
    found = safe(point(2, 800), point(4, 1200))
    assert found.request_mb == pytest.approx(2 + 224 / 300)


def test_headroom_is_kept_free() -> None:
    assert safe(point(2, 900), usable_ratio=0.8) == SafePayload(
        1024, pytest.approx(1 + (819.2 - 500) / 400), 1798, "memory"
    )


def test_a_run_that_was_stopped_only_says_that_it_is_too_large() -> None:
    assert safe(point(2, 2000, stopped=True)) == SafePayload(1024, 1.0, 1000, "memory")


@pytest.mark.parametrize(
    ("response_mb", "expected_mb", "bound"),
    [
        pytest.param(3.9, 2.0, "largest measured", id="under"),
        pytest.param(4.0, 2.0, "largest measured", id="exactly-at-limit"),
        pytest.param(7.5, 1.5, "response", id="over"),
    ],
)
def test_an_answer_over_the_limit_ends_it_too(
    response_mb: float, expected_mb: float, bound: str
) -> None:
    found = safe(point(2, 600, response_mb=response_mb))
    assert (found.request_mb, found.bound) == (pytest.approx(expected_mb), bound)


def test_a_size_that_was_not_answered_is_not_safe() -> None:
    refused = point(2, 600, requests=0, errors=3, response_mb=None)
    assert safe(refused, point(4, 700)) == SafePayload(1024, 1.0, 1000, "error")


def test_nothing_is_safe_where_the_sample_is_not() -> None:
    assert safe(usable_ratio=0.4) == SafePayload(1024, None, None, "memory")
