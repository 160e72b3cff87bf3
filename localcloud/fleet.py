"""The sandboxes of one variant: from zero up to MaxConcurrency, one request in each at a time.

Lives on the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from seatrial.localcloud.sandbox import Sandbox, SandboxError, SandboxSpec, WriteLines


class Throttled(Exception):  # noqa: N818 - what the caller is
    """As many requests are in flight as are allowed; there is no queue."""


class Fleet:
    """`folder` is its own: the model's files and the sandboxes'. It goes away with the fleet."""

    def __init__(
        self,
        spec: SandboxSpec,
        write_lines: WriteLines,
        *,
        variant_name: str,
        max_concurrency: int,
        provisioned: int,
        folder: Path,
    ) -> None:
        self.spec, self.variant_name = spec, variant_name
        self.max_concurrency, self.provisioned = max_concurrency, provisioned
        self._write_lines, self._folder = write_lines, folder
        self._idle: list[Sandbox] = []  # the one used last is at the end, and is used next
        self._sandboxes: set[Sandbox] = set()
        self._in_flight = 0
        self._closing = False

    @property
    def sandboxes(self) -> list[Sandbox]:
        """All of them, starting ones too."""
        return list(self._sandboxes)

    @property
    def in_flight(self) -> int:
        """Requests being answered now."""
        return self._in_flight

    def shown(self) -> dict[str, Any]:
        """Its limits and its sandboxes, for `seatrial cloud status`."""
        return {
            "memory_size_mb": self.spec.memory_mb,
            "max_concurrency": self.max_concurrency,
            "in_flight": self._in_flight,
            "sandboxes": [
                {"id": item.id, "pid": item.pid, "peak_memory_mb": round(item.peak_memory_mb)}
                for item in self.sandboxes
            ],
        }

    async def verify(self) -> None:
        """See that a sandbox starts and answers /ping; SandboxError if not.

        It is stopped again, so that the first request of the endpoint is the cold start that it
        would be on AWS; unless concurrency is provisioned: that many stay.
        """
        first = await self._start()
        if not self.provisioned:
            await self._drop(first)
            return
        self._idle.append(first)
        await self.provision()

    async def provision(self) -> None:
        """Start what is missing of the provisioned sandboxes."""
        missing = self.provisioned - len(self._sandboxes)
        started = await asyncio.gather(
            *(self._start() for _ in range(missing)), return_exceptions=True
        )
        self._idle.extend(item for item in started if isinstance(item, Sandbox))
        for item in started:
            if isinstance(item, BaseException):
                raise item

    async def resize(self, *, max_concurrency: int, provisioned: int) -> None:
        """Change both while it serves; SandboxError, and nothing changed, if none more starts.

        What is too many now is stopped when it has been idle.
        """
        before = self.provisioned
        self.provisioned = provisioned
        try:
            await self.provision()
        except SandboxError:
            self.provisioned = before
            raise
        self.max_concurrency = max_concurrency

    @contextlib.asynccontextmanager
    async def sandbox(self) -> AsyncIterator[tuple[Sandbox, float | None]]:
        """A sandbox for one request, and the seconds its start took, None for a warm one.

        Throttled if there is none left; SandboxError if a new one does not start.
        """
        if self._in_flight >= self.max_concurrency:
            raise Throttled
        self._in_flight += 1
        try:
            started_at = time.monotonic()
            warm = await self._pop_idle()
            sandbox = warm or await self._start()
            try:
                yield sandbox, None if warm else time.monotonic() - started_at
            finally:
                if sandbox.alive and not self._closing:
                    self._idle.append(sandbox)
                else:
                    await self._drop(sandbox)
        finally:
            self._in_flight -= 1

    async def reap(self, idle_s: float) -> None:
        """Stop what has been idle for that long or has died, but for the provisioned ones."""
        limit = time.monotonic() - idle_s
        for sandbox in list(self._idle):
            spare = len(self._sandboxes) > self.provisioned and sandbox.last_used < limit
            if sandbox in self._idle and (spare or not sandbox.alive):
                self._idle.remove(sandbox)
                await self._drop(sandbox)
        if not self._closing:
            with contextlib.suppress(SandboxError):  # the next round tries again
                await self.provision()

    async def close(self, *, let_finish_s: float) -> None:
        """Stop all: idle ones at once, the others when they have answered or the time is over."""
        self._closing = True
        deadline = time.monotonic() + let_finish_s
        await asyncio.gather(*(self._drop(sandbox) for sandbox in self._idle))
        self._idle.clear()
        while self._in_flight and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        await asyncio.gather(*(self._drop(sandbox) for sandbox in self.sandboxes))
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    async def _pop_idle(self) -> Sandbox | None:
        while self._idle:
            sandbox = self._idle.pop()
            if sandbox.alive:
                return sandbox
            await self._drop(sandbox)  # it died between requests
        return None

    async def _start(self) -> Sandbox:
        sandbox = await Sandbox.start(self.spec, self._write_lines)
        self._sandboxes.add(sandbox)
        self._write_lines(sandbox.id, [])  # makes its log stream, which an error may name
        try:
            await sandbox.ready()
        except BaseException:
            await self._drop(sandbox)
            raise
        return sandbox

    async def _drop(self, sandbox: Sandbox) -> None:
        await sandbox.kill()
        self._sandboxes.discard(sandbox)
