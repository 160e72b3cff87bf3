"""What `seatrial judge` prints of the choice."""

from __future__ import annotations

from typing import Any

import pytest

from seatrial.cli.output import say_readiness
from seatrial.contracts import Choice, Readiness


def choice(name: str, **changes: Any) -> Choice:
    return Choice.model_validate(
        {
            "candidate": name,
            "chosen": False,
            "ready": True,
            "memory_size_mb": 1024,
            "usd_per_million_requests": 1.234,
            "cold_start_s": 0.5,
            "cold_start_method": "measured under CPU quota",
            "latency_p95_ms": 12.34,
            "peak_memory_mb": 98.7,
            "quality": {"auc": 0.75},
            "reason": "cost is 50% over int8-static's",
            **changes,
        }
    )


def readiness(*choices: Choice) -> Readiness:
    return Readiness(
        ready=True,
        model_package_arn=None,
        candidate="int8-static",
        recommended=None,
        cost=None,
        checks=(),
        optimize_for="cold_start",
        choices=choices,
    )


def test_each_profiled_candidate_is_a_row_and_a_reason(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    won = choice("int8-static", chosen=True, reason="lowest cold start: 20% under fp32")
    say_readiness(readiness(choice("fp32"), won))
    printed = capsys.readouterr().out
    assert "chosen by cold start" in printed
    row = next(line for line in printed.splitlines() if line.startswith(" fp32 "))
    assert row.split() == [
        "fp32",
        "1024",
        "1.23",
        "0.50",
        "~12.3",
        "99",
        "auc",
        "0.7500",
    ]
    assert "~ predicted, not measured under the tier's CPU quota" in printed
    assert "fp32: cost is 50% over int8-static's" in printed
    assert "int8-static: lowest cold start: 20% under fp32" in printed


def test_what_is_not_known_is_a_dash(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    unknown = dict.fromkeys(
        (
            "memory_size_mb",
            "usd_per_million_requests",
            "cold_start_s",
            "latency_p95_ms",
            "peak_memory_mb",
        )
    )
    say_readiness(readiness(choice("fp32", quality={}, **unknown)))
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith(" fp32 "))
    assert row.split() == ["fp32", *["–"] * 6]


def test_without_choices_there_is_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    say_readiness(readiness())
    assert "chosen by" not in capsys.readouterr().out
