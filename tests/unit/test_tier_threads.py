"""How many threads compute at a tier, and where the container is told so."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from seatrial.config import load_config
from seatrial.contracts import ServerlessConfiguration
from seatrial.deployment.inputs import Origin, make_target
from seatrial.deployment.target import Target
from seatrial.limits import THREADS_VARIABLE, load_limits, tier_environment
from seatrial.trial.temporary import Temporary

TIERS = load_limits().memory_tiers_mb.value


def told(memory_size_mb: int, **given: str) -> str:
    return tier_environment(memory_size_mb, given)[THREADS_VARIABLE]


def test_it_is_the_tier_s_vcpus_rounded_and_no_less_than_one() -> None:
    assert [told(size) for size in TIERS] == ["1", "1", "2", "2", "3", "3"]
    assert [told(size) for size in (1, 2653, 2654)] == ["1", "1", "2"]


def test_the_user_s_own_number_and_variables_are_kept() -> None:
    assert told(6144, SEATRIAL_THREADS="1") == "1"
    assert tier_environment(6144, {"A": "1"}) == {THREADS_VARIABLE: "3", "A": "1"}


def target(folder: Path, memory_size_mb: int, **given: str) -> Target:
    (folder / "baseline.json").write_text("{}", encoding="utf-8")
    return make_target(
        load_config(None, endpoint={"environment": given}),
        ServerlessConfiguration(
            memory_size_mb=memory_size_mb, max_concurrency=1, provisioned_concurrency=None
        ),
        image="image",
        archive_sha256="1" * 64,
        baseline=folder,
        origin=Origin("arn", None, None),
    )


def test_a_deployment_tells_the_container_so(tmp_path: Path) -> None:
    small, large = target(tmp_path, 1024), target(tmp_path, 4096)
    assert small.environment == {THREADS_VARIABLE: "1"}
    assert large.environment == {THREADS_VARIABLE: "2"}
    assert small.model_name != large.model_name  # a model's environment cannot be changed
    assert target(tmp_path, 2048).model_name == small.model_name
    assert target(tmp_path, 4096, SEATRIAL_THREADS="1").environment == small.environment


@pytest.mark.parametrize(("memory_size_mb", "threads"), [(2048, "1"), (3072, "2")])
def test_a_trial_s_endpoint_too(memory_size_mb: int, threads: str) -> None:
    endpoint = Temporary(
        name="trial",
        variant_name="AllTraffic",
        image="image",
        role="role",
        model_data_url="s3://bucket/model.tar.gz",
        memory_size_mb=memory_size_mb,
        max_concurrency=1,
        environment={"A": "1"},
    )
    made = endpoint.plan(datetime(2026, 11, 28, tzinfo=UTC))[0].parameters
    environment = made["PrimaryContainer"]["Environment"]
    assert (environment[THREADS_VARIABLE], environment["A"]) == (threads, "1")
