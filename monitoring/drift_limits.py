"""What the scores of a window have to pass, for its length and its number of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seatrial.contracts import Baseline, Calibration, DriftBound, Summary
from seatrial.errors import InputError
from seatrial.monitoring.chance import learn_chance
from seatrial.monitoring.distances import Metric


@dataclass(frozen=True)
class Limit:
    """What a score has to pass: above `bound` it changed, from `floor` on it matters."""

    bound: float
    floor: float

    @property
    def least(self) -> float:
        """The score at which a drift begins."""
        return max(self.bound, self.floor)


@dataclass(frozen=True)
class Limits:
    """The limit of each signal, and how they meet the budget together."""

    by_signal: dict[tuple[str, Metric], Limit]
    calibration: Calibration | None


def limits(baseline: Baseline, reference: Summary, *, rows: int, window_h: float) -> Limits:
    """What the scores of a window of `rows` rows and `window_h` hours have to pass.

    A window with fewer rows than the blocks had strays further by chance: the bound grows by the
    difference. Scores are distances, so this covers a window that is both ordinary and small.
    """
    length = bound_length(baseline.bounds, window_h)
    bounds = {
        (item.column, item.metric): item
        for item in baseline.bounds
        if item.window_h == length and item.column in reference.columns
    }
    by_length = {item.window_h: item for item in baseline.calibrations}
    if all(rows >= item.block_rows > 0 for item in bounds.values()):
        found = {key: Limit(item.bound, item.floor) for key, item in bounds.items()}
        return Limits(found, by_length.get(length))
    # Without blocks the classifier has half of the budget to itself.
    halves = 2 if baseline.classifier and not baseline.calibrations else 1
    chance = learn_chance(
        reference,
        rows,
        every_windows=halves * baseline.false_alert_every_windows,
        window_h=length,
        seed=baseline.seed,
    )
    found = {
        key: Limit(_with_fewer_rows(item, chance.bounds[key], rows), item.floor)
        for key, item in bounds.items()
    }
    return Limits(found, by_length.get(length, chance.calibration))


def _with_fewer_rows(item: DriftBound, chance: float, rows: int) -> float:
    """The bound and what chance adds.

    Distance by time and distance by chance add up like squares at best, and at worst like
    numbers; √(b² - c² + d²) ≤ b + d - c for any chance d ≥ c, as long as b ≥ c.
    """
    if rows >= item.block_rows > 0:
        return item.bound
    return max(item.bound, item.chance) + max(0.0, chance - item.chance)


def bound_length(bounds: Sequence[DriftBound], window_h: float) -> float:
    """Which bounds fit the window: those of the longest blocks that are not longer than it.

    Shorter blocks stray further, so they err to silence. A window that is a little shorter than
    all blocks gets the bounds of the shortest.
    """
    lengths = sorted({item.window_h for item in bounds})
    if not lengths:
        raise InputError(
            "the baseline has no drift bounds",
            got="none",
            allowed="bounds for at least one window length",
            do="Build the baseline again",
        )
    return max((length for length in lengths if length <= window_h), default=lengths[0])


def reliability(every_windows: float, calibration: Calibration) -> str:
    """What the budget is worth, in words."""
    law = "" if calibration.tail == "order" else ", too few to show that without Gumbel's law"
    return (
        f"budget: one false alert in {every_windows:g} windows, learnt from "
        f"{calibration.windows} ordinary ones of {calibration.window_h:g} h{law}; the true rate is "
        f"{calibration.rate_low:.1%} to {calibration.rate_high:.1%} (90 % interval)"
    )
