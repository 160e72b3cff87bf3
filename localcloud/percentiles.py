"""Many values in few numbers, and percentiles of them: cells that are 1 % wide.

CloudWatch keeps metrics in cells too. A percentile from here is within 0.5 % of the nearest rank's
value, and never outside of what was seen.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

_WIDTH = math.log(1.01)
_NAME = re.compile(r"p(100|\d{1,2}(\.\d{1,10})?)")


def cell_value(value: float) -> float:
    """The middle of the value's cell; 0 has one of its own, and less than that is 0 here."""
    if value <= 0:
        return 0.0
    return math.exp(round(math.log(value) / _WIDTH) * _WIDTH)


def read_percentile(name: str) -> float | None:
    """99.9 for `p99.9`; None if it is not the name of a percentile."""
    match = _NAME.fullmatch(name)
    return float(match[1]) if match else None


def percentile(counted: Iterable[tuple[float, float]], percent: float) -> float:
    """The nearest rank's value among (value, how often) pairs, of which there is at least one.

    >>> percentile([(10.0, 1), (20.0, 8), (30.0, 1)], 50)
    20.0
    """
    ordered = sorted(counted)
    rank = max(1.0, math.ceil(sum(count for _, count in ordered) * percent / 100))
    seen = 0.0
    for value, count in ordered:
        seen += count
        if seen >= rank:
            return value
    return ordered[-1][0]
