"""`seatrial profile --endpoint` on localcloud: measured, and nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from cloud_calls import Aws, archive, wait_for
from record_delivery import BUCKET

from seatrial.aws import sha256_of
from seatrial.config import load_config
from seatrial.contracts import Candidate, EndpointProfile, Optimization, Payload, write_contract
from seatrial.trial.plan import Trial
from seatrial.trial.run import run_trial
from seatrial.trial.surroundings import Surroundings
from seatrial.trial.temporary import Temporary, expired, remove

pytestmark = pytest.mark.flow

PROGRAM = [sys.executable, "-c", "from seatrial.cli import main; main()"]
SERVICES = ("sagemaker", "sagemaker-runtime", "s3", "logs", "cloudwatch")
SETTINGS = {
    "project": "quick",
    "bucket": BUCKET,
    "images": {"serving": "tiny"},
    "trial": {
        "cold_requests": 2,
        "warm_requests": 5,
        "burst_s": 0.6,
        "max_errors": 2,
        "metrics_deadline_s": 10,
        "idle_longest_s": 8,
        "idle_within_s": 2,
    },
}


def payload(name: str, body: str) -> Payload:
    return Payload(name=name, content_type="text/csv", rows=1, body=body)


def trial_of(folder: Path, *bodies: str, tiers_mb: tuple[int, ...] = (2048,)) -> Trial:
    """Two at once, of an archive in `folder`."""
    path = folder / "model.tar.gz"
    path.write_bytes(archive("one"))
    payloads = tuple(payload(f"p{number}", body) for number, body in enumerate(bodies))
    return Trial("fp32", path, sha256_of(path), payloads, tiers_mb, max_concurrency=2)


def around(aws: Aws, run_id: str, said: list[str] | None = None) -> Surroundings:
    clients = {name: aws.cloud.client(name) for name in SERVICES}
    say = [] if said is None else said
    return Surroundings(load_config(None, **SETTINGS), clients, say.append, run_id)


def left_of(aws: Aws, prefix: str = "quick-trial-") -> list[str]:
    """Whatever has a name of a trial's: endpoints, configurations, models, objects, log groups."""
    sagemaker, logs = aws.sagemaker, aws.cloud.client("logs")
    names = [
        *(item["EndpointName"] for item in sagemaker.list_endpoints()["Endpoints"]),
        *(
            item["EndpointConfigName"]
            for item in sagemaker.list_endpoint_configs()["EndpointConfigs"]
        ),
        *(item["ModelName"] for item in sagemaker.list_models()["Models"]),
        *(
            item["logGroupName"].rpartition("/")[2]
            for item in logs.describe_log_groups()["logGroups"]
        ),
    ]
    objects = aws.s3.list_objects_v2(Bucket=BUCKET, Prefix="trials/").get("Contents", [])
    return [name for name in names if name.startswith(prefix)] + [item["Key"] for item in objects]


def test_each_tier_is_asked_cold_warm_and_over_its_limit_and_removed(
    aws: Aws, tmp_path: Path
) -> None:
    trial = trial_of(tmp_path, "sleep 0.05", "sleep 0.1", tiers_mb=(1024, 2048))
    found = run_trial(trial, around(aws, "good"))

    assert left_of(aws) == []
    assert [tier.memory_size_mb for tier in found.tiers] == [1024, 2048]
    for tier in found.tiers:
        phases = {phase.name: phase for phase in tier.phases}
        assert (tier.ended_early, tier.left_behind, tier.metrics_complete) == (None, (), True)
        assert [phases[name].clients for name in ("cold", "warm", "burst", "over")] == [2, 1, 2, 3]
        assert (phases["cold"].answered, phases["warm"].answered) == (2, 5)
        assert phases["cold"].throttled == phases["warm"].throttled == 0
        # three clients where two may: one of them is always turned away
        assert phases["over"].throttled > 0
        assert phases["over"].errors == phases["burst"].errors == 0
        assert (phases["warm"].latency_p50_ms or 0) >= 50
        assert (phases["cold"].latency_max_ms or 0) > (phases["warm"].latency_max_ms or 0)
        metrics = {metric.name: metric for metric in tier.metrics}
        answered = sum(phase.answered for phase in tier.phases)
        assert metrics["ModelLatency"].samples == answered
        assert metrics["ModelSetupTime"].samples == 2  # one a sandbox, and never more than two
        assert metrics["ModelLatency"].maximum >= 100_000
        assert 0 < metrics["MemoryUtilization"].maximum < 100


def test_errors_over_the_budget_end_a_tier_early(aws: Aws, tmp_path: Path) -> None:
    found = run_trial(trial_of(tmp_path, "status 500"), around(aws, "errors"))
    tier = found.tiers[0]
    assert tier.ended_early is not None
    assert "2 allowed: ModelError" in tier.ended_early
    assert [phase.name for phase in tier.phases] == ["cold", "warm"]
    assert sum(phase.errors for phase in tier.phases) == 3
    assert left_of(aws) == []


