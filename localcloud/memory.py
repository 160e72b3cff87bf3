"""How much memory a process tree takes: PSS summed over it, and its high-water mark.

PSS counts a shared page once over all who share it, where RSS counts it for each. Linux only.
"""

from __future__ import annotations

from pathlib import Path

from seatrial.contracts import MB

_KB_PER_MB = MB // 1024


def tree_memory_mb(root: int) -> float:
    """Memory of the process and all it started, in MB; 0 if it is gone.

    A lone process's high-water mark is what counts: it includes what came and went between looks.
    Marks of several processes cannot be added up, since they share pages.
    """
    pids = process_tree(root)
    used = sum(_field_kb(f"/proc/{pid}/smaps_rollup", "Pss:") for pid in pids)
    return max(used / _KB_PER_MB, lone_peak_memory_mb(pids))


def lone_peak_memory_mb(pids: list[int]) -> float:
    """The high-water mark of a tree of one process, in MB: cheap to read, unlike PSS. Else 0."""
    if len(pids) != 1:
        return 0.0
    return _field_kb(f"/proc/{pids[0]}/status", "VmHWM:") / _KB_PER_MB


def process_tree(root: int) -> list[int]:
    """The process and its descendants, as far as they are alive."""
    found, open_pids = [], [root]
    while open_pids:
        pid = open_pids.pop()
        tasks = Path(f"/proc/{pid}/task")
        try:
            children = [(task / "children").read_text() for task in tasks.iterdir()]
        except OSError:  # gone meanwhile
            continue
        found.append(pid)
        open_pids.extend(int(child) for text in children for child in text.split())
    return found


def _field_kb(path: str, field: str) -> int:
    try:
        with open(path, encoding="ascii", errors="replace") as lines:  # noqa: PTH123 - hot path
            for line in lines:
                if line.startswith(field):
                    return int(line.split()[1])
    except OSError:  # gone meanwhile
        pass
    return 0
