"""`seatrial loadtest` on localcloud: what it recommends then carries the load."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from cloud_calls import Aws, wait_for
from record_delivery import deploy, target_of
from typer.testing import CliRunner, Result

from seatrial.cli.app import app
from seatrial.contracts import Payload
from seatrial.contracts.loadtest import LoadTest

pytestmark = pytest.mark.flow

SETTINGS = {"loadtest": {"max_errors": 3, "metrics_deadline_s": 10}}


@pytest.fixture(autouse=True)
def environment(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of the verb, and of the Locust process that it starts."""
    for name, value in aws.cloud.environment.items():
        monkeypatch.setenv(name, value)


def verb(folder: Path, endpoint: str, body: str, *words: str) -> Result:
    folder.mkdir(exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(SETTINGS), encoding="utf-8")
    payload = Payload(name="one", content_type="text/csv", rows=1, body=body)
    (folder / "payloads.jsonl").write_text(payload.model_dump_json(), encoding="utf-8")
    command = ["--json", "--config", str(folder / "config.yaml"), "loadtest", endpoint]
    command += ["--payloads", str(folder / "payloads.jsonl"), "--out", str(folder / "out")]
    return CliRunner().invoke(app, [*command, *words])


def run(folder: Path, endpoint: str, body: str, *words: str) -> LoadTest:
    ended = verb(folder, endpoint, body, *words)
    assert ended.exit_code in (0, 1), ended.output
    found = LoadTest.model_validate_json(ended.stdout)
    assert ended.exit_code == (0 if found.passed else 1)
    return found


def test_the_recommended_concurrency_carries_the_load(aws: Aws, tmp_path: Path) -> None:
    aws.endpoint("loaded")  # two at once
    words = ("--users", "4", "--shape", "steady", "--seconds", "2", "--yes")
    before = run(tmp_path / "before", "loaded", "sleep 0.2", *words)
    assert before.phases[0].throttled > 0
    assert sum(moment.throttled for moment in before.moments) == before.phases[0].throttled
    assert not before.passed
    assert before.recommended_max_concurrency == 4

    config = {"MaxConcurrency": before.recommended_max_concurrency, "MemorySizeInMB": 1024}
    aws.config("loaded-more", "loaded", **config)
    aws.sagemaker.update_endpoint(EndpointName="loaded", EndpointConfigName="loaded-more")
    assert aws.settled("loaded")["EndpointStatus"] == "InService"
    after = run(tmp_path / "after", "loaded", "sleep 0.2", *words)
    assert after.max_concurrency == 4
    assert after.phases[0].throttled == 0
    assert after.phases[0].requests > before.phases[0].requests - before.phases[0].throttled
    assert after.recommended_max_concurrency == 4


def test_cold_requests_are_told_by_the_records_and_a_ramp_recommends_nothing(
    aws: Aws, tmp_path: Path
) -> None:
    deploy(target_of("recorded", max_concurrency=2), aws.cloud.client, watched=False)
    found = run(tmp_path, "recorded", "1.5\n", "--shape", "ramp", "--seconds", "3", "--yes")
    ramp = found.phases[0]
    assert found.cold_told_by == "records"
    assert 1 <= ramp.cold.requests <= 2  # a sandbox each
    assert (ramp.cold.p50_ms or 0) > 2 * (ramp.warm.p95_ms or 0)
    assert (ramp.peak_users, ramp.errors) == (3, 0)
    assert found.recommended_max_concurrency is None  # it asked for too much on purpose
    assert 0 < found.usd < found.max_usd
    assert {"locust_stats.csv", "locust.html", "requests.jsonl"} <= {
        item.name for item in (tmp_path / "out").iterdir()
    }


def test_errors_over_the_budget_end_it(aws: Aws, tmp_path: Path) -> None:
    aws.endpoint("broken")
    words = ("--shape", "steady", "--seconds", "60", "--yes")
    found = run(tmp_path, "broken", "status 500", *words)
    assert found.ended_early is not None
    assert "3 allowed: ModelError" in found.ended_early
    assert not found.passed
    assert found.phases[0].requests < 20


def test_stopped_half_way_nobody_goes_on_asking(aws: Aws, tmp_path: Path) -> None:
    aws.endpoint("stopped")
    payload = Payload(name="one", content_type="text/csv", rows=1, body="model")
    (tmp_path / "payloads.jsonl").write_text(payload.model_dump_json(), encoding="utf-8")
    command = [sys.executable, "-c", "from seatrial.cli import main; main()", "loadtest", "stopped"]
    command += ["--payloads", str(tmp_path / "payloads.jsonl"), "--out", str(tmp_path / "out")]
    log = tmp_path / "out" / "requests.jsonl"
    with subprocess.Popen([*command, "--yes"], stderr=subprocess.PIPE, text=True) as running:
        wait_for(lambda: log.is_file() and log.stat().st_size, lambda size: size > 500)
        running.send_signal(signal.SIGTERM)
        _, stderr = running.communicate(timeout=30)
    assert running.returncode != 0
    assert "Traceback" not in stderr
    size = log.stat().st_size
    time.sleep(0.3)
    assert log.stat().st_size == size


def test_without_yes_it_says_the_price_and_does_not_start(aws: Aws, tmp_path: Path) -> None:
    aws.endpoint("spared")
    ended = verb(tmp_path, "spared", "model")
    assert (ended.exit_code, ended.stdout) == (2, "")
    # 567 s not idle and the last minute, 2 sandboxes of 1 GB, at $0.00002 a GB-second
    assert "900 s of load on spared: at most $0.0251 of compute" in ended.stderr
    assert "give --yes" in ended.stderr
    assert not (tmp_path / "out").exists()
