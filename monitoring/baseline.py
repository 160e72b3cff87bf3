"""The rows that a baseline is made of: some summarised, some held out, some kept as a sample.

Input columns come from the reference rows. Output columns come from predictions for validation
rows, where there are enough of them: on rows that a model was trained on it is surer of itself than
it ever will be again, and each live window would look like a drift of its scores.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.config import MonitoringConfig
from seatrial.contracts import Summary
from seatrial.errors import InputError
from seatrial.monitoring.bounds import MIN_BLOCKS, cut_blocks
from seatrial.monitoring.columns import take
from seatrial.monitoring.summary import summarise_reference
from seatrial.monitoring.text import Texts, learn_texts

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

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

    Held-out rows are in order of time. Columns of different parts stand side by side but are of
    different rows: what looks at several columns at a time looks at the inputs, which are one part.
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
        held_out |= _in_time(part, np.sort(order[:count])).columns
        kept.append(part.at(np.sort(order[count:])))
    return kept, held_out


def sample_rows(parts: Sequence[Rows]) -> int:
    """How many rows of each part are sampled."""
    return min(SAMPLE_ROWS, *(len(part) for part in parts))


def sample(parts: Sequence[Rows], seed: int) -> dict[str, Array]:
    """An even sample of each part in order of time, side by side.

    Evidently's report draws it, and the domain classifier tells windows from it.
    """
    columns: dict[str, Array] = {}
    for number, part in enumerate(parts):
        random = np.random.default_rng([seed, len(parts) + number])
        rows = np.sort(random.choice(len(part), sample_rows(parts), replace=False))
        columns |= _in_time(part, rows).columns
    return columns


def _in_time(part: Rows, rows: Array) -> Rows:
    """These rows in order of time, as far as it is known."""
    if part.times is not None:
        rows = rows[np.argsort(part.times[rows], kind="stable")]
    return part.at(rows)


def summarise_parts(parts: Sequence[Rows], categorical: set[str]) -> Summary:
    """One summary of all parts' columns; its rows are the first part's."""
    summaries = [summarise_reference(part.columns, categorical=categorical) for part in parts]
    columns = {name: column for item in summaries for name, column in item.columns.items()}
    return Summary(rows=len(parts[0]), columns=columns)
