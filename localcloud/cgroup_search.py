"""Where control groups for sandboxes can be made on this machine, and nothing left of them.

That is tried with a real process. Each folder is written to a file before it is made, so that a
later start finds what a killed cloud has left.
"""

from __future__ import annotations

import contextlib
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from seatrial.localcloud.cgroups import PERIOD_US, Cage, Cgroups, Group, try_remove_folder

_REMOVE_S = 1.0


@dataclass(frozen=True)
class _System:
    """What this process is in: the text of /proc/self/cgroup, and where the trees are mounted."""

    membership: str
    root: Path

    def parents(self, controller: str) -> Iterator[Group]:
        """Where a child group might be made, the likeliest first."""
        for line in self.membership.splitlines():
            _, controllers, path = line.split(":", 2)
            own = path.lstrip("/")
            if controller in controllers.split(","):
                yield Group(self.root / controller / own, 1)
                yield Group(self.root / controller, 1)  # a container sees its own group there
            elif not controllers:
                # Version 2 gives a group's children no controllers while it has processes itself,
                # but for the root's.
                beside = (self.root / own).parent if own else self.root
                for folder in dict.fromkeys((self.root / own, beside, self.root)):
                    yield Group(folder, 2)


def cgroup_record(work_dir: Path) -> Path:
    """The file in which the cloud with that folder lists the groups that it makes."""
    return work_dir / "cgroups"


def memory_text(cgroups: Cgroups) -> str:
    """How the tiers' memory is enforced, for people."""
    if cgroups.memory is None:
        return (
            "a sandbox over its tier is killed; its memory (PSS) is looked at every 50 ms during a "
            "request, its high-water mark after each"
        )
    return (
        f"a sandbox over its tier is killed by the kernel (cgroup v{cgroups.memory.version}); page "
        "cache does not count"
    )


def cpu_text(cgroups: Cgroups, *, wanted: bool) -> str:
    """How the tiers' share of a CPU is enforced, for people."""
    if not wanted:
        return "not limited; `seatrial cloud up --cpu-share` limits it"
    if cgroups.cpu is None:
        return "not limited: no CPU cgroup can be made here"
    return f"the tier's, in periods of {PERIOD_US // 1000} ms (cgroup v{cgroups.cpu.version})"


def find_cgroups(
    record: Path,
    *,
    cpu: bool = True,
    membership: str | None = None,
    root: Path = Path("/sys/fs/cgroup"),
) -> Cgroups:
    """Where sandboxes' groups can be made here; the folders made are listed in the file `record`.

    `remove_recorded` removes them, and all that is in them. Without `cpu` only memory is to be had.
    """
    if membership is None:
        try:
            membership = Path("/proc/self/cgroup").read_text(encoding="utf-8")
        except OSError:  # not Linux
            membership = ""
    system, name = _System(membership, root), f"seatrial-cloud-{uuid.uuid4().hex[:12]}"
    found = _first_usable(system.parents("memory"), "memory", name, record)
    cpu_place = _first_usable(system.parents("cpu"), "cpu", name, record) if cpu else None
    # A process is in one group of version 2 only: two places there cannot both hold it.
    if found and cpu_place and found.version == cpu_place.version == 2 and found != cpu_place:
        parent = Group(cpu_place.folder.parent, 2)
        both = _first_usable(iter([parent]), "memory", name, record)
        found, cpu_place = both or found, cpu_place if both else None
    return Cgroups(found, cpu_place)


def remove_recorded(record: Path) -> None:
    """Kill what is in the groups that `record` lists and in their children, and remove them."""
    if not record.exists():
        return
    deadline = time.monotonic() + _REMOVE_S
    for line in record.read_text(encoding="utf-8").splitlines():
        folder = Path(line)
        while not _remove_tree(folder) and time.monotonic() < deadline:
            time.sleep(0.01)


def _first_usable(
    parents: Iterator[Group], controller: str, name: str, record: Path
) -> Group | None:
    for parent in parents:
        folder = parent.folder / name
        if not (parent.folder / "cgroup.procs").exists():
            continue
        shared = folder.exists()  # of version 2, and the other controller's already
        with record.open("a", encoding="utf-8") as lines:
            lines.write(f"{folder}\n")
        with contextlib.suppress(OSError, subprocess.SubprocessError):  # read-only, not ours, …
            group = parent.child(name)
            if parent.version == 2:
                _give_children(parent.folder, controller)
                _give_children(group.folder, controller)
            _try_out(group, controller)
            return group
        if not shared:
            _remove_tree(folder)
    return None


def _give_children(folder: Path, controller: str) -> None:
    """Let that controller reach the children of a group of version 2; OSError if it cannot."""
    switches = folder / "cgroup.subtree_control"
    try:
        switches.write_text(f"+{controller}")
    except OSError:  # not ours to write; it may be so already
        if controller not in switches.read_text().split():
            raise


def _try_out(group: Group, controller: str) -> None:
    """Have a process join a capped child; OSError or SubprocessError if that does not work."""
    child = group.child("trial")
    try:
        if controller == "memory":
            child.cap_memory(64)
        else:
            child.cap_cpu(1)
        command = Cage(memory=child).command(("/bin/sh", "-c", ":"))
        subprocess.run(command, check=True, timeout=10, stderr=subprocess.DEVNULL)
    finally:
        deadline = time.monotonic() + _REMOVE_S
        while not try_remove_folder(child.folder) and time.monotonic() < deadline:
            time.sleep(0.002)


def _remove_tree(folder: Path) -> bool:
    children = [item for item in folder.iterdir() if item.is_dir()] if folder.is_dir() else []
    removed = [try_remove_folder(child) for child in children]
    return all(removed) and try_remove_folder(folder)
