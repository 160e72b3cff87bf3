"""Nothing of a cloud survives it: find its processes by a mark in their environment, and kill them.

The daemon carries `OWNER_VARIABLE`, and so does every process that it starts in an image, and
whatever those start. That finds them even if they left their process group. Linux only: elsewhere
there is no /proc and nothing is found.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from seatrial.localcloud.api import OWNER_VARIABLE
from seatrial.localcloud.cgroup_search import cgroup_record, remove_recorded

# Reads until the daemon's end of the pipe is closed, which kill -9 does too.
_WATCH = """
import signal, sys
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
sys.stdin.buffer.read()
from pathlib import Path
from seatrial.localcloud.sweep import sweep
sweep(Path(sys.argv[1]))
"""


def work_dir(state_dir: Path) -> Path:
    """The folder for what lives only as long as the cloud of that state folder."""
    return state_dir / "work"


def info_file(state_dir: Path) -> Path:
    """The file that says where the cloud of that state folder is, while it serves."""
    return state_dir / "cloud.json"


def take_lock(state_dir: Path) -> int | None:
    """A descriptor that holds the state folder's lock; None if a cloud, or its warden, has it."""
    descriptor = os.open(state_dir, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def owner_mark(state_dir: Path) -> str:
    """The value of `OWNER_VARIABLE` for the cloud of that state folder."""
    return str(state_dir.resolve())


def sweep(state_dir: Path, *, timeout_s: float = 5.0) -> int:
    """Kill what a cloud that is gone left behind, remove its files; how many processes there were.

    Looks again until it finds none: a process may have been starting another one.
    """
    killed: set[int] = set()
    deadline = time.monotonic() + timeout_s
    while (found := _owned(owner_mark(state_dir))) and time.monotonic() < deadline:
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        killed.update(found)
        time.sleep(0.02)
    remove_recorded(cgroup_record(work_dir(state_dir)))
    shutil.rmtree(work_dir(state_dir), ignore_errors=True)
    info_file(state_dir).unlink(missing_ok=True)
    return len(killed)


def start_warden(state_dir: Path, lock: int) -> subprocess.Popen[bytes]:
    """A process that sweeps as soon as this one is gone, however it went.

    It does not bear the mark itself. It shares the descriptor `lock`, so the state folder stays
    locked until it has finished. A daemon that has cleaned up by itself kills it.
    """
    environment = {name: text for name, text in os.environ.items() if name != OWNER_VARIABLE}
    return subprocess.Popen(
        [sys.executable, "-c", _WATCH, str(state_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
        pass_fds=[lock],
    )


def _owned(mark: str) -> list[int]:
    wanted = f"{OWNER_VARIABLE}={mark}".encode()
    return [
        int(folder.name)
        for folder in Path("/proc").glob("[0-9]*")
        if int(folder.name) != os.getpid() and wanted in _environment(folder).split(b"\0")
    ]


def _environment(folder: Path) -> bytes:
    try:
        return (folder / "environ").read_bytes()  # empty for a zombie
    except OSError:  # gone, or another user's
        return b""
