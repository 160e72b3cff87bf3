"""What a second thread is worth under the CPU quota of a tier, in servers that take turns."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from optimize_report import say
from profiling_runs import Subject, local_cgroups, percentile
from profiling_tiers import SHARES, subjects
from profiling_truth import CORES, LIMITS, SECONDS, ask

from seatrial.limits import THREADS_VARIABLE, tier_threads

THREADS = (1, 2)
NEAR_RATIO = 0.05


@dataclass(frozen=True)
class Tried:
    """A model at a tier, and what its requests took with each number of threads."""

    model: str
    memory_size_mb: int
    taken_ms: dict[int, tuple[float, ...]]

    @property
    def chosen(self) -> int:
        """What a deployment at that tier is told."""
        return tier_threads(self.memory_size_mb, LIMITS.mb_per_vcpu.value)

    @property
    def excess_ratio(self) -> float:
        """The mean with as many as chosen over the best mean."""
        return mean(self.taken_ms[self.chosen]) / min(map(mean, self.taken_ms.values())) - 1


def try_threads(folder: Path, python: str) -> list[Tried]:
    """Every model in every tier that the cores hold, with one thread and with two."""
    sizes = [s for s in LIMITS.memory_tiers_mb.value if s / LIMITS.mb_per_vcpu.value <= CORES]
    with local_cgroups(folder) as cgroups:
        if cgroups.cpu is not None and cgroups.cpu.version == 1:
            (cgroups.cpu.folder / "cpu.shares").write_text(str(SHARES))
        tried = [
            _try(subject, folder / f"{number}-{size}", cgroups, size)
            for number, subject in enumerate(subjects(python))
            for size in sizes
        ]
    return [item for item in tried if item is not None]


def _try(subject: Subject, folder: Path, cgroups: Any, size: int) -> Tried | None:
    """None if the tier does not hold the model."""
    with contextlib.ExitStack() as up:
        servers = {}
        for threads in THREADS:
            told = {THREADS_VARIABLE: str(threads)}
            asked = up.enter_context(ask(subject, folder / str(threads), cgroups, size, told))
            if asked is None:
                return None
            servers[threads] = asked
        turn = list(servers.values())
        while turn:
            turn = [item for item in turn if item.block("before") or item.spent_s < SECONDS]
        taken = {threads: tuple(item.found_ms["before"]) for threads, item in servers.items()}
        return Tried(subject.name, size, taken)


def report_threads(tried: Sequence[Tried]) -> None:
    """A line a model and tier: mean and p95 with each number of threads."""
    head = "".join(f"{f'{n} thread(s): mean, p95':>27}" for n in THREADS)
    say(f"\n{'model, ms':26}{'MB':>6}{head}{'told':>6}{'over the best':>15}")
    for item in tried:
        cells = "".join(
            f"{f'{mean(ms):.2f}, {percentile(sorted(ms), 0.95):.2f}':>27}"
            for ms in item.taken_ms.values()
        )
        more = f"{item.chosen:6}{item.excess_ratio:+15.0%}"
        say(f"{item.model:26}{item.memory_size_mb:6}{cells}{more}")
    near = sum(item.excess_ratio <= NEAR_RATIO for item in tried)
    worst = max(item.excess_ratio for item in tried)
    say(
        f"mean with the threads told: within 5 % of the best in {near} of {len(tried)}, "
        f"the worst {worst:+.0%}"
    )
