"""A control group of its own for each sandbox: its tier's memory, and its tier's share of a CPU.

Linux only, and only where a child group can be made and joined (cgroup_search.py). Version 1 has a
tree of folders for each controller, version 2 one for all.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
from dataclasses import dataclass
from pathlib import Path

from seatrial.contracts import MB

# With the usual 100 ms the median latency is that of a whole CPU and the stalls hide behind it.
PERIOD_US = 20_000


@dataclass(frozen=True)
class Group:
    """A cgroup of one controller, or a place where its children can be made."""

    folder: Path
    version: int

    def child(self, name: str) -> Group:
        """The one of that name in it; made if it is not there."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return Group(folder, self.version)

    def cap_memory(self, memory_mb: int) -> None:
        """No more memory than that, and no swap beyond it."""
        limit = str(memory_mb * MB)
        if self.version == 1:
            self._write("memory.limit_in_bytes", limit)
            with contextlib.suppress(OSError):  # a kernel that does not count swap
                self._write("memory.memsw.limit_in_bytes", limit)
        else:
            self._write("memory.max", limit)
            with contextlib.suppress(OSError):
                self._write("memory.swap.max", "0")

    def cap_cpu(self, vcpus: float) -> None:
        """No more CPU time in a period than that many CPUs have."""
        quota_us = round(vcpus * PERIOD_US)
        if self.version == 1:
            self._write("cpu.cfs_period_us", str(PERIOD_US))
            self._write("cpu.cfs_quota_us", str(quota_us))
        else:
            self._write("cpu.max", f"{quota_us} {PERIOD_US}")

    def memory_kills(self) -> int:
        """How many of its processes the kernel has killed for want of memory."""
        name = "memory.oom_control" if self.version == 1 else "memory.events"
        return self._fields(name).get("oom_kill", 0)

    def highest_mb(self) -> float:
        """The most memory it has held so far, page cache included."""
        # memory.peak came with Linux 5.19; without it what it holds now must do
        names = {1: ("memory.max_usage_in_bytes",), 2: ("memory.peak", "memory.current")}
        for name in names[self.version]:
            with contextlib.suppress(OSError):
                return int((self.folder / name).read_text()) / MB
        return 0.0

    def page_cache_mb(self) -> float:
        """What it holds now that the kernel can take back, since it is in files too."""
        fields = self._fields("memory.stat")
        cached, shared = ("total_cache", "total_shmem") if self.version == 1 else ("file", "shmem")
        return (fields.get(cached, 0) - fields.get(shared, 0)) / MB

    def pids(self) -> list[int]:
        """The processes in it."""
        try:
            return [int(pid) for pid in (self.folder / "cgroup.procs").read_text().split()]
        except OSError:
            return []

    def _write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="ascii")

    def _fields(self, name: str) -> dict[str, int]:
        try:
            lines = (self.folder / name).read_text(encoding="ascii").splitlines()
        except OSError:
            return {}
        return {name: int(value) for name, value in (line.split() for line in lines)}


@dataclass(frozen=True)
class Cage:
    """The groups that one sandbox is in; with none of them it is free."""

    memory: Group | None = None
    cpu: Group | None = None

    @property
    def folders(self) -> list[Path]:
        """Of all its groups; one if both are of version 2."""
        return list(dict.fromkeys(group.folder for group in (self.memory, self.cpu) if group))

    def command(self, command: tuple[str, ...]) -> tuple[str, ...]:
        """The command that enters it and then becomes `command`, in the same process."""
        if not self.folders:
            return command
        # Not by preexec_fn: Python code between fork and exec can hang where threads run.
        enter = [f"echo 0 > {shlex.quote(f'{folder}/cgroup.procs')}" for folder in self.folders]
        return ("/bin/sh", "-c", " && ".join([*enter, 'exec "$@"']), "sh", *command)

    def try_remove(self) -> bool:
        """Kill what is in it and remove it; False while the kernel has not let go of it."""
        removed = [try_remove_folder(folder) for folder in self.folders]
        return all(removed)


@dataclass(frozen=True)
class Cgroups:
    """Makes cages; `memory` and `cpu` are where their groups go, None where none can be made."""

    memory: Group | None = None
    cpu: Group | None = None

    def cage(self, name: str, *, memory_mb: int, vcpus: float | None) -> Cage:
        """A fresh one with these caps, as far as they can be had; no cap on CPU with None."""
        cpu = self.cpu if vcpus is not None else None
        cage = Cage(
            self.memory.child(name) if self.memory else None, cpu.child(name) if cpu else None
        )
        if cage.memory:
            cage.memory.cap_memory(memory_mb)
        if cage.cpu and vcpus is not None:
            cage.cpu.cap_cpu(vcpus)
        return cage


def try_remove_folder(folder: Path) -> bool:
    """Kill what is in that group and remove it; False while the kernel has not let go of it."""
    for pid in Group(folder, 0).pids():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:  # still in use
        return False
    return True
