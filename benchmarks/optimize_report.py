"""What benchmarks/optimize.py prints, and keeps for its JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from optimize_race import Figures

VNNI = ("avx512_vnni", "avx_vnni")


@dataclass(frozen=True)
class Target:
    """One figure of the issue."""

    what: str
    value: float | None
    limit: float
    at_least: bool
    note: str = ""

    @property
    def met(self) -> bool:
        """Whether the value is on the right side; nothing measured is not."""
        if self.value is None:
            return False
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    @property
    def line(self) -> str:
        """For a person."""
        shown = "not measured" if self.value is None else f"{self.value:.3g}"
        bound = f"at {'least' if self.at_least else 'most'} {self.limit:g}"
        more = f" — {self.note}" if self.note else ""
        return f"{'met    ' if self.met else 'NOT MET'} {self.what}: {shown} ({bound}){more}"


@dataclass
class Report:
    """The figures as they come, and the targets that they are held against."""

    short: bool
    scratch: Path
    cpu_name: str
    cpu_flags: tuple[str, ...]
    figures: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    targets: list[Target] = field(default_factory=list)

    @property
    def vnni(self) -> bool:
        """Whether this CPU multiplies int8 four at a time."""
        return bool(set(VNNI) & set(self.cpu_flags))

    @property
    def repeats(self) -> int:
        """Processes of each entrant that count."""
        return 3 if self.short else 7

    def table(self, title: str, found: Mapping[str, Figures], original: Figures) -> None:
        """Print one race."""
        say(f"\n{title}")
        say(
            f"{'':26} {'cold CPU':>9} {'load CPU':>9} {'1 row p50':>10} {'many rows':>10}"
            f" {'peak':>7} {'deviation':>10}"
        )
        for name, item in found.items():
            say(
                f"{name:26} {item.cold_cpu_ms:6.0f} ms {item.load_cpu_ms:6.1f} ms"
                f" {item.p50_ms:7.3f} ms {item.many_ms:7.1f} ms {item.peak_mb:4.0f} MB"
                f" {item.deviation(original):10.1e}"
            )
        self.figures[title] = {
            name: {key: value for key, value in vars(item).items() if key != "scores"}
            | {"deviation": item.deviation(original)}
            for name, item in found.items()
        }

    def target(
        self,
        what: str,
        value: float | None,
        *,
        at_most: float | None = None,
        at_least: float | None = None,
        note: str = "",
    ) -> None:
        """Hold a figure against its limit, and say so."""
        limit = at_least if at_least is not None else at_most
        item = Target(what, value, limit or 0.0, at_least is not None, note)
        self.targets.append(item)
        say(item.line)

    def close(self, path: Path | None) -> bool:
        """Print all targets once more, write the JSON, and say whether all are met."""
        say("\nAll targets")
        for item in self.targets:
            say(item.line)
        document = {
            "cpu": self.cpu_name,
            "cpu_flags": self.cpu_flags,
            "short": self.short,
            "targets": [asdict(item) | {"met": item.met} for item in self.targets],
            "figures": self.figures,
        }
        if path is not None:
            path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        return all(item.met for item in self.targets)


def say(text: str) -> None:
    """A line on stdout, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
