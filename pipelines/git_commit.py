"""The git commit that a registered model comes from, where that is known."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

# CodeBuild's name for the commit that it builds; it may check out without .git.
BUILT_COMMIT = "CODEBUILD_RESOLVED_SOURCE_VERSION"


def git_commit(folder: Path, environment: Mapping[str, str]) -> str | None:
    """The commit that CodeBuild builds, else the one checked out in `folder`; None outside of git.

    Changes that are not committed are not told of.
    """
    if built := environment.get(BUILT_COMMIT):
        return built
    try:
        found = subprocess.run(
            ["git", "rev-parse", "--verify", "HEAD"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:  # no git here
        return None
    return found.stdout.strip() if found.returncode == 0 else None
