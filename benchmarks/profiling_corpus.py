"""Does it fit? What the gate says of a peak, and what the kernel does at the tier's hard cap."""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass
from pathlib import Path

from profiling_models import product_model
from profiling_programs import SERVER
from profiling_runs import Body, Subject, caged, local_cgroups, profile

from seatrial.localcloud.cgroups import Cgroups

TIERS_MB = (1024, 2048, 3072)
# {mb} is the whole that is wanted: each program splits it its own way.
SHAPES = {
    "held": "hold({mb})",
    "5 ms spike": "spike({mb})",
    "steps": "grow(10, {mb} // 10)",
    "child": "os.waitpid(child(lambda: spike({mb})), 0)",
    "sharing workers": "(hold({mb} // 2), workers(2, lambda: hold({mb} // 4)))",
    "tmpfs": "shm({mb}, False)",
    "mapped weights and heap": "(map_file(300), hold({mb} - 300))",
    "threads": "threads(4, {mb} // 4)",
    "daemon": "daemon({mb})",
    "copy of a copy": "copies({mb} // 3)",
}
HEADROOM_RATIO = 0.2  # configs/default.yaml


@dataclass(frozen=True)
class Case:
    """A model in a tier: its measured peak, and whether the kernel let it live.

    `fits` is in the whole tier. `fits_usable` is in what the default headroom leaves of it: a model
    between the two runs, and is refused on purpose.
    """

    model: str
    memory_size_mb: int
    peak_mb: float
    fits: bool
    fits_usable: bool

    def passes(self, headroom_ratio: float) -> bool:
        """The gate's word: the peak is within what may be used of the tier."""
        return self.peak_mb <= self.memory_size_mb * (1 - headroom_ratio)


def subjects(folder: Path, python: str) -> list[Subject]:
    """Programs of every shape at a size of its own, and real models."""
    script = folder / "server.py"
    script.write_text(SERVER)
    rng = random.Random(20261128)  # noqa: S311 - the same corpus every time
    found = []
    for name, body in SHAPES.items():
        mb = round(500 * 6 ** rng.random())  # 500 to 3000, evenly on a scale of ratios
        filled = Body(name, body.format(mb=mb))
        found.append(Subject(f"{name}, {mb} MB", (sys.executable, str(script)), (filled,)))
    for width, layers, rows, block_mb in (
        (2048, 8, 1, 0),
        (2048, 8, 64, 700),
        (1024, 2, 20_000, 0),
        (512, 2, 100, 1900),
    ):
        name = f"{layers} layers of {width}, {rows} rows, {block_mb} MB"
        found.append(
            product_model(python, name, width=width, layers=layers, rows=rows, block_mb=block_mb)
        )
    return found


def run_corpus(folder: Path, python: str) -> list[Case]:
    """Every model in every tier that the corpus has."""
    cases = []
    with local_cgroups(folder) as cgroups:
        for number, subject in enumerate(subjects(folder, python)):
            place = folder / str(number)
            place.mkdir()
            options = {"cold_start_repeats": 1, "requests_per_payload": 1}
            found = profile(_with_idle(subject), place / "candidates", **options)
            peak_mb = found.candidates[0].peak_memory_mb or 0.0
            for size in TIERS_MB:
                fits = _fits(subject, place, cgroups, size)
                usable = fits and _fits(subject, place, cgroups, int(size * (1 - HEADROOM_RATIO)))
                cases.append(Case(subject.name, size, peak_mb, fits, usable))
    return cases


def _fits(subject: Subject, place: Path, cgroups: Cgroups, memory_mb: int) -> bool:
    """Whether it starts and answers under a hard cap of so much."""
    folder = place / str(memory_mb)
    folder.mkdir()
    with caged(subject, folder, cgroups, memory_mb=memory_mb, vcpus=None) as running:
        answered = running.ready() and running.invoke(subject.bodies[0])
        return answered and not running.killed


def _with_idle(subject: Subject) -> Subject:
    """With a small body for the cold start, which the smallest payload is for."""
    if subject.files:
        return subject
    return Subject(subject.name, subject.command, (Body("idle", "0"), *subject.bodies))
