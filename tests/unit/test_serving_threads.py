"""How many threads the server computes with, under either kind of cgroup."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from seatrial.serving.threads import cpu_share, thread_count

CPUS = len(os.sched_getaffinity(0))


def v2(folder: Path, text: str) -> Path:
    (folder / "cpu.max").write_text(text)
    return folder


def v1(folder: Path, quota: str) -> Path:
    (folder / "cpu").mkdir()
    (folder / "cpu" / "cpu.cfs_quota_us").write_text(quota)
    (folder / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    return folder


def test_the_share_is_quota_over_period_in_both_versions(tmp_path: Path) -> None:
    assert cpu_share(v2(tmp_path, "58000 100000\n")) == 0.58
    (tmp_path / "cpu.max").unlink()
    assert cpu_share(v1(tmp_path, "150000\n")) == 1.5


@pytest.mark.parametrize("text", ["max 100000\n", "", "100000\n", "5 0\n"])
def test_a_cgroup_that_grants_everything_or_is_odd_sets_no_share(tmp_path: Path, text: str) -> None:
    assert cpu_share(v2(tmp_path, text)) is None


def test_version_1_says_no_limit_with_minus_one(tmp_path: Path) -> None:
    assert cpu_share(v1(tmp_path, "-1\n")) is None


def test_without_a_cgroup_every_cpu_counts(tmp_path: Path) -> None:
    assert thread_count(cgroup=tmp_path) == CPUS


@pytest.mark.parametrize(
    ("quota", "threads"),
    [(1000, 1), (100_000, 1), (149_999, 1), (150_000, min(2, CPUS)), (9_900_000, CPUS)],
)
def test_a_share_below_the_cpus_bounds_the_threads(
    tmp_path: Path, quota: int, threads: int
) -> None:
    assert thread_count(cgroup=v2(tmp_path, f"{quota} 100000\n")) == threads


def test_it_is_no_more_than_what_is_told(tmp_path: Path) -> None:
    assert thread_count(1, cgroup=tmp_path) == 1
    assert thread_count(CPUS, cgroup=tmp_path) == CPUS
    assert thread_count(CPUS + 1, cgroup=tmp_path) == CPUS
    assert thread_count(CPUS, cgroup=v2(tmp_path, "58000 100000\n")) == 1
