"""Starts a server, weighs it, and ends it with everything that it started.

A server's processes are found by a mark in their environment: BentoML's and MLServer's leave their
session, and multi-model-server's leaves its parent.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_MARK = "SEATRIAL_BENCHMARK"
_RUN = str(uuid.uuid4())
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_END_S = 10.0
# What a server inherits of the environment: where to find programs, and the machine's workarounds.
_INHERITED = ("PATH", "LANG", "JAVA_HOME", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


class Memory(NamedTuple):
    """Of all processes together; `rss_mb` counts a page once for each process that has it."""

    rss_mb: float
    pss_mb: float


class Running:
    """A started server; `piped` if its standard output goes through a pipe that `cat` empties."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], folder: Path, *, piped: bool
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._mark = f"{_RUN}/{folder}"
        inherited = {key: os.environ[key] for key in _INHERITED if key in os.environ}
        private = dict.fromkeys(("HOME", "TMPDIR", "TEMP"), str(folder))
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                env={**inherited, **private, **environment, _MARK: self._mark},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if piped else log,
                stderr=log,
                start_new_session=True,
            )
        if self._process.stdout is not None:
            # It ends by itself once nobody can write to the pipe any more.
            subprocess.Popen(["cat"], stdin=self._process.stdout, stdout=subprocess.DEVNULL)
            self._process.stdout.close()

    @property
    def ended(self) -> bool:
        """True if the process that was started is no more."""
        return self._process.poll() is not None

    @property
    def said(self) -> str:
        """The end of what it wrote."""
        return self._log.read_text(errors="replace")[-2000:]

    def cpu_s(self) -> float:
        """CPU seconds of its processes so far; those that have ended count in ticks of 10 ms."""
        return sum(map(_cpu_s, _marked(self._mark)))

    def memory(self) -> Memory:
        """What its processes hold now."""
        sizes = [_memory(pid) for pid in _marked(self._mark)]
        return Memory(sum(size.rss_mb for size in sizes), sum(size.pss_mb for size in sizes))

    def end(self) -> None:
        """Kill its processes until there is none."""
        _end(self._mark)
        self._process.wait()


def end_all() -> None:
    """Kill whatever this program has started and not ended."""
    _end(_RUN)


def _end(mark: str) -> None:
    give_up_at = time.monotonic() + _END_S
    while (pids := _marked(mark)) and time.monotonic() < give_up_at:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def _marked(mark: str) -> list[int]:
    """Processes whose mark begins so; one that has ended has no environment."""
    wanted, found = f"{_MARK}={mark}".encode(), []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                variables = (entry / "environ").read_bytes().split(b"\0")
                if any(variable.startswith(wanted) for variable in variables):
                    found.append(int(entry.name))
    return found


def _cpu_s(pid: int) -> float:
    with contextlib.suppress(OSError):
        # clock_getcpuclockid(3), which Python does not have: nanoseconds, where /proc has ticks
        own = time.clock_gettime((~pid << 3) | 2)
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return own + sum(map(int, after_name[13:15])) / _TICKS_PER_S
    return 0.0


def _memory(pid: int) -> Memory:
    with contextlib.suppress(OSError):
        return parse_rollup(Path(f"/proc/{pid}/smaps_rollup").read_text())
    return Memory(0.0, 0.0)


def parse_rollup(text: str) -> Memory:
    """Of one process, out of its smaps_rollup."""
    lines = (line.split() for line in text.splitlines()[1:])
    mb = {words[0].rstrip(":"): int(words[1]) * 1024 / 1e6 for words in lines}
    return Memory(mb["Rss"], mb["Pss"])
