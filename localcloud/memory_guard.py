"""Whether a sandbox has taken more than its tier's memory: from the kernel, or by looking."""

from __future__ import annotations

import asyncio
from typing import Protocol

from seatrial.localcloud.cgroups import Group
from seatrial.localcloud.memory import lone_peak_memory_mb, process_tree, tree_memory_mb


class MemoryGuard(Protocol):
    """Looks when told to. Its `peak_mb` is the highest it has seen."""

    peak_mb: float

    async def look(self, pid: int) -> None:
        """See what the process and all that it started have taken, while they are busy."""

    def look_at_idle(self, pid: int) -> None:
        """The same when they have just answered."""

    @property
    def over(self) -> bool:
        """True once they have taken more than they have."""


class CappedMemory:
    """The kernel holds them to it; its counter says whether it had to kill one of them.

    Not the exit code: a server with workers survives the death of one. `peak_mb` is without page
    cache, and so without the files of shared libraries, as containers' memory is usually given.
    """

    def __init__(self, group: Group) -> None:
        self._group = group
        self._mark_mb = 0.0
        self.peak_mb = 0.0

    async def look(self, pid: int) -> None:
        """Nothing: the kernel looks."""

    def look_at_idle(self, pid: int) -> None:  # noqa: ARG002 - the group knows
        """Read the peak; the cache only if it has risen, since that costs more."""
        mark_mb = self._group.highest_mb()
        if mark_mb > self._mark_mb:
            self._mark_mb = mark_mb
            self.peak_mb = max(self.peak_mb, mark_mb - self._group.page_cache_mb())

    @property
    def over(self) -> bool:
        return self._group.memory_kills() > 0


class WatchedMemory:
    """Nobody holds them to `limit_mb`; what they take is their PSS, and a high-water mark."""

    def __init__(self, limit_mb: int) -> None:
        self._limit_mb = limit_mb
        self.peak_mb = 0.0

    async def look(self, pid: int) -> None:
        self.peak_mb = max(self.peak_mb, await asyncio.to_thread(tree_memory_mb, pid))

    def look_at_idle(self, pid: int) -> None:
        self.peak_mb = max(self.peak_mb, lone_peak_memory_mb(process_tree(pid)))

    @property
    def over(self) -> bool:
        return self.peak_mb > self._limit_mb


def guard_memory(group: Group | None, limit_mb: int) -> MemoryGuard:
    """The guard for a sandbox that is in that group, None for one that is in none."""
    return CappedMemory(group) if group else WatchedMemory(limit_mb)
