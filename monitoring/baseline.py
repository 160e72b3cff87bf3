"""The baseline of a model: its reference summarised, and how far ordinary windows stray from it.

Input columns come from the reference rows. Output columns come from predictions for validation
rows, where there are enough of them: on rows that a model was trained on it is surer of itself than
it ever will be again, and each live window would look like a drift of its scores.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from seatrial.config import MonitoringConfig
from seatrial.contracts import AlertRule, Calibration, DriftBound, Summary
from seatrial.errors import ConfigError, InputError
from seatrial.monitoring.bounds import (
    MIN_BLOCKS,
    Budget,
    Strays,
    block_bounds,
    block_strays,
    chance_bounds,
    cut_blocks,
    require_blocks,
)
from seatrial.monitoring.chance import Chance, learn_chance
from seatrial.monitoring.columns import take
from seatrial.monitoring.summary import summarise_reference
from seatrial.monitoring.text import Texts, learn_texts

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

BoundMethod = Literal["contiguous blocks", "independent resampling"]
HELD_OUT_SHARE = 0.1
MAX_HELD_OUT_ROWS = 5000
SAMPLE_ROWS = 5000


@dataclass(frozen=True)
class Rows:
    """Some of the model's columns, and the time of each row if it is known."""

    columns: Mapping[str, Array]
    times: Array | None

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def without(self, hidden: Collection[str]) -> Rows:
        """The same rows without these columns."""
        kept = {name: values for name, values in self.columns.items() if name not in hidden}
        return Rows(kept, self.times)

    def at(self, rows: Array) -> Rows:
        """These rows only."""
        return Rows(take(self.columns, rows), None if self.times is None else self.times[rows])


def can_stand_for_outputs(rows: Rows, monitoring: MonitoringConfig) -> bool:
    """True if there are enough rows and blocks to compare predictions with."""
    if len(rows) < 2 * monitoring.min_rows:
        return False
    times = rows.times
    return times is None or all(
        len(cut_blocks(times, window_h)) >= MIN_BLOCKS for window_h in monitoring.window_h
    )


def measure_texts(parts: Sequence[Rows]) -> tuple[Texts, list[Rows]]:
    """The texts among the columns, and the parts with numbers in their place."""
    words: dict[str, frozenset[str]] = {}
    measured: list[Rows] = []
    for part in parts:
        texts, columns = learn_texts(part.columns)
        words.update(texts.words)
        measured.append(Rows(columns, part.times))
    return Texts(words), measured


def hold_out(
    parts: Sequence[Rows], min_rows: int, seed: int
) -> tuple[list[Rows], dict[str, Array]]:
    """What of each part goes into the summary, and rows that do not, for the self-tests.

    Held-out columns of different parts stand side by side but are of different rows: drift looks
    at one column at a time.
    """
    fewest = min(len(part) for part in parts)
    count = min(MAX_HELD_OUT_ROWS, max(int(HELD_OUT_SHARE * fewest), min_rows))
    if fewest < 2 * count:
        raise InputError(
            "the reference is too small to hold rows out for the monitor's self-test",
            got=f"{fewest} rows",
            allowed=f"at least {2 * count} rows at monitoring.min_rows {min_rows}",
            do="Register the model with a larger reference, or lower monitoring.min_rows",
        )
    kept: list[Rows] = []
    held_out: dict[str, Array] = {}
    for number, part in enumerate(parts):
        order = np.random.default_rng([seed, number]).permutation(len(part))
        held_out |= part.at(np.sort(order[:count])).columns
        kept.append(part.at(np.sort(order[count:])))
    return kept, held_out


def sample(parts: Sequence[Rows], seed: int) -> dict[str, Array]:
    """An even sample of each part, side by side, for Evidently's report."""
    count = min(SAMPLE_ROWS, *(len(part) for part in parts))
    columns: dict[str, Array] = {}
    for number, part in enumerate(parts):
        random = np.random.default_rng([seed, len(parts) + number])
        columns |= part.at(np.sort(random.choice(len(part), count, replace=False))).columns
    return columns


def summarise_parts(parts: Sequence[Rows], categorical: set[str]) -> Summary:
    """One summary of all parts' columns; its rows are the first part's."""
    summaries = [summarise_reference(part.columns, categorical=categorical) for part in parts]
    columns = {name: column for item in summaries for name, column in item.columns.items()}
    return Summary(rows=len(parts[0]), columns=columns)


@dataclass(frozen=True)
class Learnt:
    """The bounds, how they were made, and how they meet the budget, by window length."""

    bounds: tuple[DriftBound, ...]
    method: BoundMethod
    calibrations: tuple[Calibration, ...]


def learn_bounds(
    parts: Sequence[Rows], reference: Summary, monitoring: MonitoringConfig, *, seed: int = 0
) -> Learnt:
    """Bounds for each window length, from blocks if the rows have times."""
    budget = Budget(
        monitoring.false_alert_every_windows,
        alert_rule(monitoring, reference),
        monitoring.drift_floor,
    )
    timed = [(part, part.times) for part in parts if part.times is not None]
    if len(timed) < len(parts):
        found = [
            bound
            for window_h in monitoring.window_h
            for bound in chance_bounds(reference, window_h=window_h, floor=budget.floor)
        ]
        return Learnt(tuple(found), "independent resampling", ())
    bounds, calibrations = list[DriftBound](), list[Calibration]()
    for window_h in monitoring.window_h:
        strays = [_strays(part, times, reference, window_h) for part, times in timed]
        made, calibration = block_bounds(strays, budget, window_h=window_h)
        bounds += with_chance(made, reference, budget, seed=seed)
        calibrations.append(calibration)
    return Learnt(tuple(bounds), "contiguous blocks", tuple(calibrations))


def alert_rule(monitoring: MonitoringConfig, reference: Summary) -> AlertRule:
    """The configuration's rule; ConfigError if it names other columns or more than there are."""
    critical, fewest = monitoring.critical_columns, monitoring.min_drifted_columns
    unknown = sorted(set(critical) - reference.columns.keys())
    if unknown:
        raise ConfigError(
            "monitoring.critical_columns are not columns of the model",
            got=", ".join(unknown),
            allowed=", ".join(reference.columns),
            do="Correct the names; a column that is not recorded as it is cannot be critical",
        )
    others = len(reference.columns) - len(set(critical))
    if fewest > others and not critical:
        raise ConfigError(
            "no window could ever alert",
            got=f"monitoring.min_drifted_columns {fewest}",
            allowed=f"at most {others}, the model's columns",
            do="Lower it, or name critical columns",
        )
    return AlertRule(critical_columns=critical, min_drifted_columns=fewest)


def with_chance(
    bounds: Sequence[DriftBound], reference: Summary, budget: Budget, *, seed: int
) -> Iterator[DriftBound]:
    """The bounds with what chance does in a block, so that a smaller window can be given more."""
    known: dict[int, Chance] = {}
    for item in bounds:
        if item.block_rows not in known:
            known[item.block_rows] = learn_chance(
                reference,
                item.block_rows,
                every_windows=budget.every_windows,
                window_h=item.window_h,
                seed=seed,
            )
        chance = known[item.block_rows].bounds[item.column, item.metric]
        yield item.model_copy(update={"chance": chance})


def _strays(part: Rows, times: Array, reference: Summary, window_h: float) -> Strays:
    require_blocks(times, window_h)
    names = part.columns.keys()
    own = Summary(rows=len(part), columns={name: reference.columns[name] for name in names})
    return block_strays(part.columns, times, own, window_h)
