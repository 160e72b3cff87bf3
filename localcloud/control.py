"""Start a localcloud in the background, stop it, ask it how it is."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial.errors import CloudError, InputError
from seatrial.localcloud.api import OWNER_VARIABLE
from seatrial.localcloud.credentials import client_environment
from seatrial.localcloud.sweep import info_file, owner_mark, sweep, take_lock

_START_S = 60.0
_STOP_S = 15.0
_LOOK_EVERY_S = 0.02
_STATUS_PATH = "/_seatrial/status"

# Daemons that this process started: kept, so that they are waited for when they have ended.
_started: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class CloudInfo:
    """Where a localcloud is."""

    endpoint_url: str
    pid: int
    region: str
    state_dir: str


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
    info = _read_info(state_dir)
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


def status(state_dir: Path) -> CloudInfo | None:
    """Where the cloud of that folder is; None if none is up."""
    info = _read_info(state_dir)
    return info if info is not None and _answers(info) else None


def status_details(info: CloudInfo) -> dict[str, Any]:
    """Endpoints, sandboxes, quotas, the ledger, and which of AWS's limits are in force and how."""
    try:
        with urllib.request.urlopen(info.endpoint_url + _STATUS_PATH, timeout=10) as answer:  # noqa: S310
            details: dict[str, Any] = json.load(answer)
            return details
    except (OSError, ValueError) as error:
        raise CloudError(
            "localcloud does not answer",
            got=f"{info.endpoint_url}: {error}",
            allowed="a cloud that is up",
            do="seatrial cloud up",
        ) from error


def environment(info: CloudInfo) -> dict[str, str]:
    """The variables with which boto3 and others find that cloud and no other."""
    return client_environment(info.endpoint_url, info.region)


def _wait_until_up(state_dir: Path, daemon: subprocess.Popen[bytes]) -> CloudInfo:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        info = _read_info(state_dir)
        if info is not None and info.pid == daemon.pid and _answers(info):
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


def _read_info(state_dir: Path) -> CloudInfo | None:
    try:
        return CloudInfo(**json.loads(info_file(state_dir).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _answers(info: CloudInfo) -> bool:
    try:
        return bool(status_details(info)["endpoint_url"] == info.endpoint_url)
    except CloudError:
        return False


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
