"""A virtual environment for each peer, kept between runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

_TIMEOUT_S = 900
# Beside each what its metadata leaves out, or allows although it does not work.
REQUIREMENTS = {
    "evidently": ["evidently==0.7.23", "pandas<3"],
    "nannyml": ["nannyml==0.13.1", "statsmodels"],
    "whylogs": ["whylogs[viz]==1.6.4", "pandas<3", "pyarrow", "setuptools<81"],
    "alibi-detect": ["alibi-detect==0.13.0", "pyarrow<20"],  # later ones need another numpy
}


class CannotInstallError(Exception):
    """A peer's environment cannot be made here."""


def make_environment(peer: str, folder: Path) -> Path:
    """The interpreter of the peer's environment, made if it is not there."""
    place = folder / peer
    python, done = place / "bin" / "python", place / "installed.txt"
    wanted = "\n".join([sys.version, *REQUIREMENTS[peer]])
    if not done.exists() or done.read_text() != wanted:
        shutil.rmtree(place, ignore_errors=True)
        _run([sys.executable, "-m", "venv", "--without-pip", str(place)])
        _install(python, REQUIREMENTS[peer])
        done.write_text(wanted)
    return python


def _install(python: Path, wanted: list[str]) -> None:
    beside = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    uv = shutil.which("uv", path=beside)
    if uv:
        start = [uv, "pip", "install", "--quiet", "--python", str(python)]
    else:
        start = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    _run([*start, *wanted])


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotInstallError(str(error)) from error
    if done.returncode:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-5:])
        raise CannotInstallError(f"{' '.join(command[:5])} … exited {done.returncode}: {said}")
