"""Which CPU measures: what it can do decides which candidate is the fastest."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path

# What ONNX Runtime's kernels choose by.
FLAGS = ("avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16")
CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Cpu:
    """Its name, and those of FLAGS that it has."""

    name: str
    flags: tuple[str, ...]


def this_cpu(cpuinfo: Path = CPUINFO) -> Cpu:
    """The CPU of this machine; where there is no /proc, its name alone."""
    name, flags = platform.processor() or platform.machine(), ""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return Cpu(name, ())
    for line in reversed(lines):
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            name = value.strip()
        elif key.strip() in ("flags", "Features"):
            flags = value
    has = set(flags.split())
    return Cpu(name, tuple(flag for flag in FLAGS if flag in has))
