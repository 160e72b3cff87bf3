"""Confine this process, then run a module in it: the first thing that a child of seatrial does.

    python -m seatrial.optimization.confinement LIMITS MODULE [ARGUMENT …]

Model files are code until proven otherwise. Under the filter a process has no sockets of any kind,
starts no process and touches none, so that what it leaves behind is at most a file. Landlock, where
the kernel has it, keeps its writes inside the scratch folder.

Only the standard library: the serving interpreter runs this too.
"""

from __future__ import annotations

import json
import os
import resource
import runpy
import signal
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from seatrial.optimization.landlock import restrict_writes
from seatrial.optimization.seccomp import install_filter, prctl

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
# What the parent reads as "out of memory": sysexits.h has no code of this number.
OUT_OF_MEMORY = 97

MB = 2**20
# Stacks of threads count as data without being used; a machine with many CPUs has many of them.
STACKS_MB = 4096


@dataclass(frozen=True)
class Limits:
    """What the child puts on itself; `parent` is the process whose death ends it."""

    parent: int
    data_mb: int
    cpu_s: int
    file_mb: int

    def to_json(self) -> str:
        """As the first argument of this program."""
        return json.dumps(asdict(self))


def confine(limits: Limits, scratch: Path) -> None:
    """Put limits, file rules and the filter on this process, each as far as the system has it."""
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_s, limits.cpu_s))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits.file_mb * MB, limits.file_mb * MB))
    # 1 and not 0: of 0 a core_pattern that is a program takes no notice.
    resource.setrlimit(resource.RLIMIT_CORE, (1, 1))
    if sys.platform != "linux":
        return
    data = (limits.data_mb + STACKS_MB) * MB
    resource.setrlimit(resource.RLIMIT_DATA, (data, data))
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != limits.parent:  # it died before the line above
        os.kill(os.getpid(), signal.SIGKILL)
    if prctl(PR_SET_NO_NEW_PRIVS, 1) == 0:
        restrict_writes(scratch)
        install_filter()


def is_confined() -> bool:
    """Whether this process is under a seccomp filter; whoever unpickles must ask."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return "\nSeccomp:\t2\n" in status


def main(argv: list[str]) -> int:
    """Confine this process to its working folder, and run the module as a program."""
    limits, module, *arguments = argv
    confine(Limits(**json.loads(limits)), Path.cwd())
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except MemoryError:
        sys.stderr.write("MemoryError: out of memory\n")
        return OUT_OF_MEMORY
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
