"""Peak memory of programs of known peak: the profiler's two methods and what people use."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import psutil
from profiling_programs import IDLE, PROGRAMS, SERVER, Program
from profiling_runs import WITHOUT_CGROUP, Body, Running, Subject, profile

from seatrial.contracts import MB
from seatrial.steps.profile_model import free_port

POLL_S = 0.1
OURS = ("profiler", "profiler, no cgroup")
METHODS = (*OURS, "psutil, 100 ms", "memory_profiler", "ru_maxrss")
# A peer in a process of its own: a busy thread of this one would delay its looks.
PSUTIL = """
import psutil, sys, time
root, peak = psutil.Process(int(sys.argv[1])), 0
while psutil.pid_exists(root.pid) and root.status() != "zombie":
    total = 0
    for process in [root, *root.children(recursive=True)]:
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            pass
    peak = max(peak, total)
    print(peak, flush=True)
    time.sleep(0.1)
"""
MEMORY_PROFILER = """
import psutil, sys
from memory_profiler import memory_usage
root, peak = psutil.Process(int(sys.argv[1])), 0
while psutil.pid_exists(root.pid) and root.status() != "zombie":
    looks = memory_usage(root.pid, interval=0.1, timeout=0.3, include_children=True)
    peak = max(peak, *looks)
    print(2**20 * peak, flush=True)
"""


@dataclass(frozen=True)
class Peak:
    """What each method said of a program, in MB."""

    program: Program
    truth_mb: float
    measured_mb: dict[str, float]

    def error_mb(self, method: str) -> float:
        """How far off."""
        return self.measured_mb[method] - self.truth_mb

    def met(self, method: str) -> bool:
        """Within 2 % or 10 MB, whichever is more."""
        return abs(self.error_mb(method)) <= max(10, 0.02 * self.truth_mb)


def measure_peaks(folder: Path, memory_profiler: Path | None) -> list[Peak]:
    """Every program by every method that is there."""
    script = folder / "server.py"
    script.write_text(SERVER)
    command = (sys.executable, str(script))
    bodies = tuple(Body(item.name, item.body) for item in (IDLE, *PROGRAMS))
    subject = Subject("programs", command, bodies)
    options = {"cold_start_repeats": 1, "requests_per_payload": 1}
    found = {
        "profiler": profile(subject, folder / "best", **options),
        "profiler, no cgroup": profile(subject, folder / "no", patch=WITHOUT_CGROUP, **options),
    }
    ours = {
        method: {item.payload: item.peak_memory_mb for item in answer.candidates[0].payloads}
        for method, answer in found.items()
    }
    idle_mb = _idle_mb(command, folder)
    peaks = []
    for program in PROGRAMS:
        measured = {method: peaks_mb[program.name] for method, peaks_mb in ours.items()}
        measured.update(_peers(command, program, folder, memory_profiler))
        peaks.append(Peak(program, idle_mb + program.peak_mb, measured))
    return peaks


def _start(command: tuple[str, ...], folder: Path) -> Running:
    port = free_port()
    environment = {
        **os.environ,
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "TMPDIR": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    running = Running(subprocess.Popen(command, env=environment), port, lambda: 0)
    if not running.ready():
        raise RuntimeError("the benchmark's own server does not start")
    return running


def _idle_mb(command: tuple[str, ...], folder: Path) -> float:
    running = _start(command, folder)
    running.invoke(Body("idle", IDLE.body))
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    _kill(running)
    match = re.search(r"^VmHWM:\s+(\d+)", status, re.M)
    if match is None:
        raise RuntimeError("the kernel does not tell VmHWM")
    return int(match.group(1)) / 1024


def _kill(running: Running) -> None:
    root = psutil.Process(running.process.pid)
    for process in [*root.children(recursive=True), root]:
        process.kill()


def _peers(
    command: tuple[str, ...], program: Program, folder: Path, memory_profiler: Path | None
) -> dict[str, float]:
    running = _start(command, folder)
    pid = str(running.process.pid)
    pollers = {"psutil, 100 ms": _poller(PSUTIL, pid, None)}
    if memory_profiler is not None:
        pollers["memory_profiler"] = _poller(MEMORY_PROFILER, pid, memory_profiler)
    threading.Event().wait(0.5)  # until they look
    running.invoke(Body(program.name, program.body))
    threading.Event().wait(POLL_S)
    _kill(running)
    _, _, usage = os.wait4(running.process.pid, 0)
    running.process.returncode = 0  # it has been waited for
    found = {"ru_maxrss": usage.ru_maxrss / 1024}
    for name, poller in pollers.items():
        output, _ = poller.communicate(timeout=30)
        numbers = output.split()
        found[name] = float(numbers[-1]) / MB if numbers else 0.0
    return found


def _poller(program: str, pid: str, packages: Path | None) -> subprocess.Popen[str]:
    environment = {**os.environ, **({"PYTHONPATH": str(packages)} if packages else {})}
    return subprocess.Popen(
        [sys.executable, "-c", program, pid],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
