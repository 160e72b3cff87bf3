"""One execution environment of an endpoint: a model server's process, its memory cap, its log.

Lives on the event loop. Memory is watched by looking every `_LOOK_EVERY_S`; what a process took
between two looks shows in its high-water mark.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import shutil
import signal
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from seatrial.localcloud.http1 import Answer, Connection, connect
from seatrial.localcloud.images import Image
from seatrial.localcloud.log_pump import pump
from seatrial.localcloud.memory import lone_peak_memory_mb, process_tree, tree_memory_mb
from seatrial.localcloud.ports import free_port

_LOOK_EVERY_S = 0.05
_PING_EVERY_S = 0.02
# Servers close a connection that has been idle for a while, some after 2 s. One that was used less
# than this ago is used again; so a request is never lost to a connection that was just closed.
_REUSE_WITHIN_S = 1.0
_DRAIN_S = 1.0

WriteLines = Callable[[str, list[str]], None]
Result = TypeVar("Result")


class SandboxError(Exception):
    """The sandbox cannot answer, and is dead or has been killed."""


class OutOfMemory(SandboxError):  # noqa: N818 - says which error
    """It took more memory than its tier."""


class TimedOut(SandboxError):  # noqa: N818 - says which error
    """It took longer than the service allows."""


@dataclass(frozen=True)
class SandboxSpec:
    """What runs in each sandbox of a variant, and in how much memory."""

    image: Image
    environment: dict[str, str]
    folder: Path
    memory_mb: int
    startup_s: float


class Sandbox:
    """A running model server. Make one with `start`, wait for `ready`, and `kill` it at the end."""

    def __init__(self, spec: SandboxSpec, sandbox_id: str, port: int, folder: Path) -> None:
        self.spec, self.id = spec, sandbox_id
        self.last_used = time.monotonic()
        self.peak_memory_mb = 0.0
        self._port, self._folder = port, folder
        self._process: asyncio.subprocess.Process | None = None
        self._connection: Connection | None = None
        self._pumps: list[asyncio.Task[None]] = []

    @classmethod
    async def start(cls, spec: SandboxSpec, write_lines: WriteLines) -> Sandbox:
        """Start the server's process; lines it prints go to `write_lines(sandbox id, lines)`."""
        sandbox_id = uuid.uuid4().hex
        folder = spec.folder / sandbox_id
        folder.mkdir(parents=True)
        sandbox = cls(spec, sandbox_id, free_port(), folder)
        extra = spec.environment | {
            "SAGEMAKER_BIND_TO_PORT": str(sandbox._port),
            "TMPDIR": str(folder),
        }
        sandbox._process = await asyncio.create_subprocess_exec(
            *spec.image.serve,
            env=spec.image.environment(extra),
            cwd=folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        for stream in (sandbox._process.stdout, sandbox._process.stderr):
            assert stream is not None  # noqa: S101 - they are pipes
            lines = pump(stream, functools.partial(write_lines, sandbox_id))
            sandbox._pumps.append(asyncio.create_task(lines))
        return sandbox

    @property
    def pid(self) -> int:
        """The server's process id."""
        assert self._process is not None  # noqa: S101 - start made it
        return self._process.pid

    @property
    def alive(self) -> bool:
        """True while the server's process runs."""
        return self._process is not None and self._process.returncode is None

    async def ready(self) -> None:
        """Wait until /ping answers 200; SandboxError, and the sandbox killed, if it does not."""
        await self._watched(self._until_pinged(), self.spec.startup_s)
        self.last_used = time.monotonic()

    async def invoke(
        self, headers: dict[str, str], body: bytes, *, timeout_s: float, max_body_bytes: int
    ) -> Answer:
        """The server's answer to one request; SandboxError if it died or had to be killed."""

        async def send() -> Answer:
            connection = await self._connected()
            return await connection.request("POST", "/invocations", headers, body, max_body_bytes)

        try:
            return await self._watched(send(), timeout_s)
        finally:
            self.last_used = time.monotonic()

    async def kill(self) -> None:
        """Kill the server and all it started, read its last lines, remove its files."""
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()
        if self._pumps:
            _, late = await asyncio.wait(self._pumps, timeout=_DRAIN_S)
            for late_pump in late:  # something that left the process group still holds the pipe
                late_pump.cancel()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _until_pinged(self) -> None:
        while True:
            if not self.alive:
                raise SandboxError("the server's process ended before /ping answered 200")
            with contextlib.suppress(OSError):
                answer = await (await self._connected()).request("GET", "/ping", {}, b"", 2**20)
                if answer.status == 200:
                    return
            await asyncio.sleep(_PING_EVERY_S)

    async def _connected(self) -> Connection:
        fresh = time.monotonic() - self.last_used < _REUSE_WITHIN_S
        if self._connection is None or not self._connection.usable or not fresh:
            if self._connection is not None:
                self._connection.close()
            self._connection = await connect(self._port)
        return self._connection

    async def _watched(self, work: Awaitable[Result], timeout_s: float) -> Result:
        """The result of `work`; kills the sandbox if it passes the time or the memory it has."""
        task = asyncio.ensure_future(work)
        deadline = time.monotonic() + timeout_s
        try:
            while not task.done():
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimedOut(f"no answer in {timeout_s:g} s")
                await asyncio.wait({task}, timeout=min(left, _LOOK_EVERY_S))
                if not task.done():
                    self._check(await asyncio.to_thread(tree_memory_mb, self.pid))
            result = task.result()
            self._check(lone_peak_memory_mb(process_tree(self.pid)))
            return result
        except OSError as error:  # the connection: the server is dead or not to be trusted
            await self.kill()
            raise SandboxError(self._end_text(error)) from error
        except SandboxError:
            await self.kill()
            raise
        finally:
            task.cancel()

    def _check(self, memory_mb: float) -> None:
        self.peak_memory_mb = max(self.peak_memory_mb, memory_mb)
        if self.peak_memory_mb > self.spec.memory_mb:
            raise OutOfMemory(
                f"it took {self.peak_memory_mb:.0f} MB of the {self.spec.memory_mb} MB it has"
            )

    def _end_text(self, error: OSError) -> str:
        code = self._process.returncode if self._process is not None else None
        return f"the server's process ended with {code} ({error})"
