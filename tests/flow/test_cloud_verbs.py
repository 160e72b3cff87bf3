"""`seatrial cloud up|env|status|down`, as a person types them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from in_process import call_seatrial

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


# What each shell makes of the lines, and where that has led it.
LEAD_AND_SHOW = {
    "bash": 'eval "$(seatrial cloud env --state-dir {place})" && echo "$AWS_ENDPOINT_URL"',
    "fish": 'seatrial cloud env --state-dir {place} | source && echo "$AWS_ENDPOINT_URL"',
}


@pytest.mark.parametrize(
    "shell",
    [
        pytest.param(name, marks=pytest.mark.skipif(shutil.which(name) is None, reason="none here"))
        for name in LEAD_AND_SHOW
    ],
)
def test_another_shell_is_led_to_the_cloud_that_is_up(
    cloud: Any, shell: str, tmp_path: Path
) -> None:
    program = tmp_path / "seatrial"
    program.write_text(
        f"#!/bin/sh\nexec {sys.executable} -c 'from seatrial.cli import main; main()' \"$@\"\n"
    )
    program.chmod(0o755)
    ended = subprocess.run(
        [shell, "-c", LEAD_AND_SHOW[shell].format(place=cloud.info.state_dir)],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
    )
    assert (ended.stdout, ended.stderr) == (f"{cloud.endpoint_url}\n", "")


def test_a_cloud_that_is_up_is_not_started_again_and_the_way_to_it_is_told(cloud: Any) -> None:
    place = ("--state-dir", str(cloud.info.state_dir))
    up = call_seatrial("cloud", "up", *place)
    assert up.returncode == 2
    assert f"got '{cloud.endpoint_url} in {cloud.info.state_dir}'" in up.stderr
    assert f'eval "$(seatrial cloud env --state-dir {cloud.info.state_dir})"' in up.stderr
    assert json.loads(call_seatrial("--json", "cloud", "env", *place).stdout) == cloud.environment


def test_where_no_cloud_is_up_there_is_nothing_to_evaluate(tmp_path: Path) -> None:
    ended = call_seatrial("cloud", "env", "--state-dir", str(tmp_path))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"no localcloud is up there: got '{tmp_path}'" in ended.stderr
    assert "seatrial cloud up" in ended.stderr


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
