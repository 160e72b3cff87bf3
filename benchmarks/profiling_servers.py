"""How far servers of one model differ from one another: what no profile of one can foretell."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from optimize_report import say
from profiling_runs import local_cgroups
from profiling_tiers import SHARES, subjects
from profiling_truth import CORES, KINDS, LIMITS, SECONDS, ask, figure_ms

from seatrial.limits import tier_environment

SERVERS = 6


@dataclass(frozen=True)
class Alike:
    """The same model in the same tier, as often as there are servers, asked in turns."""

    model: str
    memory_size_mb: int
    taken_ms: tuple[tuple[float, ...], ...]

    def cell(self, kind: str) -> str:
        """The quickest server's figure, the slowest's, and the ratio; too few have no p95."""
        found = [value for ms in self.taken_ms if (value := figure_ms(ms, kind)) is not None]
        if not found:
            return "–"
        low, high = min(found), max(found)
        return f"{low:.2f} to {high:.2f} (+{high / low - 1:.0%})"


def compare_servers(folder: Path, python: str) -> list[Alike]:
    """Every model but the two slowest, in every tier that the cores hold."""
    sizes = [s for s in LIMITS.memory_tiers_mb.value if s / LIMITS.mb_per_vcpu.value <= CORES]
    found = []
    with local_cgroups(folder) as cgroups:
        if cgroups.cpu is not None and cgroups.cpu.version == 1:
            (cgroups.cpu.folder / "cpu.shares").write_text(str(SHARES))
        for subject in subjects(python)[:-2]:
            for size in sizes:
                with contextlib.ExitStack() as up:
                    places = [folder / f"{subject.name}-{size}-{n}" for n in range(SERVERS)]
                    told = tier_environment(size, {})
                    cages = [ask(subject, place, cgroups, size, told) for place in places]
                    servers = [item for c in cages if (item := up.enter_context(c)) is not None]
                    turn = list(servers)
                    while turn:
                        turn = [i for i in turn if i.block("before") or i.spent_s < SECONDS]
                    taken = tuple(tuple(item.found_ms["before"]) for item in servers)
                found.append(Alike(subject.name, size, taken))
    return found


def report_servers(found: Sequence[Alike]) -> None:
    """A line a model and tier: the quickest and the slowest server, and the ratio between."""
    say(f"\n{f'{SERVERS} servers alike, ms':26}{'MB':>6}" + "".join(f"{k:>26}" for k in KINDS))
    for item in found:
        line = "".join(f"{item.cell(kind):>26}" for kind in KINDS)
        say(f"{item.model:26}{item.memory_size_mb:6}{line}")
