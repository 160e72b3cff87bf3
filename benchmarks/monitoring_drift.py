"""What a window's summary and the decision on drift cost, beside other tools on the same files.

Every figure is of a fresh process: its CPU from start to end, imports included; *inside* is without
imports. seatrial has the reference's summary stored, whylogs its profile; the others read the
reference's rows each time, which is how they are used.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from monitoring_peers.environments import REQUIREMENTS, CannotInstallError, make_environment

HERE = Path(__file__).parent
PROGRAMS = HERE / "monitoring_peers" / "programs.py"


@dataclass(frozen=True)
class Sizes:
    """Rows of the window that is compared, and of the smallest and largest for memory."""

    compared: int
    least: int
    most: int


FULL = Sizes(1_000_000, 100_000, 10_000_000)
SHORT = Sizes(1_000_000, 100_000, 1_000_000)
MAX_OF_EVIDENTLY, MAX_OF_PEER, MAX_OF_DECODE = 1 / 20, 1 / 3, 4.0
MAX_PEAK_MB = 350


@dataclass(frozen=True)
class Cost:
    """What one process took."""

    cpu_s: float
    inside_s: float
    peak_mb: float
    drifted: int


def measure(tool: str, python: Path, folder: Path) -> Cost:
    """Run one tool's program in `folder`."""
    quiet = {"NML_DISABLE_USAGE_LOGGING": "1", "WHYLOGS_NO_ANALYTICS": "True"}
    before = os.times()
    done = subprocess.run(
        [str(python), str(PROGRAMS), tool, str(folder)],
        env=os.environ | quiet,
        capture_output=True,
        text=True,
    )
    after = os.times()
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise CannotInstallError(f"exited {done.returncode}: {last}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    cpu_s = sum(after[2:4]) - sum(before[2:4])
    return Cost(cpu_s=cpu_s, **found)


def measure_peers(envs: Path, small: Path, folder: Path) -> dict[str, Cost | str]:
    """What each peer took, or why it is not there.

    A first run, on `small`, is for the bytecode and not measured.
    """
    found: dict[str, Cost | str] = {}
    for peer in REQUIREMENTS:
        try:
            python = make_environment(peer, envs)
            for place in (small, folder):
                if peer == "whylogs":
                    measure("whylogs-reference", python, place)
                found[peer] = measure(peer, python, place)
        except CannotInstallError as error:
            found[peer] = str(error)
    return found


def measure_ours(folder: Path, repeats: int) -> dict[str, Cost]:
    """seatrial and the floor by turns; the runs with the median CPU inside."""
    python = Path(sys.executable)
    runs: dict[str, list[Cost]] = {"seatrial": [], "decode": []}
    for _ in range(repeats):
        for tool, costs in runs.items():
            costs.append(measure(tool, python, folder))
    middle = {tool: statistics.median_low(cost.inside_s for cost in runs[tool]) for tool in runs}
    return {
        tool: next(cost for cost in costs if cost.inside_s == middle[tool])
        for tool, costs in runs.items()
    }


def compare(sizes: Sizes, repeats: int, envs: Path | None, out: Path | None) -> bool:
    """Print the figures; True if none is over what is allowed. No `envs`: no peers."""
    with TemporaryDirectory() as scratch:
        wanted = sorted({str(size) for size in asdict(sizes).values()})
        maker = [sys.executable, str(HERE / "monitoring_data.py"), scratch, *wanted]
        subprocess.run(maker, check=True)
        folder = Path(scratch) / str(sizes.compared)
        found: dict[str, Cost | str] = {**measure_ours(folder, repeats)}
        if envs is not None:
            found |= measure_peers(envs, Path(scratch) / str(sizes.least), folder)
        ours = Path(sys.executable)
        peaks_mb = [
            measure("seatrial", ours, Path(scratch) / str(size)).peak_mb
            for size in (sizes.least, sizes.most)
        ]
    _print(f"{sizes.compared} rows of 25 columns, load average {os.getloadavg()[0]:.1f}")
    for tool, cost in found.items():
        _print(f"{tool:14} {_described(cost)}")
    _print(f"peak {peaks_mb[0]:.0f} MB at {sizes.least} rows, {peaks_mb[1]:.0f} at {sizes.most}")
    if out is not None:
        known = {
            tool: cost if isinstance(cost, str) else asdict(cost) for tool, cost in found.items()
        }
        out.write_text(json.dumps({"costs": known, "peaks_mb": peaks_mb}, indent=1))
    return judge(found, peaks_mb)


def judge(found: dict[str, Cost | str], peaks_mb: list[float]) -> bool:
    """Print each target with its figure; True if all that were measured are met."""
    costs = {tool: cost for tool, cost in found.items() if isinstance(cost, Cost)}
    ours, floor = costs["seatrial"], costs["decode"]
    rows = [
        ("summary and decision / decode", ours.inside_s / floor.inside_s, MAX_OF_DECODE),
        ("peak MB", max(peaks_mb), MAX_PEAK_MB),
    ]
    if "evidently" in costs:
        share = ours.cpu_s / costs["evidently"].cpu_s
        rows.append(("CPU / evidently's", share, MAX_OF_EVIDENTLY))
    others = {tool: cost for tool, cost in costs.items() if tool in REQUIREMENTS}
    others.pop("evidently", None)
    if others:
        next_peer = min(others, key=lambda tool: others[tool].cpu_s)
        share = ours.cpu_s / others[next_peer].cpu_s
        rows.append((f"CPU / {next_peer}'s", share, MAX_OF_PEER))
    for name, value, most in rows:
        _print(f"{name}: {value:.3f}, allowed {most:.3f}, {'met' if value <= most else 'NOT MET'}")
    return all(value <= most for _, value, most in rows)


def _described(cost: Cost | str) -> str:
    if isinstance(cost, str):
        return f"not measured: {cost}"
    return (
        f"{cost.cpu_s:7.2f} CPU s, inside {cost.inside_s:.2f}, peak {cost.peak_mb:.0f} MB, "
        f"{cost.drifted} columns drifted"
    )


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
