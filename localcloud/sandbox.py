"""One execution environment of an endpoint: a model server's process, its memory cap, its log.

Lives on the event loop. Where the kernel caps its memory (cgroups.py), its counters say whether it
had to kill. Elsewhere memory is watched by looking every `_LOOK_EVERY_S`; what a process took
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
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from seatrial.localcloud.cgroups import Cgroups
from seatrial.localcloud.http1 import Answer, Connection, connect
from seatrial.localcloud.images import Image
from seatrial.localcloud.log_pump import pump
from seatrial.localcloud.memory_guard import guard_memory
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
    cgroups: Cgroups = field(default_factory=Cgroups)
    vcpus: float | None = None  # no cap on CPU with None


class Sandbox:
    """A running model server. Make one with `start`, wait for `ready`, and `kill` it at the end."""

    def __init__(self, spec: SandboxSpec, sandbox_id: str, port: int, folder: Path) -> None:
        self.spec, self.id = spec, sandbox_id
        self._cage = spec.cgroups.cage(sandbox_id, memory_mb=spec.memory_mb, vcpus=spec.vcpus)
        self.last_used = time.monotonic()
        self._memory = guard_memory(self._cage.memory, spec.memory_mb)
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
        try:
            await sandbox._run(write_lines)
        except BaseException:
            await sandbox.kill()
            raise
        return sandbox

    async def _run(self, write_lines: WriteLines) -> None:
        extra = self.spec.environment | {
            "SAGEMAKER_BIND_TO_PORT": str(self._port),
            "TMPDIR": str(self._folder),
        }
        self._process = await asyncio.create_subprocess_exec(
            *self._cage.command(self.spec.image.serve),
            env=self.spec.image.environment(extra),
            cwd=self._folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None  # noqa: S101 - they are pipes
            lines = pump(stream, functools.partial(write_lines, self.id))
            self._pumps.append(asyncio.create_task(lines))

    @property
    def pid(self) -> int:
        """The server's process id."""
        assert self._process is not None  # noqa: S101 - start made it
        return self._process.pid

    @property
    def peak_memory_mb(self) -> float:
        """The most memory that it has been seen to take."""
        return self._memory.peak_mb

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
            self._cage.try_remove()  # kills what left the process group
            # asyncio waits for the pipes too, which something that got away may hold
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), _DRAIN_S)
        await self._leave_cage()
        if self._pumps:
            _, late = await asyncio.wait(self._pumps, timeout=_DRAIN_S)
            for late_pump in late:  # something that left the process group still holds the pipe
                late_pump.cancel()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _leave_cage(self) -> None:
        deadline = time.monotonic() + _DRAIN_S
        while not self._cage.try_remove() and time.monotonic() < deadline:
            await asyncio.sleep(_PING_EVERY_S / 4)

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
                    await self._memory.look(self.pid)
                    self._check_memory()
            result = task.result()
            self._memory.look_at_idle(self.pid)
            self._check_memory()
            return result
        except (OSError, SandboxError) as error:  # OSError: the server is dead, or as good as
            self._memory.look_at_idle(self.pid)
            over = self._memory.over
            await self.kill()
            if over:
                raise self._out_of_memory() from error
            if isinstance(error, SandboxError):
                raise
            raise SandboxError(self._end_text(error)) from error
        finally:
            task.cancel()

    def _check_memory(self) -> None:
        if self._memory.over:
            raise self._out_of_memory()

    def _out_of_memory(self) -> OutOfMemory:
        took = max(self.peak_memory_mb, self.spec.memory_mb)
        return OutOfMemory(f"it took {took:.0f} MB of the {self.spec.memory_mb} MB it has")

    def _end_text(self, error: OSError) -> str:
        code = self._process.returncode if self._process is not None else None
        return f"the server's process ended with {code} ({error})"
