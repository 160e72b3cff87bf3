"""A user's mistake is one clear line and exit code 2; help is quick to show."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from in_process import call_seatrial as run

PROGRAM = [sys.executable, "-c", "from seatrial.cli import main; main()"]


def run_alone(*words: str, environment: dict[str, str] | None = None) -> Any:
    """In a process of its own."""
    return subprocess.run(
        [*PROGRAM, *words], capture_output=True, text=True, check=False, env=environment
    )


def test_the_program_ends_with_its_verbs_code_and_line() -> None:
    ended = run_alone("--help")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "Usage" in ended.stdout
    ended = run_alone("judge")
    assert ended.returncode == 2
    assert ended.stderr == run("judge").stderr


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["cloud"],
        ["pipeline"],
        ["demo"],
        ["optimize"],
        ["profile"],
        ["baseline"],
        ["judge"],
        ["deploy"],
        ["monitor"],
        ["monitor", "run"],
        ["monitor", "selftest"],
        ["invoke"],
        ["compare"],
        ["config"],
        ["cost"],
        ["cost", "refresh"],
        ["doctor"],
        ["loadtest"],
        ["router"],
        ["fanout"],
    ],
)
def test_every_verb_has_help(words: list[str]) -> None:
    ended = run(*words, "--help")
    assert ended.returncode == 0
    assert "Usage" in ended.stdout


def test_the_version_is_that_of_the_distribution() -> None:
    assert run("--version").stdout == f"seatrial {version('seatrial')}\n"


def test_an_unknown_configuration_key_is_one_line_and_exit_2(tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("endpont: {}\n", encoding="utf-8")
    ended = run("--config", str(config), "pipeline", "definition", "readiness")
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "Did you mean endpoint?" in ended.stderr


def test_a_tier_that_does_not_exist_is_one_line_and_exit_2(tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("endpoint: {memory_size_mb: 1500}\n", encoding="utf-8")
    ended = run("--config", str(config), "pipeline", "definition", "readiness")
    assert ended.returncode == 2
    assert "1500" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_folder_that_is_no_model_is_one_line_and_exit_2(tmp_path: Path) -> None:
    payloads = tmp_path / "payloads.jsonl"
    payloads.write_text("", encoding="utf-8")
    missing = tmp_path / "validation.parquet"
    ended = run(
        *("optimize", str(tmp_path), "--data", str(missing)),
        *("--payloads", str(payloads), "--target", "late", "--out", str(tmp_path / "out")),
    )
    assert ended.returncode == 2
    assert "validation.parquet" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_truncated_archive_is_one_line_and_exit_2(tmp_path: Path) -> None:
    import pandas as pd

    archive = tmp_path / "model.tar.gz"
    archive.write_bytes(b"\x1f\x8b\x08\x00")
    pd.DataFrame({"late": [0, 1]}).to_parquet(tmp_path / "v.parquet")
    (tmp_path / "p.jsonl").write_text("", encoding="utf-8")
    ended = run(
        *("optimize", str(archive), "--data", str(tmp_path / "v.parquet")),
        *("--payloads", str(tmp_path / "p.jsonl"), "--target", "late"),
        *("--out", str(tmp_path / "out")),
    )
    assert ended.returncode == 2
    assert "cannot unpack model.tar.gz" in ended.stderr
    assert not (tmp_path / "out").exists()


def test_without_a_cloud_the_advice_is_to_start_one(tmp_path: Path) -> None:
    environment = {
        "PATH": "/usr/bin",
        "HOME": str(tmp_path),
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_MAX_ATTEMPTS": "1",
    }
    body = tmp_path / "body.csv"
    body.write_text("1\n", encoding="utf-8")
    ended = run_alone("invoke", "flights", str(body), environment=environment)
    assert ended.returncode == 2
    assert "seatrial cloud up" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_definition_is_printed_as_json() -> None:
    ended = run("pipeline", "definition", "monitoring")
    assert ended.returncode == 0
    assert json.loads(ended.stdout)["Steps"][0]["Name"] == "CollectWindow"


COST = ("cost", "--duration-ms", "100", "--cold-start-s", "2")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("cost", "--shape", "steady", "--requests-a-month", "9"), "--profile, --duration-ms"),
        (COST, "--traffic, --endpoint, --review, --shape"),
        ((*COST, "--shape", "steady", "--traffic", "x.csv"), "--traffic and --shape"),
        ((*COST, "--shape", "steady"), "--requests-a-month"),
        ((*COST[:3], "--shape", "steady", "--requests-a-month", "9"), "--cold-start-s"),
        ((*COST, "--traffic", "missing.csv"), "missing.csv"),
        ((*COST, "--shape", "steady", "--requests-a-month", "9", "--region", "mars-1"), "refresh"),
        (
            (*COST, "--shape", "steady", "--requests-a-month", "9", "--price", "x=1"),
            "no such price",
        ),
        ((*COST, "--traffic", "x.csv", "--max-concurrency", "201"), "1 to 200"),
    ],
)
def test_a_question_about_costs_that_is_not_clear_is_one_line_and_exit_2(
    words: tuple[str, ...], said: str
) -> None:
    ended = run(*words)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert said in ended.stderr


def test_costs_are_a_table_with_what_was_assumed_and_a_contract(tmp_path: Path) -> None:
    arrivals = tmp_path / "arrivals.csv"
    arrivals.write_text("time\n0\n30\n60\n", encoding="utf-8")
    config = tmp_path / "c.yaml"
    config.write_text("prices: {ml.c5.large: 0.5}\n", encoding="utf-8")
    ended = run(
        *("--config", str(config), *COST),
        *("--traffic", str(arrivals), "--out", str(tmp_path / "out")),
    )
    assert ended.returncode == 0, ended.stderr
    assert "cheapest: on demand, 1024 MB" in ended.stdout
    assert "left out: provisioned" in ended.stdout
    assert "365.00" in ended.stdout
    assert "AWS does not say" in ended.stdout
    found = json.loads((tmp_path / "out" / "cost.json").read_text(encoding="utf-8"))
    assert found["traffic"]["span_s"] == 90
    assert found["cheapest"]["policy"] == "on demand"


def test_judge_without_a_folder_or_options_is_one_line_and_exit_2() -> None:
    ended = run("judge")
    assert ended.returncode == 2
    assert "it is not clear where candidates is" in ended.stderr
    assert "seatrial judge FOLDER" in ended.stderr


def test_a_folder_without_a_run_is_one_line_and_exit_2(tmp_path: Path) -> None:
    ended = run("judge", str(tmp_path))
    assert ended.returncode == 2
    assert "optimization.json" in ended.stderr
    assert "Traceback" not in ended.stderr
