"""Latency by tier: predicted and under a quota, against what was measured in the tier's cgroup."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from optimize_report import Target, say
from profiling_tiers import ModelRun
from profiling_truth import CORES, KINDS, TierTruth

ALLOWED_RATIO = 0.15


@dataclass(frozen=True)
class Error:
    """How far a figure is off, and how far the truth differs from itself."""

    error_ratio: float
    repeats_ratio: float

    @property
    def within(self) -> bool:
        """Whether it is as near as it has to be."""
        return abs(self.error_ratio) <= ALLOWED_RATIO

    @property
    def steady(self) -> bool:
        """Whether the truth itself is."""
        return self.repeats_ratio <= ALLOWED_RATIO


def report_latency(runs: Sequence[ModelRun]) -> list[Target]:
    """A line a tier: the truth, how far its two sides differ, and the error of each figure.

    In brackets the error against the truth in the profile's turns, then against the truth apart.
    """
    kinds = list(runs[0].predictions(runs[0].truths[0]))
    head = "".join(f"{f'{kind}, repeats':>17}" for kind in KINDS)
    say(f"\n{'model':26}{'MB':>6}{head}" + "".join(f"{kind:>23}" for kind in kinds))
    turns: dict[str, list[Error]] = {}
    apart: dict[str, list[Error]] = {}
    for run in runs:
        far = {item.memory_size_mb: item for item in run.apart}
        for truth in (item for item in run.truths if item.held and item.fits_cores):
            line = "".join(f"{_truth_cell(truth, kind):>17}" for kind in KINDS)
            for kind, value in run.predictions(truth).items():
                errors = [_error(item, kind, value) for item in (truth, far[truth.memory_size_mb])]
                line += f"{_cell(value, errors):>23}"
                for found, error in zip((turns, apart), errors, strict=True):
                    found.setdefault(kind, []).extend([] if error is None else [error])
            say(f"{run.name:26}{truth.memory_size_mb:6}{line}")
    return [_target(kind, turns[kind], apart[kind]) for kind in kinds if turns[kind]]


def _truth_cell(truth: TierTruth, kind: str) -> str:
    value = truth.figure_ms(kind)
    return "–" if value is None else f"{value:.2f} ±{truth.repeats(kind):.0%}"


def _cell(value: float | None, errors: Sequence[Error | None]) -> str:
    if value is None:
        return "–"
    shown = " ".join("–" if error is None else f"{error.error_ratio:+.0%}" for error in errors)
    return f"{value:.2f} ({shown})"


def _error(truth: TierTruth, kind: str, value: float | None) -> Error | None:
    """None where there is nothing to compare."""
    name = kind.split(",")[0]
    known = truth.figure_ms(name) if truth.held else None
    if value is None or known is None:
        return None
    return Error(value / known - 1, truth.repeats(name))


def _target(kind: str, found: Sequence[Error], apart: Sequence[Error]) -> Target:
    steady = [error for error in found if error.steady]
    within = sum(error.within for error in steady)
    largest = max(abs(error.error_ratio) for error in found)
    return Target(
        f"{kind}: tiers within 15 %, of {len(found)} that {CORES} cores hold",
        sum(error.within for error in found),
        len(found),
        at_least=True,
        note=f"{within} of the {len(steady)} whose truth repeats within 15 %; "
        f"largest error {largest:.0%}; uncorrected, of the truth apart, "
        f"{sum(error.within for error in apart)} of {len(apart)}",
    )
