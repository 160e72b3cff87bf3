"""Runs the buildspec's own commands, as CodeBuild does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]


def read_buildspec(folder: Path = ROOT) -> Any:
    """The buildspec of the project in that folder."""
    return yaml.safe_load((folder / "buildspec.yml").read_text(encoding="utf-8"))


def code_build(folder: Path, commands: list[str], environment: dict[str, str]) -> Any:
    """Run them in one shell, until one of them fails."""
    script = "\n".join(f"{{ {command.strip()}\n}} || exit" for command in commands)
    return subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def put_seatrial(folder: Path) -> None:
    """`.venv/bin/seatrial` of that folder: the one that is installed here."""
    path = folder / ".venv" / "bin" / "seatrial"
    path.parent.mkdir(parents=True)
    program = "from seatrial.cli import main; main()"
    path.write_text(f'#!/bin/bash\nexec {sys.executable} -c "{program}" "$@"\n', encoding="utf-8")
    path.chmod(0o755)
