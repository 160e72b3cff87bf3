"""Recorded traffic: a CSV of arrivals, or CloudWatch's Invocations of an endpoint."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from seatrial.aws import explained
from seatrial.cost.traffic import Traffic, from_counts
from seatrial.errors import InputError

# GetMetricStatistics answers at most 1440 points: a day of minutes at a time.
_MINUTES_A_CALL = 1440
# CloudWatch keeps minutes for 15 days. What starts a moment before that is already rounded down to
# five minutes, and a day of minutes is then one point more than a call may ask for.
MAX_DAYS = 14


def read_arrivals(path: Path, *, span_s: float | None = None) -> Traffic:
    """The arrivals in the first column of a CSV, in any order: ISO 8601 times, or seconds.

    A first line that is neither is taken for a header. Times without a zone are UTC. The span is
    from the first arrival to the last and one mean gap more, unless `span_s` says how long it was.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            times = np.fromiter(_times(csv.reader(file), path), dtype=np.float64)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            "cannot read the arrivals",
            got=f"{path} ({type(error).__name__}: {str(error)[:200]})",
            allowed="a CSV file in UTF-8 with one arrival a line",
            do="Check the path and the file",
        ) from error
    times.sort()
    return _spanning(times, path, span_s)


def _spanning(times: Any, path: Path, span_s: float | None) -> Traffic:
    seen_s = float(times[-1] - times[0]) if len(times) else 0.0
    if span_s is None:
        if seen_s <= 0:
            raise InputError(
                f"how long the traffic in {path} took cannot be told",
                got=f"{len(times)} arrivals within {seen_s:g} s",
                allowed="two arrivals at different times, or a span",
                do="Say how long was recorded with --span-h",
            )
        span_s = seen_s * len(times) / (len(times) - 1)
    elif span_s <= 0 or span_s < seen_s:
        raise InputError(
            f"the traffic in {path} does not fit the span",
            got=f"{span_s:g} s",
            allowed=f"at least the {seen_s:g} s between its first and last arrival",
            do="Give a longer --span-h",
        )
    return Traffic(times - times[0] if len(times) else times, span_s, path.name)


def _times(rows: Iterable[list[str]], path: Path) -> Iterator[float]:
    as_seconds: bool | None = None
    for number, row in enumerate(rows, start=1):
        text = row[0].strip() if row else ""
        if not text:
            continue
        seconds, is_number = _seconds(text)
        if seconds is None:
            if number == 1:
                continue  # a header
            raise _bad_line(path, number, text, "an ISO 8601 time, or seconds")
        if as_seconds is not None and is_number != as_seconds:
            kind = "seconds" if as_seconds else "ISO 8601 times"
            raise _bad_line(path, number, text, f"{kind}, as in the lines above")
        as_seconds = is_number
        yield seconds


def _seconds(text: str) -> tuple[float | None, bool]:
    """Seconds, and whether the text was a number; None for neither number nor time."""
    try:
        seconds = float(text)
    except ValueError:
        try:
            time = datetime.fromisoformat(text)
        except ValueError:
            return None, False
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp(), False
    return (seconds, True) if np.isfinite(seconds) else (None, True)


def _bad_line(path: Path, number: int, text: str, allowed: str) -> InputError:
    return InputError(
        f"line {number} of {path} is not an arrival",
        got=text[:80],
        allowed=allowed,
        do="Correct that line; only the first column is read",
    )


def read_invocations(
    cloudwatch: Any, endpoint_name: str, variant_name: str, *, end: datetime, days: int, seed: int
) -> Traffic:
    """CloudWatch's Invocations of an endpoint before `end`, spread at random within each minute."""
    if not 1 <= days <= MAX_DAYS:
        raise InputError(
            "CloudWatch does not have that many days by the minute",
            got=days,
            allowed=f"1 to {MAX_DAYS}",
            do="Give --days within that, or a CSV of arrivals with --traffic",
        )
    end = end.replace(second=0, microsecond=0)
    start = end - timedelta(days=days)
    counts = np.zeros(days * 24 * 60)
    for day in range(days):
        for point in _day_of_points(
            cloudwatch, endpoint_name, variant_name, start + timedelta(days=day)
        ):
            minute = int((point["Timestamp"] - start).total_seconds() // 60)
            if 0 <= minute < len(counts):
                counts[minute] += round(point["Sum"])
    if not counts.sum():
        raise InputError(
            f"CloudWatch has no invocations of {endpoint_name}",
            got=f"0 in {days} days before {end:%Y-%m-%d %H:%M} UTC",
            allowed="an endpoint that was invoked",
            do="Check endpoint, variant and region, or give --days",
        )
    source = f"CloudWatch Invocations of {endpoint_name}, {days} days before {end:%Y-%m-%d %H:%M}"
    return from_counts(counts, seed=seed, source=source)


def _day_of_points(
    cloudwatch: Any, endpoint_name: str, variant_name: str, start: datetime
) -> list[dict[str, Any]]:
    with explained(
        f"Invocations of {endpoint_name}", do="Check cloudwatch:GetMetricStatistics permission"
    ):
        points: list[dict[str, Any]] = cloudwatch.get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName="Invocations",
            Dimensions=[
                {"Name": "EndpointName", "Value": endpoint_name},
                {"Name": "VariantName", "Value": variant_name},
            ],
            StartTime=start,
            EndTime=start + timedelta(minutes=_MINUTES_A_CALL),
            Period=60,
            Statistics=["Sum"],
        )["Datapoints"]
    return points