def test_an_endpoint_that_does_not_start_is_told_and_removed(aws: Aws, tmp_path: Path) -> None:
    trial = trial_of(tmp_path, "model")
    trial.archive.write_bytes(b"no archive")
    tier = run_trial(trial, around(aws, "broken")).tiers[0]
    assert tier.ended_early is not None
    assert "did not come into service" in tier.ended_early
    assert (tier.phases, tier.in_service_s) == ((), None)
    assert left_of(aws) == []


def test_what_a_killed_trial_left_is_removed_by_the_next_when_its_time_is_over(
    aws: Aws, tmp_path: Path
) -> None:
    aws.s3.put_object(Bucket=BUCKET, Key="killed/model.tar.gz", Body=archive("one"))
    here = around(aws, "next")
    made = {
        name: Temporary(
            name=f"quick-trial-2048-{name}",
            variant_name="AllTraffic",
            image="tiny",
            role=here.config.roles.endpoint,
            model_data_url=f"s3://{BUCKET}/killed/model.tar.gz",
            memory_size_mb=2048,
            max_concurrency=1,
            environment={},
        )
        for name in ("old", "young")
    }
    now = datetime.now(UTC)
    for name, since in (("old", now - timedelta(hours=3)), ("young", now)):
        for action in made[name].plan(since):
            getattr(aws.sagemaker, action.method)(**action.parameters)

    said: list[str] = []
    run_trial(trial_of(tmp_path, "model"), around(aws, "next", said))

    assert "removing quick-trial-2048-old, left behind by a trial that was killed" in said
    assert set(left_of(aws)) == {"quick-trial-2048-young"}
    assert list(expired("quick-trial-", aws.sagemaker, now)) == []
    assert remove("quick-trial-2048-young", here.clients, model_data_url=None) == []
    assert left_of(aws) == []


def candidates(folder: Path, body: str) -> Path:
    """A folder as optimize writes it."""
    folder.mkdir()
    trial = trial_of(folder, body)
    fp32 = Candidate(
        name="fp32",
        backend="onnxruntime",
        precision="fp32",
        graph_optimization="extended",
        archive="model.tar.gz",
        archive_sha256=trial.archive_sha256,
        archive_size_mb=1,
        model_size_mb=1,
        agreement=None,
        quality={},
        rejection=None,
    )
    optimization = Optimization(
        model_package_arn=None,
        flavor="onnx",
        task="regression",
        original_size_mb=1,
        original_quality={},
        candidates=(fp32,),
        optimizer="test",
        cpu="test",
    )
    write_contract(optimization, folder / "optimization.json")
    lines = [item.model_dump_json() for item in trial.payloads]
    (folder / "payloads.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


def verb(aws: Aws, folder: Path, body: str, *words: str) -> subprocess.Popen[str]:
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(SETTINGS), encoding="utf-8")
    command = [*PROGRAM, "--json", "--config", str(config), "profile", "--endpoint"]
    command += ["--candidates", str(candidates(folder / "candidates", body))]
    return subprocess.Popen(
        [*command, "--out", str(folder / "out"), *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **aws.cloud.environment},
    )


def test_the_verb_writes_what_it_found_and_when_an_idle_sandbox_goes(
    aws: Aws, tmp_path: Path
) -> None:
    ended = verb(aws, tmp_path, "model", "--tier", "3072", "--idle", "--yes")
    stdout, stderr = ended.communicate(timeout=90)
    assert ended.returncode == 0, stderr
    found = EndpointProfile.model_validate_json(stdout)
    assert found.tiers[0].max_concurrency == load_config().endpoint.max_concurrency
    written = (tmp_path / "out" / "endpoint_profile.json").read_text(encoding="utf-8")
    assert json.loads(written) == json.loads(stdout)
    assert "3072 MB: over, 8 at a time" in stderr
    assert "3072 MB: idle for 2 s" in stderr
    idle = found.tiers[0].idle
    assert idle is not None
    assert idle.ended_early is None
    assert idle.cold_s is not None
    # that localcloud keeps a sandbox for 3 s; a busy machine makes pauses longer
    assert 3 <= idle.cold_s < 12
    assert idle.warm_s is None or idle.warm_s < idle.cold_s
    assert left_of(aws) == []


def test_without_yes_nobody_is_charged(aws: Aws, tmp_path: Path) -> None:
    ended = verb(aws, tmp_path, "model", "--tier", "3072")
    stdout, stderr = ended.communicate(timeout=60)
    assert (ended.returncode, stdout.strip()) == (1, "")
    assert "at most $" in stderr
    assert left_of(aws) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminated"])
def test_stopped_half_way_it_leaves_nothing(aws: Aws, tmp_path: Path, number: int) -> None:
    running = verb(aws, tmp_path, "sleep 0.2", "--tier", "2048", "--yes")
    wait_for(lambda: left_of(aws, "quick-trial-2048"), lambda seen: len(seen) >= 4)
    time.sleep(0.5)  # in service, and being asked
    running.send_signal(number)
    _, stderr = running.communicate(timeout=60)
    assert running.returncode != 0
    assert "Traceback" not in stderr
    assert left_of(aws) == []
