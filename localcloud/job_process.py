"""A job's process: in a group of its own, with a time limit, and nothing of it left at the end."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

# Between SIGTERM and SIGKILL; AWS gives a container 120 s.
STOP_GRACE_S = 5.0

# The kernel kills the process with the thread that started it (util-linux; macOS has none).
_SETPRIV = shutil.which("setpriv")


class JobProcess:
    """A running program; `stdout` and `stderr` are for the caller to read to their end."""

    def __init__(
        self, command: Sequence[str], *, environment: Mapping[str, str], folder: Path
    ) -> None:
        guard = [_SETPRIV, "--pdeathsig", "KILL", "--"] if _SETPRIV else []
        self._mark = f"TMPDIR={environment['TMPDIR']}".encode()
        self._timers: list[threading.Timer] = []
        self._process = subprocess.Popen(
            [*guard, *command],
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.timed_out = False

    @property
    def streams(self) -> tuple[IO[bytes], IO[bytes]]:
        """What it writes to stdout and to stderr."""
        assert self._process.stdout is not None  # noqa: S101 - they are pipes
        assert self._process.stderr is not None  # noqa: S101
        return self._process.stdout, self._process.stderr

    def wait(self, limit_s: float) -> int:
        """The exit code, once it has ended by itself or was killed after `limit_s`."""
        self._later(limit_s, self._give_up)
        code = self._process.wait()
        for timer in self._timers:
            timer.cancel()
        self._signal(signal.SIGKILL)  # what it has left in its group
        self._kill_strays()
        return code

    def stop(self) -> None:
        """Ask it to end, and kill it if it does not."""
        self._later(STOP_GRACE_S, self.kill)
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it and its group at once."""
        self._signal(signal.SIGKILL)

    def _give_up(self) -> None:
        self.timed_out = True
        self.kill()

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        timer = threading.Timer(seconds, action)
        timer.daemon = True
        self._timers.append(timer)
        timer.start()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _kill_strays(self) -> None:
        """Kill what left the group; it still carries this job's TMPDIR. Linux only."""
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if self._mark in (folder / "environ").read_bytes().split(b"\0"):
                    os.kill(int(folder.name), signal.SIGKILL)
