"""Run a file in a fresh process of another interpreter, whose start-up is part of the measure.

Unlike in `children.run_child` nothing stands between the interpreter and the program: what a cold
start costs is measured here. What is run is an ONNX graph that passed the checks of its origin.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seatrial.contracts import MB

# Stacks of threads and reserved arenas count as data without being used.
RESERVED_MB = 4096


@dataclass(frozen=True)
class FreshLimits:
    """Wall time, and memory as far as the kernel limits a process's data."""

    seconds: float
    memory_mb: int


def run_fresh(
    python: Path, program: Path, arguments: Sequence[str], limits: FreshLimits
) -> str | None:
    """Why the program failed, None if it did not; it and all of it is gone when this returns."""
    process = subprocess.Popen(
        [str(python), "-I", str(program), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={"PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"},
        start_new_session=True,
    )
    said = b""
    try:
        _limit_memory(process.pid, limits.memory_mb + RESERVED_MB)
        _, said = process.communicate(timeout=limits.seconds)
    except subprocess.TimeoutExpired:
        return f"it hung: no end within {limits.seconds:g} s"
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    if process.returncode == 0:
        return None
    if process.returncode < 0:
        return f"it crashed (signal {-process.returncode})"
    lines = [line for line in said.decode("utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else f"it ended with code {process.returncode}"


def _limit_memory(pid: int, data_mb: int) -> None:
    """From outside, so that nothing runs between fork and exec; not every system can."""
    import resource

    if hasattr(resource, "prlimit"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            resource.prlimit(pid, resource.RLIMIT_DATA, (data_mb * MB, data_mb * MB))
