"""Advice from the prediction log, on what no other source knows."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.contracts import MB
from seatrial.contracts.calls import Calls, Spread
from seatrial.contracts.review import Advice, Logged
from seatrial.review.situation import Situation

# Of the requests: so many that are larger than any that was profiled are no odd ones.
ODD_RATIO = 0.01


def log(found: Situation) -> Iterator[Advice]:
    """Whether it is there, and whether it is all there."""
    logged = found.usage.logged
    if logged is None:
        none = "no window of the prediction log was collected in the period: schedule the monitor"
        yield Advice(topic="LOG", act=False, known=False, detail=none)
        return
    calls, least = logged.calls, found.config.monitoring.min_completeness_ratio
    ratio = calls.completeness_ratio
    holes = ratio is not None and ratio < least
    windows = f"{logged.windows} window{'s' if logged.windows > 1 else ''}"
    told = f"{calls.requests:.0f} requests in {windows}"
    if ratio is not None:
        told += f", {ratio:.1%} of the calls in the worst of them"
    if len(calls.versions) > 1:
        told += f"; {len(calls.versions)} model versions: {_by_version(calls)}"
    fix = f"; {least:.0%} are wanted: look at the delivery stream" if holes else ""
    yield Advice(topic="LOG", act=holes, detail=told + fix)


def _by_version(calls: Calls) -> str:
    total = sum(calls.versions.values()) or 1.0
    most = sorted(calls.versions.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {count / total:.0%}" for name, count in most[:3])


def payloads(found: Situation) -> Iterator[Advice]:
    """The callers' requests against the service's limit and against what was profiled."""
    logged = found.usage.logged
    if logged is None or not logged.calls.callers.request_bytes.count:
        return
    callers, limit_mb = logged.calls.callers, found.limits.payload_mb.value
    told = (
        f"requests {_sizes(callers.request_bytes)}, answers {_sizes(callers.response_bytes)}, of "
        f"{limit_mb:g} MB; rows {_plain(callers.rows)} (p50, p99, largest)"
    )
    unprofiled = _unprofiled(logged)
    fix = f"; {unprofiled}" if unprofiled else ""
    yield Advice(topic="PAYLOADS", act=bool(unprofiled), detail=told + fix)


def _unprofiled(logged: Logged) -> str:
    """Why the profile does not hold for the callers' requests; empty if it does."""
    largest = logged.verified_request_bytes
    over = 0.0 if largest is None else logged.calls.callers.request_bytes.share_over(largest + 1)
    if largest is None or over <= ODD_RATIO:
        return ""
    return (
        f"{over:.0%} are larger than the {_size(largest)} of the largest that was profiled: add a "
        "sample payload of that size, and profile again"
    )


def pings(found: Situation) -> Iterator[Advice]:
    """What our own traffic costs, and what callers meet all the same."""
    logged = found.usage.logged
    usd, share = found.pings_usd_a_month, found.synthetic_share
    if logged is None or not logged.calls.synthetic.requests or usd is None:
        return
    callers = logged.calls.callers
    cold = f"; {callers.cold / callers.marked:.1%} of callers met a cold sandbox all the same"
    yield Advice(
        topic="PINGS",
        act=False,
        detail=f"{share:.1%} of the requests are our own (pings, checks, load tests), for "
        f"${usd:.2f} a month"
        f"{cold if callers.marked else ''}",
    )


def _sizes(spread: Spread) -> str:
    figures = (spread.percentile(50), spread.percentile(99), spread.largest)
    return " / ".join(_size(figure or 0) for figure in figures)


def _plain(spread: Spread) -> str:
    figures = (spread.percentile(50), spread.percentile(99), spread.largest)
    return " / ".join(f"{figure or 0:.0f}" for figure in figures)


def _size(size_bytes: float) -> str:
    """In the unit that it reads well in.

    >>> _size(300), _size(2048), _size(3 * 2**20)
    ('300 B', '2.0 kB', '3.00 MB')
    """
    if size_bytes < 1000:
        return f"{size_bytes:.0f} B"
    return f"{size_bytes / 1024:.1f} kB" if size_bytes < MB / 2 else f"{size_bytes / MB:.2f} MB"
