"""A user's mistake on a running cloud: one clear line, exit 2, and nothing half-created."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from in_process import call_seatrial

pytestmark = pytest.mark.flow

BUCKET = "seatrial-123456789012-us-east-1"


def run(cloud: Any, *words: str) -> subprocess.CompletedProcess[str]:
    return call_seatrial(*words, environment=cloud.environment)


def assert_refused(ended: subprocess.CompletedProcess[str], *said: str) -> None:
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    for words in said:
        assert words in ended.stderr + ended.stdout


@pytest.fixture(scope="module")
def upserted(cloud: Any) -> Any:
    """Pipelines whose toolbox image nobody knows."""
    cloud.client("s3").create_bucket(Bucket=BUCKET)
    return cloud


def test_a_port_in_use(cloud: Any, tmp_path: Path) -> None:
    port = cloud.endpoint_url.rsplit(":", 1)[-1]
    ended = run(cloud, "cloud", "up", "--port", port, "--state-dir", str(tmp_path))
    assert_refused(ended, port)
    assert not (tmp_path / "cloud.json").exists()


def test_pipelines_without_their_bucket(cloud: Any, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("project: bucketless\n", encoding="utf-8")
    ended = run(cloud, "--config", str(config), "pipeline", "upsert")
    assert_refused(ended, "NoSuchBucket", "seatrial infra deploy")


def test_a_package_that_is_not_there(upserted: Any) -> None:
    arn = "arn:aws:sagemaker:us-east-1:123456789012:model-package/flights/77"
    ended = run(upserted, "pipeline", "start", "readiness", "-p", f"ModelPackageArn={arn}")
    assert_refused(ended, "model-package/flights/77", "Check the ARN")


def test_a_pipeline_that_is_not_there(upserted: Any) -> None:
    ended = run(upserted, "pipeline", "status", "no-such-pipeline")
    assert_refused(ended, "no-such-pipeline", "seatrial pipeline upsert")


def test_an_endpoint_that_is_not_there(upserted: Any, tmp_path: Path) -> None:
    body = tmp_path / "body.csv"
    body.write_text("1\n", encoding="utf-8")
    assert_refused(run(upserted, "invoke", "nobody", str(body)), "no such endpoint", "nobody")


def test_an_image_that_the_map_does_not_know(upserted: Any, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        f"project: unknown-image\nbucket: {BUCKET}\nimages: {{toolbox: nobody/knows:it}}\n",
        encoding="utf-8",
    )
    ended = run(upserted, "--config", str(config), "pipeline", "upsert")
    assert ended.returncode == 0, ended.stderr
    words = ["-p", "WindowStart=2013-01-01", "-p", "WindowEnd=2013-01-08", "--wait"]
    ended = run(upserted, "--config", str(config), "pipeline", "start", "monitoring", *words)
    assert_refused(ended, "image map does not know 'nobody/knows:it'")
