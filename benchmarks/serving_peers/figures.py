"""What was measured of each server, and what the targets say of it."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

PEERS = ("MLServer", "BentoML", "sagemaker-inference")
CLIENTS = 8
_HEADINGS = (
    ("server", "", 20),
    ("first prediction", "wall s", 8),
    ("", "CPU s", 8),
    ("idle MB", "RSS", 7),
    ("", "PSS", 7),
    ("1 client", "p50 ms", 9),
    ("", "CPU µs", 9),
    (f"{CLIENTS} clients", "/s", 9),
    ("", "CPU µs", 9),
)


@dataclass
class Figures:
    """One value a start, or a round; the CPU is the server's, of all its processes."""

    encoding: str = ""
    first_wall_s: list[float] = field(default_factory=list)
    first_cpu_s: list[float] = field(default_factory=list)
    rss_mb: list[float] = field(default_factory=list)
    pss_mb: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    one_client_cpu_us: list[float] = field(default_factory=list)
    requests_per_s: list[float] = field(default_factory=list)
    many_clients_cpu_us: list[float] = field(default_factory=list)

    def medians(self) -> dict[str, float]:
        """Of each figure."""
        values = {name: value for name, value in asdict(self).items() if name != "encoding"}
        return {name: statistics.median(value) for name, value in values.items() if value}


@dataclass(frozen=True)
class Target:
    """`got` may be at most `limit`, or must be at least that."""

    what: str
    got: float
    limit: float
    at_most: bool = True

    @property
    def met(self) -> bool:
        """True if it is."""
        return self.got <= self.limit if self.at_most else self.got >= self.limit

    def __str__(self) -> str:
        sign = "≤" if self.at_most else "≥"
        verdict = "met" if self.met else "NOT MET"
        return f"{verdict:8} {self.what:62} {self.got:8.2f} ({sign} {self.limit:g})"


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of ratios within rounds: what slows a round slows both."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def targets(found: Mapping[str, Figures], record_us: float) -> Iterator[Target]:
    """Each target of those servers that ran."""
    ours, floor = found["seatrial"], found["floor"]
    for clock in ("wall", "cpu"):
        name = f"first_{clock}_s"
        for peer, limit in (("floor", 2.5), *((peer, 0.25) for peer in PEERS)):
            if peer in found:
                share = ratio(getattr(ours, name), getattr(found[peer], name))
                yield Target(f"start to first prediction, {clock}, × {peer}", share, limit)
    yield Target("idle memory, RSS in MB", statistics.median(ours.rss_mb), 85)
    yield Target("p50 with one client, × floor", ratio(ours.p50_ms, floor.p50_ms), 1.3)
    if "MLServer" in found:
        times = ratio(ours.requests_per_s, found["MLServer"].requests_per_s)
        yield Target(f"requests/s at {CLIENTS} clients, × MLServer", times, 2.5, at_most=False)
    yield Target("CPU µs for one prediction record of 750 bytes", record_us, 10)


def table(found: Mapping[str, Figures]) -> Iterator[str]:
    """A line for each server."""
    for place in (0, 1):
        yield "".join(
            f"{heading[place]:>{heading[2]}}" if number else f"{heading[place]:{heading[2]}}"
            for number, heading in enumerate(_HEADINGS)
        )
    formats = (".2f", ".2f", ".0f", ".0f", ".3f", ".0f", ".0f", ".0f")
    for name, figures in found.items():
        cells = zip(figures.medians().values(), formats, _HEADINGS[1:], strict=True)
        yield f"{name:20}" + "".join(
            f"{value:{width}{shape}}" for value, shape, (_, _, width) in cells
        )


def document(found: Mapping[str, Figures], record: Mapping[str, Any]) -> dict[str, Any]:
    """Everything, for --json."""
    reached = targets(found, record["cpu_us"]["seatrial"])
    return {
        "servers": {
            name: {"median": figures.medians(), **asdict(figures)}
            for name, figures in found.items()
        },
        "prediction_record": dict(record),
        "targets": [{**asdict(target), "met": target.met} for target in reached],
    }
