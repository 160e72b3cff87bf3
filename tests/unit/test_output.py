"""What `seatrial judge` prints of the choice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from selftest_inputs import write_baseline

from seatrial.cli.output import say_readiness, say_table
from seatrial.cli.steps import say_baseline
from seatrial.contracts import Choice, Readiness


def test_a_title_that_is_longer_than_its_table_stays_in_one_piece(
    capsys: pytest.CaptureFixture[str],
) -> None:
    title = f"arn:aws:sagemaker:us-east-1:123456789012:pipeline/{'a' * 40}"
    say_table(title, ("step", "s"), [("one", "1")])
    assert capsys.readouterr().out.splitlines()[0] == title


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


def test_only_columns_with_gaps_have_a_line_for_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = write_baseline(tmp_path)
    bounds = [item for item in made.bounds if item.metric == "missing_ratio"]
    gaps = [
        item.model_copy(update={"bound": bound})
        for item, bound in zip(bounds[:2], (0, 1e-9), strict=True)
    ]
    say_baseline(made.model_copy(update={"bounds": tuple(gaps)}))
    said = capsys.readouterr().out
    assert gaps[0].column not in said
    assert f" {gaps[1].column} " in said
    assert said.splitlines()[-1] == "missing_ratio: bound 0 in 1 columns, which are not listed"
