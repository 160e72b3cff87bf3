"""How often the monitor sees a drift of known size, and how often it alerts although none is there.

Windows are drawn with replacement from the rows that were held out of the reference, and judged by
their summaries. The intervals of the rates are those of the drawing: all windows share the luck of
the same held-out rows, which weighs most where a window has more rows than were held out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.contracts import Baseline, NumericSummary, Summary
from seatrial.contracts.selftest import Detection, MonitorRates
from seatrial.monitoring.budget import is_alert
from seatrial.monitoring.columns import take
from seatrial.monitoring.distances import Metric, unit
from seatrial.monitoring.drift import judge
from seatrial.monitoring.drift_limits import Limits, limits
from seatrial.monitoring.intervals import rate
from seatrial.monitoring.joint_rates import joint_rates
from seatrial.monitoring.selftest import NEW_CATEGORY, HeldOut, read_held_out
from seatrial.monitoring.summary import ColumnSummary, category, present_rows, summarise

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

WINDOWS = 200
# The classifier judges fewer: half a second of one core each, of 25 columns and 2 000 rows.
JOINT_SHARE = 0.1
# Held-out rows are a few thousand: drawn more often than this they say nothing new, and cost much.
MAX_ROWS = 20_000
STD_SIZES = (0.1, 0.25, 0.5, 1.0)
SHARE_SIZES = (0.02, 0.05, 0.1, 0.2)
Move = Callable[["Array", float, int], "Array"]


@dataclass(frozen=True)
class Drawn:
    """Windows of one length: which held-out rows each has, and what its scores must pass."""

    held_out: HeldOut
    rows: Array
    known: Limits


def monitor_rates(
    baseline_dir: Path, seed: int, *, min_rows: int, windows: int = WINDOWS
) -> tuple[MonitorRates, ...]:
    """The rates for each window length, in windows as long as the reference's blocks.

    Without blocks they have the held-out rows' number; never fewer rows than are judged at all, and
    never more than `MAX_ROWS`: a larger window sees more.
    """
    held_out = read_held_out(baseline_dir)
    random = np.random.default_rng(seed)
    found = []
    for window_h in sorted({item.window_h for item in held_out.baseline.bounds}):
        usual = _window_rows(held_out.baseline, window_h) or len(held_out)
        rows = max(min_rows, min(usual, MAX_ROWS))
        drawn = Drawn(
            held_out,
            random.integers(0, len(held_out), size=(windows, rows)),
            limits(held_out.baseline, held_out.reference, rows=rows, window_h=window_h),
        )
        fewer = math.ceil(JOINT_SHARE * windows)
        together = joint_rates(baseline_dir, window_h, seed=seed, windows=fewer)
        found.append(_rates(drawn, window_h).model_copy(update={"together": together}))
    return tuple(found)


def _window_rows(baseline: Baseline, window_h: float) -> int:
    return max(item.block_rows for item in baseline.bounds if item.window_h == window_h)


def _rates(drawn: Drawn, window_h: float) -> MonitorRates:
    baseline, reference = drawn.held_out.baseline, drawn.held_out.reference
    alerts = 0
    for chosen in drawn.rows:
        drifted = _drifted(reference, take(drawn.held_out.rows, chosen), drawn.known)
        alerts += is_alert(drifted, baseline.alert_rule)
    windows, rows = drawn.rows.shape
    return MonitorRates(
        window_h=window_h,
        rows=rows,
        false_alerts=rate(alerts, windows),
        false_alert_every_windows=baseline.false_alert_every_windows,
        calibration=drawn.known.calibration if baseline.calibrations else None,
        detections=tuple(_detections(drawn)),
    )


def _detections(drawn: Drawn) -> Iterator[Detection]:
    """Each column that has values moved by itself, by each size."""
    reference = drawn.held_out.reference
    for name, column in reference.columns.items():
        if not present_rows(column):
            continue
        alone = reference.model_copy(update={"columns": {name: column}})
        values = drawn.held_out.rows[name]
        numeric = isinstance(column, NumericSummary)
        metric: Metric = "wasserstein_std" if numeric else "jensen_shannon"
        for size in STD_SIZES if numeric else SHARE_SIZES:
            found = sum(
                name in _drifted(alone, {name: _moved(values[rows], column, size, at)}, drawn.known)
                for at, rows in enumerate(drawn.rows)
            )
            yield Detection(
                column=name,
                unit="std" if numeric else "share",
                size=size,
                limit=drawn.known.by_signal[name, metric].least,
                rate=rate(found, len(drawn.rows)),
            )


def _drifted(reference: Summary, window: Mapping[str, Array], known: Limits) -> list[str]:
    judged = judge(reference, summarise(window, like=reference), known.by_signal)
    return [item.signal.column for item in judged if item.drifted]


def _moved(values: Array, column: ColumnSummary, size: float, at: int) -> Array:
    """Up in even windows and down in odd ones, since the held-out rows may stray one way."""
    if isinstance(column, NumericSummary):
        shifted: Array = values + size * unit(column) * (-1) ** at
        return shifted
    return give_share(values, receiver(column.counts), size)


def receiver(counts: Mapping[str, int]) -> str:
    """The second most frequent category, so that at least half of all rows can be given to it.

    >>> receiver({"a": 5, "b": 9, "c": 1}), receiver({"a": 5})
    ('a', 'seatrial self-test')
    """
    ranked = sorted(counts, key=lambda name: (-counts[name], name))
    return ranked[1] if len(ranked) > 1 else NEW_CATEGORY


def give_share(values: Array, to: str, size: float) -> Array:
    """So large a share of all rows taken from the other categories, in the order of the rows.

    >>> give_share(np.array(["a", "b", "a", "c"], dtype=object), "b", 0.5).tolist()
    ['b', 'b', 'b', 'c']
    """
    moved = values.astype(object)
    others = [at for at, value in enumerate(values.tolist()) if not _is(value, to)]
    moved[others[: round(size * len(values))]] = to
    return moved


def _is(value: object, name: str) -> bool:
    return value is not None and value == value and category(value) == name
