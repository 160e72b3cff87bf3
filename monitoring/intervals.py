"""The interval of a rate that was counted."""

from __future__ import annotations

import math

from seatrial.contracts.selftest import Rate

# The normal quantile of a 95 % interval.
Z = 1.96


def rate(count: int, windows: int) -> Rate:
    """The rate with Wilson's interval, which is right at 0 and 1, too.

    >>> found = rate(95, 100)
    >>> round(found.low, 3), round(found.high, 3)
    (0.888, 0.978)
    """
    share, z2 = count / windows, Z**2 / windows
    middle = (share + z2 / 2) / (1 + z2)
    spread = Z / (1 + z2) * math.sqrt(share * (1 - share) / windows + z2 / (4 * windows))
    return Rate(
        count=count,
        windows=windows,
        low=0.0 if count == 0 else max(0.0, middle - spread),
        high=1.0 if count == windows else min(1.0, middle + spread),
    )
