"""The daemon: one loopback port, one lock on its state folder, and nothing left when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from seatrial.errors import InputError
from seatrial.localcloud.api import OWNER_VARIABLE, Place
from seatrial.localcloud.cloud import Cloud, CloudOptions
from seatrial.localcloud.images import ImageMap
from seatrial.localcloud.sweep import (
    info_file,
    owner_mark,
    start_warden,
    sweep,
    take_lock,
    work_dir,
)

# Handlers and moto run in these; an execution that is being started may hold one for a while.
_WORKER_THREADS = 32
# boto3 keeps its connections; one that is closed under it costs the caller an error.
_KEEP_ALIVE_S = 120
_FINISH_REQUESTS_S = 2


@dataclass(frozen=True)
class ServerOptions:
    """Where to serve, and from which folder."""

    port: int
    state_dir: Path
    region: str


def serve(options: ServerOptions, images: ImageMap, cloud_options: CloudOptions) -> None:
    """Serve until SIGTERM or SIGINT. InputError if the folder or the port is taken."""
    state_dir = options.state_dir
    state_dir.mkdir(parents=True, exist_ok=True)
    with _locked(state_dir) as lock, _listening(options.port) as listener:
        sweep(state_dir)  # after a kill -9 of this daemon and of its warden
        work_dir(state_dir).mkdir()
        os.environ[OWNER_VARIABLE] = owner_mark(state_dir)
        warden = start_warden(state_dir, lock)
        try:
            asyncio.run(_serve(options, images, cloud_options, listener))
        finally:
            sweep(state_dir)
            warden.kill()
            warden.wait()


async def _serve(
    options: ServerOptions,
    images: ImageMap,
    cloud_options: CloudOptions,
    listener: socket.socket,
) -> None:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(_WORKER_THREADS, "localcloud"))
    place = Place(
        region=options.region,
        endpoint_url=f"http://127.0.0.1:{listener.getsockname()[1]}",
        work_dir=str(work_dir(options.state_dir)),
    )
    cloud = Cloud(place, images, cloud_options)
    server = _Server(
        uvicorn.Config(
            cloud.app,
            http="httptools",
            ws="none",
            lifespan="off",
            access_log=False,
            server_header=False,
            log_config=None,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=_FINISH_REQUESTS_S,
        ),
        announce=lambda: _write_info(options.state_dir, place),
    )
    try:
        await server.serve(sockets=[listener])
    finally:
        await cloud.close()


class _Server(uvicorn.Server):
    """uvicorn, which says when it has begun to serve, and leaves the signals to us.

    Its own handling raises the signal again before `serve` returns, so nothing could be cleaned up.
    """

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._announce()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


def _write_info(state_dir: Path, place: Place) -> None:
    info = {
        "endpoint_url": place.endpoint_url,
        "pid": os.getpid(),
        "region": place.region,
        "state_dir": str(state_dir.resolve()),
    }
    partial = info_file(state_dir).with_suffix(".partial")
    partial.write_text(json.dumps(info) + "\n", encoding="utf-8")
    partial.rename(info_file(state_dir))
    logging.getLogger(__name__).info("localcloud serves %s", place.endpoint_url)


@contextlib.contextmanager
def _locked(state_dir: Path) -> Iterator[int]:
    lock = take_lock(state_dir)
    if lock is None:
        raise InputError(
            "a localcloud is up there already",
            got=str(state_dir),
            allowed="a state folder of its own for each",
            do="seatrial cloud env leads a shell to it; seatrial cloud down ends it",
        )
    try:
        yield lock
    finally:
        os.close(lock)


@contextlib.contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    # asyncio switches Nagle's delay (40 ms an answer) off only where the protocol is named as TCP.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise InputError(
            "the port cannot be used",
            got=port,
            allowed="a free port of ours, or 0 for any",
            do=f"Choose another with --port ({error.strerror})",
        ) from error
    with listener:
        yield listener
