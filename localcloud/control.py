"""Start a localcloud in the background, and stop it."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from seatrial.errors import CloudError, InputError
from seatrial.localcloud.api import OWNER_VARIABLE
from seatrial.localcloud.sweep import owner_mark, sweep, take_lock
from seatrial.localcloud.whereabouts import CloudInfo, answers, read_info, status

_START_S = 60.0
_STOP_S = 15.0
_LOOK_EVERY_S = 0.02

# Daemons that this process started: kept, so that they are waited for when they have ended.
_started: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class CloudSettings:
    """What may be asked of a cloud; None is the daemon's own default."""

    quota: str = ""
    idle_s: float | None = None
    delivery_s: float | None = None
    cpu_share: bool = False  # True: a sandbox gets its tier's share of a CPU and no more

    def arguments(self) -> list[str]:
        """As the daemon's command line has them."""
        given = {
            "--quota": self.quota,
            "--idle-s": self.idle_s,
            "--delivery-s": self.delivery_s,
            "--cpu-share": "on" if self.cpu_share else None,
        }
        return [f"{name}={value}" for name, value in given.items() if value not in (None, "")]


def up(
    state_dir: Path,
    *,
    images_file: Path,
    region: str,
    port: int = 0,
    settings: CloudSettings | None = None,
) -> CloudInfo:
    """Start a cloud and wait until it answers; `port` 0 takes a free one.

    InputError if the port is in use, the image map is wrong, or a cloud is up in that folder.
    """
    _refuse_second(state_dir)
    state_dir.mkdir(parents=True, exist_ok=True)
    log_path = state_dir / "cloud.log"
    command = [
        *(sys.executable, "-m", "seatrial.localcloud", f"--port={port}", f"--region={region}"),
        *(f"--state-dir={state_dir.resolve()}", f"--images={images_file.resolve()}"),
        *(settings or CloudSettings()).arguments(),
    ]
    with log_path.open("ab") as log:
        log_start = log.tell()
        daemon = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=os.environ | {OWNER_VARIABLE: owner_mark(state_dir)},
            start_new_session=True,
        )
    try:
        return _wait_until_up(state_dir, daemon)
    except CloudError as error:
        said = log_path.read_bytes()[log_start:].decode(errors="replace").strip().splitlines()
        raise InputError(
            "localcloud did not start",
            got=said[-1].removeprefix("seatrial: ") if said else str(error),
            allowed="a free port, a state folder of its own, a correct image map",
            do=f"Correct that; the whole log is {log_path}",
        ) from error


def down(state_dir: Path) -> bool:
    """Stop the cloud of that folder and all it started; False if none was up.

    Also clears up after one that was killed.
    """
    info = read_info(state_dir)
    if info is None or _is_free(state_dir):
        if state_dir.is_dir():
            sweep(state_dir)
        return False
    for number in (signal.SIGTERM, signal.SIGKILL):
        _signal(info.pid, number)
        if _wait(lambda: _is_free(state_dir), _STOP_S):
            break
    sweep(state_dir)
    if info.pid in _started:
        _started.pop(info.pid).wait()
    return True


def _refuse_second(state_dir: Path) -> None:
    there = status(state_dir)
    if there is None:
        return
    option = shlex.join(["--state-dir", str(state_dir)])
    raise InputError(
        "a localcloud is up there already",
        got=f"{there.endpoint_url} in {state_dir}",
        allowed="a state folder of its own for each",
        do=f'eval "$(seatrial cloud env {option})" leads a shell to it; '
        f"seatrial cloud down {option} ends it",
    )


def _wait_until_up(state_dir: Path, daemon: subprocess.Popen[bytes]) -> CloudInfo:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        info = read_info(state_dir)
        if info is not None and info.pid == daemon.pid and answers(info):
            _started[daemon.pid] = daemon
            return info
        if daemon.poll() is not None:
            break
        time.sleep(_LOOK_EVERY_S)
    daemon.kill()
    raise CloudError(
        "localcloud did not answer",
        got=f"exit code {daemon.wait()}",
        allowed=f"an answer within {_START_S:g} s",
        do="See its log",
    )


def _is_free(state_dir: Path) -> bool:
    lock = take_lock(state_dir)
    if lock is None:
        return False
    os.close(lock)
    return True


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):  # gone, but its warden is still busy
        os.kill(pid, number)


def _wait(condition: Callable[[], bool], timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(_LOOK_EVERY_S)
    return False
