"""`seatrial review` of an endpoint on localcloud that was really called."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from cloud_calls import Aws, wait_for
from dock import Dock
from doubling_model import archive_of, model_files
from osv_server import osv_server
from record_delivery import BUCKET, make_bucket

from seatrial.aws import S3
from seatrial.cli import main
from seatrial.config import load_config
from seatrial.contracts.calls import CallGroup, Calls, Spread
from seatrial.contracts.review import Review
from seatrial.deployment.target import ENDPOINT_TAG
from seatrial.endpoint import records_uri
from seatrial.limits import tier_environment
from seatrial.monitoring.call_files import write_calls
from seatrial.review.reading import read_deployed

pytestmark = pytest.mark.flow


@dataclass(frozen=True)
class Ended:
    """What a verb said, and its exit code."""

    returncode: int
    stdout: str
    stderr: str


def seatrial(aws: Aws, folder: Path, *words: str, **settings: Any) -> Ended:
    """The program in this process: a review starts often here, and imports much."""
    config = folder / "config.yaml"
    quotas = {"memory_size_mb": 6144, "total_concurrency": 400}
    whole = {"bucket": BUCKET, "quotas": quotas, "review": {"advisories_url": None}} | settings
    config.write_text(yaml.safe_dump(whole), encoding="utf-8")
    code, out, err = 0, StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name, value in {**aws.cloud.environment, "COLUMNS": "200"}.items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", ["seatrial", "--config", str(config), *words])
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
    return Ended(code, out.getvalue(), err.getvalue())


def review(aws: Aws, name: str, folder: Path, **settings: Any) -> Ended:
    out = str(folder / "out")
    return seatrial(aws, folder, "--json", "review", name, "--out", out, **settings)


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

    words = ("deploy", "--review", str(out / "review.json"), "--dry-run")
    ended = seatrial(aws, tmp_path, *words, endpoint={"name": "reviewed"})
    assert ended.returncode == 2
    assert "what reviewed serves was not deployed and verified by seatrial" in ended.stderr


def test_the_bill_is_compared_with_what_was_predicted(aws: Aws, tmp_path: Path) -> None:
    aws.model("billed")
    aws.config("billed", MemorySizeInMB=1024, MaxConcurrency=1)
    tags = [{"Key": ENDPOINT_TAG, "Value": "billed"}]
    aws.sagemaker.create_endpoint(EndpointName="billed", EndpointConfigName="billed", Tags=tags)
    aws.settled("billed")
    for _ in range(3):
        aws.ask("billed", "sleep 0.1")
    make_bucket(aws.cloud.client)
    write_calls(aws.cloud.client("s3"), records_uri(BUCKET, "billed", "AllTraffic"), calls())
    wanted = {"advisories_url": None, "bill_lag_days": 0}

    def seen(**prices: float) -> Review:
        words = ("--json", "review", "billed", "--bill")
        ended = seatrial(aws, tmp_path, *words, review=wanted, prices=prices)
        assert ended.returncode == 1, ended.stderr
        return Review.model_validate_json(ended.stdout)

    found = wait_for(seen, lambda answer: answer.usage.requests == 3)
    bill, logged = found.usage.bill, found.usage.logged
    assert bill is not None
    assert bill.unknown is None
    (seconds,) = [x for x in bill.lines if x.usage_type == "ServerlessInf:Mem-1GB"]
    assert seconds.quantity == pytest.approx(bill.request_s, rel=0.05)
    assert {item.usage_type for item in bill.lines} >= {"Data-Bytes-In", "Data-Bytes-Out"}
    # sizes and versions are the log's
    assert logged is not None
    assert (logged.windows, logged.calls.callers.requests) == (1, 3)
    by_topic = {item.topic: item for item in found.advice}
    assert "3 requests in 1 window," in by_topic["LOG"].detail
    assert not by_topic["BILL"].act, by_topic["BILL"].detail

    # a price that is twice the ledger's: the prediction is off, and the review says by what
    dear = seen(serverless_usd_per_gb_second=0.00004)
    (told,) = [item for item in dear.to_do if item.topic == "BILL"]
    assert "set prices.serverless_usd_per_gb_second" in told.detail

    # where nothing carries the tag there is nothing to compare
    arn = aws.settled("billed")["EndpointArn"]
    aws.sagemaker.delete_tags(ResourceArn=arn, TagKeys=[ENDPOINT_TAG])
    bill = seen().usage.bill
    assert bill is not None
    assert "activate it as a cost allocation tag" in (bill.unknown or "")


def calls() -> Calls:
    """An hour as a window of it was collected."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    asked, answered = (Spread(cells={24: 3.0}, total=3.0 * n, largest=n) for n in (9, 5))
    return Calls(
        endpoint_name="billed",
        started_at=now - timedelta(hours=1),
        ended_at=now,
        completeness_ratio=1.0,
        callers=CallGroup(requests=3, request_bytes=asked, response_bytes=answered),
        synthetic=CallGroup(),
        versions={"v": 3},
        hours={int(now.timestamp()) // 3600 - 1: 3},
    )


def test_an_endpoint_that_is_not_there_is_one_line_and_exit_2(aws: Aws, tmp_path: Path) -> None:
    ended = review(aws, "nobody", tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.startswith("seatrial: no such endpoint")


@pytest.fixture
def docked(aws: Aws) -> Dock:
    """An endpoint that DeployEndpoint's own code has made, with more memory than it needs."""
    dock = Dock.of(aws.cloud, "changeable")
    target = dock.target(dock.package(), concurrency=2)
    roomy = target.serverless.model_copy(update={"memory_size_mb": 3072})
    environment = tier_environment(3072, {"A": "1"})
    dock.deploy(replace(target, serverless=roomy, environment=environment))
    key = target.model_data_url.removeprefix(f"s3://{BUCKET}/")
    aws.cloud.client("s3").put_object(Bucket=BUCKET, Key=key, Body=archive_of(model_files()))
    return dock


def test_a_change_is_planned_and_carried_out_by_deploy(
    aws: Aws, docked: Dock, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {"endpoint": {"name": docked.name}}
    with osv_server() as osv:
        osv.add("GHSA-1", "numpy", "2.4.6", fixed="2.4.7")
        settings["review"] = {"advisories_url": osv.url, "packages": {"numpy": "2.4.6"}}

        def seen() -> Review:
            ended = review(aws, docked.name, tmp_path, **settings)
            assert ended.returncode == 1, ended.stderr
            return Review.model_validate_json(ended.stdout)

        found = wait_for(seen, lambda answer: answer.usage.memory_max_percent is not None)
    assert found.change == {"endpoint.memory_size_mb": 1024}
    (packages,) = [item for item in found.to_do if item.topic == "ADVISORIES"]
    assert "numpy 2.4.6: GHSA-1 (severity unknown, fixed in 2.4.7)" in packages.detail

    file = str(tmp_path / "out" / "review.json")
    before = docked.state()
    planned = seatrial(aws, tmp_path, "--json", "deploy", "--review", file, "--dry-run", **settings)
    assert planned.returncode == 0, planned.stderr
    actions = json.loads(planned.stdout)
    wanted = ["create_model", "create_endpoint_config", "update_endpoint"]
    assert [item["method"] for item in actions] == wanted
    environment = actions[0]["parameters"]["PrimaryContainer"]["Environment"]
    assert (environment["SEATRIAL_THREADS"], environment["A"]) == ("1", "1")  # two at 3072 MB
    assert docked.state() == before

    uri = f"s3://{BUCKET}/reviewed/review.json"
    S3(docked.clients["s3"]).upload(Path(file), uri)
    done = seatrial(aws, tmp_path, "deploy", "--review", uri, **settings)
    assert done.returncode == 0, done.stderr
    assert "memory_size_mb: 1024  # now 3072" in done.stdout
    assert read_deployed(docked.name, docked.clients["sagemaker"]).memory_size_mb == 1024
    newest = docked.history().verified[0]
    assert newest.serving.endpoint_config_name in done.stdout
    assert docked.roll_back().to.serving == docked.history().verified[0].serving

    # rolled back it is as it was reviewed; changed, the review is of something else
    other = {**settings, "endpoint": {"name": "another"}}
    refused = seatrial(aws, tmp_path, "deploy", "--review", file, "--dry-run", **other)
    assert refused.returncode == 2
    assert "another endpoint than the configuration's" in refused.stderr
    docked.deploy(docked.target(docked.package(), concurrency=2))
    stale = seatrial(aws, tmp_path, "deploy", "--review", file, "--dry-run", **settings)
    assert stale.returncode == 2
    assert "got '1024 MB, 2 at once" in stale.stderr
    assert "allowed 3072 MB, 2 at once" in stale.stderr


def test_a_review_without_a_change_deploys_nothing(aws: Aws, docked: Dock, tmp_path: Path) -> None:
    assert review(aws, docked.name, tmp_path).returncode == 1
    file = tmp_path / "out" / "review.json"
    unchanged = Review.model_validate_json(file.read_bytes()).model_copy(update={"advice": ()})
    file.write_text(unchanged.model_dump_json(), encoding="utf-8")
    words = ("deploy", "--review", str(file), "--dry-run")
    ended = seatrial(aws, tmp_path, *words, endpoint={"name": docked.name})
    assert ended.returncode == 2
    assert "asks for no change" in ended.stderr


def test_deploy_says_what_it_needs(aws: Aws, tmp_path: Path) -> None:
    ended = seatrial(aws, tmp_path, "deploy", "--dry-run")
    assert ended.returncode == 2
    assert "--candidates is missing" in ended.stderr
    assert "or --review" in ended.stderr
