"""Landlock rules for this process: which folder it may change. Linux 5.13 and later."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Any

LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446
LANDLOCK_VERSION = 1
LANDLOCK_PATH_BENEATH = 1
WRITE_FILE = 1 << 1
# remove_dir, remove_file, make_{char,dir,reg,sock,fifo,block,sym}
CHANGE_FOLDER = sum(1 << bit for bit in range(4, 13))
REFER, TRUNCATE = 1 << 13, 1 << 14


class PathBeneath(ctypes.Structure):
    """struct landlock_path_beneath_attr of linux/landlock.h."""

    _pack_ = 1
    _fields_ = (("access", ctypes.c_uint64), ("folder", ctypes.c_int32))


def restrict_writes(scratch: Path) -> bool:
    """Let this process change files in `scratch` only; False where the kernel has no Landlock.

    /dev/shm too: that is where libc keeps semaphores, without which joblib runs in one thread.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(LANDLOCK_CREATE, None, ctypes.c_size_t(0), LANDLOCK_VERSION)
    if version < 1:
        return False
    access = WRITE_FILE | CHANGE_FOLDER
    access |= (REFER if version >= 2 else 0) | (TRUNCATE if version >= 3 else 0)
    handled = ctypes.c_uint64(access)
    ruleset = libc.syscall(LANDLOCK_CREATE, ctypes.byref(handled), ctypes.c_size_t(8), 0)
    for path, granted in (
        (scratch, access),
        (Path("/dev/shm"), access),  # noqa: S108 - a rule about it, not a file in it
        (Path("/dev/null"), access & (WRITE_FILE | TRUNCATE)),
    ):
        if path.exists():
            _allow_beneath(libc, ruleset, path, granted)
    restricted: int = libc.syscall(LANDLOCK_RESTRICT, ruleset, 0)
    os.close(ruleset)
    return restricted == 0


def _allow_beneath(libc: Any, ruleset: int, path: Path, access: int) -> None:
    folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
    rule = PathBeneath(access, folder)
    libc.syscall(LANDLOCK_ADD, ruleset, LANDLOCK_PATH_BENEATH, ctypes.byref(rule), 0)
    os.close(folder)
