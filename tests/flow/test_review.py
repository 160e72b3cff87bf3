"""`seatrial review` of an endpoint on localcloud that was really called."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from cloud_calls import Aws, wait_for
from record_delivery import BUCKET

from seatrial.config import load_config
from seatrial.contracts.review import Review

pytestmark = pytest.mark.flow


def review(aws: Aws, name: str, folder: Path) -> subprocess.CompletedProcess[str]:
    config = folder / "config.yaml"
    quotas = {"memory_size_mb": 6144, "total_concurrency": 400}
    config.write_text(yaml.safe_dump({"bucket": BUCKET, "quotas": quotas}), encoding="utf-8")
    program = "import sys; from seatrial.cli import main; sys.exit(main())"
    words = ["--json", "--config", str(config), "review", name, "--out", str(folder / "out")]
    return subprocess.run(
        [sys.executable, "-c", program, *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **aws.cloud.environment},
    )


def test_a_busy_endpoint_is_told_what_to_change(aws: Aws, tmp_path: Path) -> None:
    aws.model("reviewed")
    aws.config("reviewed", MemorySizeInMB=3072, MaxConcurrency=2)
    aws.sagemaker.create_endpoint(EndpointName="reviewed", EndpointConfigName="reviewed")
    aws.settled("reviewed")
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: aws.ask("reviewed", "sleep 0.2"), range(6)))

    def seen() -> Review:
        ended = review(aws, "reviewed", tmp_path)
        assert ended.returncode == 1, ended.stderr
        return Review.model_validate_json(ended.stdout)

    found = wait_for(seen, lambda answer: answer.usage.requests == 6)
    assert (found.memory_size_mb, found.max_concurrency) == (3072, 2)
    assert found.usage.cold_starts == 2
    assert (found.usage.latency_mean_ms or 0) >= 200
    assert found.usage.concurrency_max_ratio == 1
    assert found.change == {"endpoint.memory_size_mb": 1024, "endpoint.max_concurrency": 3}
    # nothing was monitored, and that is said
    assert "ALERTS" in {item.topic for item in found.to_do}

    out = tmp_path / "out"
    assert (
        json.loads((out / "review.json").read_text(encoding="utf-8"))["endpoint_name"] == "reviewed"
    )
    changed = load_config(out / "change.yaml").endpoint
    assert changed.max_concurrency == 3


def test_an_endpoint_that_is_not_there_is_one_line_and_exit_2(aws: Aws, tmp_path: Path) -> None:
    ended = review(aws, "nobody", tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.startswith("seatrial: no such endpoint")
