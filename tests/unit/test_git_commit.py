"""The commit that a registered model names."""

from __future__ import annotations

import subprocess
from pathlib import Path

from seatrial.pipelines.git_commit import git_commit


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    done = subprocess.run(
        ["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_a_checkout_names_its_commit(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    assert git_commit(tmp_path, {}) is None  # nothing is committed yet
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "one")
    assert git_commit(tmp_path, {}) == git(tmp_path, "rev-parse", "HEAD")


def test_what_code_build_builds_comes_first(tmp_path: Path) -> None:
    assert git_commit(tmp_path, {"CODEBUILD_RESOLVED_SOURCE_VERSION": "abc"}) == "abc"


def test_a_folder_outside_of_git_names_none(tmp_path: Path) -> None:
    assert git_commit(tmp_path, {}) is None
