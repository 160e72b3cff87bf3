"""How many rows a window has, going by the reference's own windows.

Quality's other expectations are about single rows; this one is about there being as many as usual.
Numbers of rows are compared as ratios: a quiet week has half as many, and a busy one twice. The
bounds are those of a prediction (Student's t on the logarithms), at a share so small that it does
not show beside the budget of drift, and leave slack beyond whatever the reference has seen.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

ROW_COUNT = "expect_table_row_count_to_be_between"
# Of so many ordinary windows one has fewer rows than the lower bound, and one more than the upper.
EVERY_WINDOWS = 1000
# A choice: half of the quietest week, or twice the busiest, is a holiday's and no fault.
SLACK = 2.0
# A last window of which less was seen is the period's end, and tells nothing.
WHOLE_SHARE = 0.9
# An endpoint that was updated has served a window but for some minutes.
LENGTH_TOLERANCE = 0.01
# A bound of 400 rows that logarithms make 399.9999999 is 400.
ROUNDING = 1e-6


@dataclass(frozen=True)
class RowCounts:
    """A window of `window_h` hours has at least `low` rows, and at most `high`."""

    window_h: float
    low: int
    high: int

    def expectation(self) -> dict[str, Any]:
        """As Great Expectations has it; its `meta` says for which windows."""
        return {
            "type": ROW_COUNT,
            "kwargs": {"min_value": self.low, "max_value": self.high},
            "meta": {"window_h": self.window_h},
        }


def expected_rows(times: Array, window_h: float, *, per_reference_row: float) -> RowCounts:
    """The bounds, where a window has so many rows for each of the reference's in such a window.

    `times` is datetime64. A window of the period without a single row is a gap, and left out.
    """
    from scipy.special import stdtrit

    hours = (times - times.min()) / np.timedelta64(1, "s") / 3600
    counts = np.bincount((hours // window_h).astype(np.int64))
    if float(hours.max()) - (len(counts) - 1) * window_h < WHOLE_SHARE * window_h:
        counts = counts[:-1]
    logs = np.log(counts[counts > 0])
    spread = float(logs.std(ddof=1)) * math.sqrt(1 + 1 / len(logs))
    reach = float(-stdtrit(len(logs) - 1, 1 / EVERY_WINDOWS)) * spread
    middle, slack = float(logs.mean()), math.log(SLACK)
    low = math.exp(min(middle - reach, float(logs.min()) - slack))
    high = math.exp(max(middle + reach, float(logs.max()) + slack))
    return RowCounts(
        window_h,
        math.floor(low * per_reference_row + ROUNDING),
        math.ceil(high * per_reference_row - ROUNDING),
    )


def for_window(
    expectations: Iterable[dict[str, Any]], *, window_h: float, sample_ratio: float
) -> Iterator[dict[str, Any]]:
    """Those that apply to a window so long, of which such a share was kept.

    A day has not a seventh of a week's rows, so a number of rows is only for windows of its length.
    """
    for item in expectations:
        length = (item.get("meta") or {}).get("window_h")
        if length is None:
            yield item
        elif math.isclose(window_h, length, rel_tol=LENGTH_TOLERANCE):
            yield item | {"kwargs": _sampled(item["kwargs"], sample_ratio)}


def _sampled(kwargs: dict[str, Any], ratio: float) -> dict[str, Any]:
    """The bounds on the rows that were kept; either may have been taken out by hand."""
    rounds = {"min_value": math.floor, "max_value": math.ceil}
    return kwargs | {
        name: rounding(kwargs[name] * ratio)
        for name, rounding in rounds.items()
        if kwargs.get(name) is not None
    }
