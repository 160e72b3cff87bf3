"""How many threads to compute with: one for each CPU that this process may really use."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_CGROUP = "/sys/fs/cgroup"


def thread_count(at_most: int | None = None, *, cgroup: Path | str = _CGROUP) -> int:
    """The CPUs that the process is allowed on, or fewer if its cgroup has a smaller share, rounded.

    Threads beyond the share wait for those that the quota stops, and use it up while they do.
    """
    if hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    else:
        allowed = os.cpu_count() or 1
    bounds = [allowed] if at_most is None else [allowed, at_most]
    share = cpu_share(cgroup)
    if share is not None:
        bounds.append(math.floor(share + 0.5))
    return max(1, min(bounds))


def cpu_share(cgroup: Path | str = _CGROUP) -> float | None:
    """The CPUs that the cgroup (v2, else v1) grants a container; None if it sets no limit."""
    try:
        if os.path.isfile(f"{cgroup}/cpu.max"):
            quota, period = _text(f"{cgroup}/cpu.max").split()
        else:
            quota = _text(f"{cgroup}/cpu/cpu.cfs_quota_us")
            period = _text(f"{cgroup}/cpu/cpu.cfs_period_us")
        share = int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # no cgroup, or "max"
        return None
    return share if share > 0 else None


def _text(path: str) -> str:
    with open(path, encoding="ascii") as file:
        return file.read()
