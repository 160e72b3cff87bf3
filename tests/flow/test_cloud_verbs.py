"""`seatrial cloud up|status|down`, as a person types them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.flow


def seatrial(
    *words: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    program = "import sys; from seatrial.cli import main; sys.exit(main())"
    plain = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return subprocess.run(
        [sys.executable, "-c", program, *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**plain, **(environment or {})},
    )


def test_quotas_and_times_can_be_set(tmp_path: Path) -> None:
    place = ("--state-dir", str(tmp_path))
    up = seatrial(
        *("cloud", "up", *place, "--quota", "memory=6144,concurrency=50"),
        *("--idle-s", "5", "--delivery-s", "0"),
    )
    try:
        assert up.returncode == 0, up.stderr
        assert "export AWS_ENDPOINT_URL=http://127.0.0.1:" in up.stdout
        shown = json.loads(seatrial("--json", "cloud", "status", *place).stdout)
        quotas = {"memory_size_mb": 6144, "total_concurrency": 50, "endpoints": 5}
        assert shown["quotas"] == quotas
        assert (shown["idle_s"], shown["delivery_s"]) == (5, 0)
    finally:
        down = seatrial("cloud", "down", *place)
    assert down.stdout == "localcloud is down\n"
    assert seatrial("cloud", "status", *place).returncode == 1


def test_a_quota_that_is_none_is_one_line_and_exit_2(tmp_path: Path) -> None:
    up = seatrial("cloud", "up", "--state-dir", str(tmp_path), "--quota", "memory=lots")
    assert up.returncode == 2
    assert up.stderr.startswith("seatrial: ")
    assert up.stderr.count("\n") == 1
    assert "memory=lots" in up.stderr


def test_the_doctor_knows_a_localcloud_when_it_is_led_to_one(cloud: Any) -> None:
    ended = seatrial("--json", "doctor", environment=cloud.environment)
    found = {item["name"]: item for item in json.loads(ended.stdout)}
    assert found["AWS"]["seen"] == cloud.endpoint_url
    assert found["credentials"]["condition"] == "works"
    assert found["quota of concurrency"]["condition"] == "works"
    missing = [item["name"] for item in found.values() if item["condition"] == "missing"]
    assert ended.returncode == (1 if missing else 0), ended.stderr


def test_without_credentials_the_doctor_says_how_to_go_on() -> None:
    nowhere = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/nowhere"}
    ended = seatrial("--json", "doctor", environment=nowhere)
    found = {item["name"]: item for item in json.loads(ended.stdout)}
    assert found["credentials"]["condition"] == "limited"
    assert "seatrial cloud up" in found["credentials"]["means"]
    assert "quota of memory" not in found
