"""A seccomp filter for this process: no sockets, no other processes. Linux; no privileges needed.

Works inside containers, where new namespaces are mostly forbidden.
"""

from __future__ import annotations

import ctypes
import os
import platform
from typing import Any, NamedTuple

PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2


def prctl(option: int, value: Any) -> int:
    """prctl(2); 0, or -1 where the kernel says no."""
    call = ctypes.CDLL(None, use_errno=True).prctl
    zero = ctypes.c_ulong(0)
    argument = ctypes.c_ulong(value) if isinstance(value, int) else value
    result: int = call(option, argument, zero, zero, zero)
    return result


class Instruction(ctypes.Structure):
    """struct sock_filter of linux/filter.h."""

    _fields_ = (
        ("code", ctypes.c_uint16),
        ("jump_true", ctypes.c_uint8),
        ("jump_false", ctypes.c_uint8),
        ("constant", ctypes.c_uint32),
    )


class Program(ctypes.Structure):
    """struct sock_fprog of linux/filter.h."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.POINTER(Instruction)))


class Calls(NamedTuple):
    """System call numbers of one architecture (asm/unistd_64.h, asm-generic/unistd.h)."""

    audit_arch: int
    denied: tuple[int, ...]
    clone: int
    on_self_only: tuple[int, ...]
    prlimit: int


# Denied besides socket: what opens sockets by another door (io_uring), starts a process or program
# (fork, vfork, execve, execveat), or reaches into another one (ptrace, process_vm_readv and
# _writev, pidfd_*, tkill, rt_*sigqueueinfo, bpf, perf_event_open, mount, setrlimit).
COMMON = (424, 425, 434, 438)
CALLS = {
    "x86_64": Calls(
        0xC000003E,
        (41, 57, 58, 59, 322, 101, 310, 311, 200, 129, 297, 321, 298, 165, 160, *COMMON),
        clone=56,
        on_self_only=(62, 234),
        prlimit=302,
    ),
    "aarch64": Calls(
        0xC00000B7,
        (198, 221, 281, 117, 270, 271, 130, 138, 240, 280, 241, 40, 164, *COMMON),
        clone=220,
        on_self_only=(129, 131),
        prlimit=261,
    ),
}
CLONE3 = 435
CLONE_THREAD = 0x10000
X32 = 0x40000000

LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER, ARCH = 0, 4
ALLOW, KILL = 0x7FFF0000, 0x80000000
EPERM, ENOSYS = 0x00050001, 0x00050026

Line = tuple[int, int, int, int]


def filter_lines(calls: Calls, pid: int) -> list[Line]:
    """The filter for process `pid`, as (code, jump if true, jump if false, constant)."""
    lines: list[Line] = [
        (LOAD, 0, 0, ARCH),
        (EQUAL, 1, 0, calls.audit_arch),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER),
        (AT_LEAST, 0, 1, X32),
        (RETURN, 0, 0, EPERM),
    ]
    for number in calls.denied:
        lines += [(EQUAL, 0, 1, number), (RETURN, 0, 0, EPERM)]
    # clone3 has its flags behind a pointer, out of a filter's reach; libc falls back to clone.
    lines += [(EQUAL, 0, 1, CLONE3), (RETURN, 0, 0, ENOSYS)]
    lines += _unless(calls.clone, (ANY_BIT, 1, 0, CLONE_THREAD))
    for number in calls.on_self_only:
        lines += _unless(number, (EQUAL, 1, 0, pid))
    lines += [  # prlimit may ask (no new limit, a null pointer of two words) and not set
        (EQUAL, 0, 6, calls.prlimit),
        (LOAD, 0, 0, _argument(2)),
        (EQUAL, 0, 2, 0),
        (LOAD, 0, 0, _argument(2) + 4),
        (EQUAL, 1, 0, 0),
        (RETURN, 0, 0, EPERM),
        (LOAD, 0, 0, NUMBER),
    ]
    return [*lines, (RETURN, 0, 0, ALLOW)]


def _argument(index: int) -> int:
    return 16 + 8 * index


def _unless(number: int, test_of_first_argument: Line) -> list[Line]:
    return [
        (EQUAL, 0, 4, number),
        (LOAD, 0, 0, _argument(0)),
        test_of_first_argument,
        (RETURN, 0, 0, EPERM),
        (LOAD, 0, 0, NUMBER),
    ]


def install_filter() -> bool:
    """Install the filter for good; False where architecture or kernel has none."""
    calls = CALLS.get(platform.machine())
    if calls is None:
        return False
    lines = filter_lines(calls, os.getpid())
    instructions = (Instruction * len(lines))(*(Instruction(*line) for line in lines))
    program = Program(len(lines), instructions)
    libc = ctypes.CDLL(None, use_errno=True)
    result: int = libc.prctl(
        PR_SET_SECCOMP, ctypes.c_ulong(SECCOMP_MODE_FILTER), ctypes.byref(program)
    )
    return result == 0
