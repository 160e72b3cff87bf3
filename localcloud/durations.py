"""ISO 8601 durations, as CacheConfig's ExpireAfter has them."""

from __future__ import annotations

import re
from datetime import timedelta

from seatrial.localcloud.api import validation_error

_PATTERN = re.compile(
    r"P?(?:(?P<years>\d+)Y)?(?:(?P<months>\d+)M)?(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)S)?)?",
    re.IGNORECASE,
)


def read_duration(text: str) -> timedelta:
    """The duration; a year counts 365 days, a month 30. The SDK's own examples leave out the P.

    >>> read_duration("P4DT12H")
    datetime.timedelta(days=4, seconds=43200)
    """
    match = _PATTERN.fullmatch(text)
    parts = {name: int(value or 0) for name, value in match.groupdict().items()} if match else {}
    if not any(parts.values()):
        raise validation_error(
            f"{text!r} is not an ISO 8601 duration longer than nothing, such as P30D or PT12H"
        )
    days = parts.pop("years") * 365 + parts.pop("months") * 30 + parts.pop("days")
    return timedelta(days=days, **parts)
