"""How often the domain classifier sees columns that go together in another way, and alerts at none.

Each window is drawn without replacement from the held-out rows: a row that came twice would be
known again, and that is no drift. A window is at most half of them, so that windows differ.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.contracts.selftest import JointRates
from seatrial.monitoring.classifier_bounds import LEAST_ROWS, with_fewer_rows
from seatrial.monitoring.columns import take
from seatrial.monitoring.intervals import rate
from seatrial.monitoring.joint_selftest import Together, follow, read_together

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

# So many rows have to be held out for windows of the fewest rows that a classifier judges.
LEAST_HELD_OUT = 2 * LEAST_ROWS


def joint_rates(
    baseline_dir: Path, window_h: float, *, seed: int, windows: int
) -> JointRates | None:
    """The rates for windows of that length; None if the classifier is off, or the rows too few."""
    together = read_together(baseline_dir, window_h)
    if together is None or len(together) < LEAST_HELD_OUT:
        return None
    random = np.random.default_rng(seed)
    rows = min(together.known.rows, len(together) // 2)
    verdicts = [_judge_one(together, rows, random) for _ in range(windows)]
    return JointRates(
        rows=rows,
        bound=with_fewer_rows(together.known, rows).bound,
        false_alerts=rate(sum(untouched for untouched, _ in verdicts), windows),
        detected=rate(sum(moved for _, moved in verdicts), windows),
    )


def _judge_one(together: Together, rows: int, random: np.random.Generator) -> tuple[bool, bool]:
    """Whether there is an alert: about a window as it is; with one column that follows another."""
    chosen = np.sort(random.choice(len(together), rows, replace=False))
    window = take(together.rows, chosen)
    one, other = (str(name) for name in random.choice(together.movable, 2, replace=False))
    moved = {**window, one: follow(window, one, other, random)}
    return together.judge(window).status == "drift", together.judge(moved).status == "drift"
