"""When a schedule is due: `rate(…)`, `cron(…)` and `at(…)`, as EventBridge Scheduler has them.

Source: https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html. A cron
expression with L, W or # is refused: nothing of ours has them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from seatrial.localcloud.api import validation_error

# Seconds, and how many are added to a moment to get the next one after it; None: never again.
Next = Callable[[float], float | None]

_UNITS_S = {"minute": 60, "hour": 3600, "day": 86400}
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
_FURTHEST_DAYS = 5 * 366  # a 29 February comes within; a year that is over never does


@dataclass(frozen=True)
class _Field:
    """One of cron's fields."""

    name: str
    first: int
    last: int
    names: tuple[str, ...] = ()
    may_be_open: bool = False


_FIELDS = (
    _Field("minutes", 0, 59),
    _Field("hours", 0, 23),
    _Field("day of month", 1, 31, may_be_open=True),
    _Field("month", 1, 12, tuple(_MONTHS)),
    _Field("day of week", 1, 7, tuple(_DAYS), may_be_open=True),
    _Field("year", 1970, 2199),
)


def read_schedule(expression: str, *, start: float, timezone: str = "UTC") -> Next:
    """What gives the first due moment at or after one; a rate counts from `start`.

    >>> due = read_schedule("rate(1 hour)", start=100.0)
    >>> due(101.0)
    3700.0
    """
    found = re.fullmatch(r"(rate|cron|at)\((.+)\)", expression)
    if found is None:
        raise _unreadable(
            expression, "rate(value unit), cron(six fields) or at(yyyy-mm-ddThh:mm:ss)"
        )
    kind, inside = found.groups()
    zone = _zone(timezone)
    if kind == "rate":
        return _rate(expression, inside, start)
    if kind == "at":
        return _once(expression, inside, zone)
    return _cron(expression, inside, zone, start)


def _rate(expression: str, inside: str, start: float) -> Next:
    found = re.fullmatch(r"([1-9]\d*) (minute|hour|day)s?", inside)
    if found is None:
        raise _unreadable(expression, "a whole number over 0, a space, and minutes, hours or days")
    every_s = int(found[1]) * _UNITS_S[found[2]]

    def due(moment: float) -> float:
        if moment <= start:
            return start
        return start + -(-(moment - start) // every_s) * every_s

    return due


def _once(expression: str, inside: str, zone: ZoneInfo) -> Next:
    try:
        at = datetime.strptime(inside, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=zone).timestamp()
    except ValueError as error:
        raise _unreadable(expression, "at(yyyy-mm-ddThh:mm:ss)") from error
    return lambda moment: at if moment <= at else None


def _cron(expression: str, inside: str, zone: ZoneInfo, start: float) -> Next:
    texts = inside.split()
    if len(texts) != len(_FIELDS):
        raise _unreadable(
            expression, "six fields: minutes hours day-of-month month day-of-week year"
        )
    if (texts[2] == "?") == (texts[4] == "?"):
        raise _unreadable(expression, "a ? in one of day-of-month and day-of-week, not in both")
    minutes, hours, days, months, weekdays, years = (
        _values(expression, field, text) for field, text in zip(_FIELDS, texts, strict=True)
    )
    times = [
        timedelta(hours=hour, minutes=minute)
        for hour in sorted(hours)
        for minute in sorted(minutes)
    ]

    def on(day: datetime) -> bool:
        weekday = day.isoweekday() % 7 + 1  # Sunday is 1
        return day.year in years and day.month in months and day.day in days and weekday in weekdays

    def due(moment: float) -> float | None:
        moment = max(moment, start)
        midnight = datetime.fromtimestamp(moment, zone).replace(
            hour=0, minute=0, second=0, microsecond=0
        )
        for number in range(_FURTHEST_DAYS):
            day = midnight + timedelta(days=number)
            if on(day):
                for time in times:  # wall clock, so that a day keeps its hours when clocks change
                    at = (day + time).timestamp()
                    if at >= moment:
                        return at
        return None

    return due


def _values(expression: str, field: _Field, text: str) -> set[int]:
    if text == "?" and field.may_be_open:
        return set(range(field.first, field.last + 1))
    found: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"(?:(\*)|(\w+)(?:-(\w+))?)(?:/([1-9]\d*))?", part)
        if match is None:
            raise _unreadable(expression, f"numbers, *, ranges, lists and steps for {field.name}")
        every, low_text, high_text, step = match.groups()
        low = field.first if every else _number(expression, field, low_text)
        # 5/15 begins at 5 and goes on to the end
        last = low if not (every or step) else field.last
        high = last if high_text is None else _number(expression, field, high_text)
        found.update(range(low, high + 1, int(step or 1)))
    if not found:
        raise _unreadable(expression, f"a range of {field.name} that goes upwards")
    return found


def _number(expression: str, field: _Field, text: str) -> int:
    names = {name: number for number, name in enumerate(field.names, start=1)}
    value = names.get(text.upper())
    if value is None and text.isdecimal():
        value = int(text)
    if value is None or not field.first <= value <= field.last:
        raise _unreadable(expression, f"{field.first} to {field.last} for {field.name}")
    return value


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise validation_error(
            f"ScheduleExpressionTimezone is {name!r}; allowed are the IANA's names"
        ) from error


def _unreadable(expression: str, allowed: str) -> Exception:
    return validation_error(f"ScheduleExpression is {expression!r}; allowed: {allowed}")


def iso(moment: float) -> str:
    """The moment as AWS writes one."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
