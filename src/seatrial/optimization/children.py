"""Run a module in a child process that can neither harm nor outlive this one.

    finished = run_child("seatrial.optimization.origin_child", ["request.json"],
                         limits=ChildLimits(memory_mb=4096, seconds=600), scratch=folder)
    finished.killed       # None, "memory", "time" or "signal 11"

The child has no network, cannot start processes, writes inside `scratch` only (its working folder,
home and temporary folder; where the kernel has Landlock), sees none of this process's environment
(credentials among it), and ends with this process, however that ends. seatrial's `confinement` does
that inside the child; here are the clock and the memory.

Memory is watched from here as the child's peak resident set, every 50 ms: a limit on the address
space would count what onnxruntime, OpenBLAS and torch reserve and never touch. A burst can get past
the limit by what is touched in that time (numpy: 20 to 160 MB a thread where it was measured); a
single request for far more than the limit fails inside the child at once (RLIMIT_DATA).
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from seatrial.errors import InputError
from seatrial.optimization.confinement import OUT_OF_MEMORY, Limits

POLL_S = 0.05
TAIL_BYTES = 16_384
TAIL_LINES = 20
CONFINEMENT = "seatrial.optimization.confinement"


@dataclass(frozen=True)
class ChildLimits:
    """What a child may use: peak resident memory, wall time, and the size of each file it writes.

    The CPU time is limited to the wall time of every CPU together.
    """

    memory_mb: int
    seconds: float
    file_mb: int = 8192


@dataclass(frozen=True)
class Finished:
    """How a child ended: `exit_code` is None if it was `killed`, and `killed` says by what.

    "memory" and "time" are the limits; "signal N" is a crash, or someone else's doing.
    """

    exit_code: int | None
    killed: str | None
    last_lines: tuple[str, ...]
    seconds: float

    @property
    def ok(self) -> bool:
        """True if it did what it was started for."""
        return self.exit_code == 0

    @property
    def reason(self) -> str:
        """Why it failed, for a person: what killed it, or the last thing that it said."""
        if self.killed in ("memory", "time"):
            return f"it used more {self.killed} than it may"
        if self.killed is not None:
            return f"it crashed ({self.killed})"
        return self.last_lines[-1] if self.last_lines else f"it ended with code {self.exit_code}"


def run_child(
    module: str,
    arguments: Sequence[str],
    *,
    limits: ChildLimits,
    scratch: Path,
    python: Path | None = None,
) -> Finished:
    """Run `python -m module arguments…` in `scratch`; it and all of it is gone when this returns.

    What it prints to stdout is dropped. Relative paths in `arguments` are relative to `scratch`.
    """
    started = time.monotonic()
    with _started(module, arguments, limits, scratch, python) as process:
        watch = _Watch(process, started + limits.seconds, limits.memory_mb)
        killed = watch.until_it_ends()
    code = process.returncode
    if killed is None and code in (OUT_OF_MEMORY, -signal.SIGXCPU):
        killed = "memory" if code == OUT_OF_MEMORY else "time"
    if killed is None and code < 0:
        killed = f"signal {-code}"
    return Finished(
        exit_code=None if killed else code,
        killed=killed,
        last_lines=watch.last_lines(),
        seconds=time.monotonic() - started,
    )


@contextlib.contextmanager
def _started(
    module: str,
    arguments: Sequence[str],
    limits: ChildLimits,
    scratch: Path,
    python: Path | None,
) -> Iterator[subprocess.Popen[bytes]]:
    """The child, in a session of its own; killed with its whole group at the end."""
    own = Limits(
        parent=os.getpid(),
        data_mb=limits.memory_mb,
        cpu_s=math.ceil(limits.seconds * (os.cpu_count() or 1)) + 1,
        file_mb=limits.file_mb,
    )
    scratch.mkdir(parents=True, exist_ok=True)
    command = [str(python or sys.executable), "-P", "-s", "-m", CONFINEMENT, own.to_json(), module]
    try:
        process = subprocess.Popen(
            [*command, *arguments],
            cwd=scratch,
            env=_environment(scratch.resolve()),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise InputError(
            "cannot start a child process",
            got=str(error),
            allowed="a Python interpreter that can be run",
            do="Check the interpreter and the folder for temporary files",
        ) from error
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


def _environment(scratch: Path) -> dict[str, str]:
    """All that the child sees. Without hash randomisation, the same model converts the same way."""
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "PYTHONHASHSEED": "0",
        # Threads of OpenMP that spin at a barrier take ten times the CPU where CPUs are shared.
        "OMP_WAIT_POLICY": "passive",
        "PYTHONDONTWRITEBYTECODE": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
    }


class _Watch:
    """Reads what the child says, and kills it when it uses too much."""

    def __init__(self, process: subprocess.Popen[bytes], deadline: float, memory_mb: int) -> None:
        self._process, self._deadline, self._memory_mb = process, deadline, memory_mb
        self._said = b""

    def until_it_ends(self) -> str | None:
        """Wait for its end; "memory" or "time" if that had to be brought about."""
        while self._process.poll() is None:
            if time.monotonic() > self._deadline:
                return "time"
            if _peak_memory_mb(self._process.pid) > self._memory_mb:
                return "memory"
            self._listen(POLL_S)
        self._listen(0)
        return None

    def last_lines(self) -> tuple[str, ...]:
        """The end of what it said."""
        lines = self._said.decode("utf-8", errors="replace").splitlines()
        return tuple(line for line in lines if line.strip())[-TAIL_LINES:]

    def _listen(self, seconds: float) -> None:
        """Read for at most so long; a child that says nothing more is waited for instead."""
        pipe = self._process.stderr
        until = time.monotonic() + seconds
        while (
            pipe is not None and select.select([pipe], [], [], max(0, until - time.monotonic()))[0]
        ):
            piece = os.read(pipe.fileno(), 65_536)
            if not piece:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(max(0, until - time.monotonic()))
                return
            self._said = (self._said + piece)[-TAIL_BYTES:]
            if time.monotonic() >= until and seconds:
                return


def _peak_memory_mb(pid: int) -> float:
    """The peak resident set since its start; 0 where there is no /proc, or no process any more."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0
