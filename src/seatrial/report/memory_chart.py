"""Memory over time against the tier's cap; by payload where no run over time was kept."""

from __future__ import annotations

from seatrial.contracts import CandidateProfile, PayloadProfile
from seatrial.report.markup import Markup, join, table
from seatrial.report.numbers import brief, round_ticks, shown
from seatrial.report.svg import (
    WIDTH,
    Box,
    Figure,
    Scale,
    drawing,
    fitted,
    line,
    linear,
    path,
    rectangle,
    text,
    x_axis,
    y_axis,
)

KEY = "memory"
_BOX = Box(44, 30, WIDTH - 8, 190)
_SHOWN_SAMPLES = 12


def memory_chart(measured: CandidateProfile, tier_mb: int, usable_ratio: float) -> Figure:
    """The candidate's memory under the cap of its tier."""
    return (_over_time if measured.memory else _by_payload)(measured, tier_mb, usable_ratio)


def _over_time(measured: CandidateProfile, tier_mb: int, usable_ratio: float) -> Figure:
    samples = measured.memory
    title = "Memory over time against the cap"
    peak = max(item.memory_mb for item in samples)
    description = (
        f"A line of the process tree's memory in MB over {samples[-1].at_s:.0f} seconds: "
        f"{samples[0].memory_mb:.0f} at first, {peak:.0f} at most, {samples[-1].memory_mb:.0f} at "
        f"the end; the tier's cap is {tier_mb} MB, {tier_mb * usable_ratio:.0f} of it usable"
    )
    ticks = round_ticks(max(peak, tier_mb))
    across = round_ticks(max(samples[-1].at_s, 1e-3))
    y = linear((0, ticks[-1]), (_BOX.bottom, _BOX.top))
    x = linear((0, across[-1]), (_BOX.left, _BOX.right))
    every = max(1, len(samples) // _SHOWN_SAMPLES)
    return Figure(
        KEY,
        title,
        description,
        drawing(
            KEY,
            title,
            description,
            228,
            text(0, 14, "MB of the whole process tree", class_="name"),
            y_axis(_BOX, y, ticks, brief),
            x_axis(_BOX, x, across, brief),
            _caps(y, tier_mb, usable_ratio),
            path([(x(item.at_s), y(item.memory_mb)) for item in samples], "stroke"),
            text((_BOX.left + _BOX.right) / 2, 222, "seconds since the start", at="middle"),
        ),
        table(
            ("seconds", "MB"),
            [(shown(item.at_s), shown(item.memory_mb)) for item in samples[::every]],
        ),
        _growth(measured),
    )


def _by_payload(measured: CandidateProfile, tier_mb: int, usable_ratio: float) -> Figure:
    items = [item for item in (*measured.payloads, *measured.scaled) if item.concurrency == 1]
    items = sorted(items, key=lambda item: item.rows)
    title = "Peak memory by payload against the cap"
    description = (
        f"Bars of peak memory in MB by payload, cap {tier_mb} MB, {tier_mb * usable_ratio:.0f} of "
        "it usable: "
        + ("; ".join(f"{i.payload} {i.peak_memory_mb:.0f}" for i in items) or "none was measured")
    )
    highest = max([tier_mb, *(item.peak_memory_mb for item in items)])
    ticks = round_ticks(highest)
    y = linear((0, ticks[-1]), (_BOX.bottom, _BOX.top))
    return Figure(
        KEY,
        title,
        description,
        drawing(
            KEY,
            title,
            description,
            228,
            text(0, 14, "peak MB of the whole process tree", class_="name"),
            y_axis(_BOX, y, ticks, brief),
            _caps(y, tier_mb, usable_ratio),
            _payload_bars(items, y),
            line(_BOX.left, _BOX.bottom, _BOX.right, _BOX.bottom, "axis"),
            text((_BOX.left + _BOX.right) / 2, 222, "payload, by rows", at="middle"),
        ),
        table(
            ("payload", "rows", "peak MB"),
            [(item.payload, f"{item.rows:,}", _peak(item)) for item in items],
        ),
        "This profile has no samples over time. " + _growth(measured),
    )


def _payload_bars(items: list[PayloadProfile], y: Scale) -> Markup:
    step = (_BOX.right - _BOX.left) / max(len(items), 1)
    marks = []
    for number, item in enumerate(items):
        left, top = _BOX.left + step * number, y(item.peak_memory_mb)
        width = min(step * 0.6, 60)
        middle = left + step / 2
        marks += [
            rectangle(middle - width / 2, top, width, _BOX.bottom - top, "main"),
            text(middle, top - 3, _peak(item), at="middle", class_="tick"),
            text(middle, _BOX.bottom + 16, fitted(item.payload, step), at="middle", class_="tick"),
        ]
    return join(*marks)


def _caps(y: Scale, tier_mb: int, usable_ratio: float) -> Markup:
    usable_mb = tier_mb * usable_ratio
    return join(
        line(_BOX.left, y(tier_mb), _BOX.right, y(tier_mb), "limit"),
        text(_BOX.right, y(tier_mb) - 4, f"cap {tier_mb} MB", at="end", class_="limit-name"),
        line(_BOX.left, y(usable_mb), _BOX.right, y(usable_mb), "goal"),
        text(
            _BOX.right, y(usable_mb) + 13, f"usable {usable_mb:.0f}", at="end", class_="goal-name"
        ),
    )


def _peak(item: PayloadProfile) -> str:
    return f"{'> ' if item.stopped else ''}{shown(item.peak_memory_mb)}"


def _growth(measured: CandidateProfile) -> str:
    growth = measured.growth
    if growth is None:
        return "No sustained run was measured."
    return (
        f"Growth: {growth.slope_mb_per_1000_requests:.2g} MB per 1000 requests (95 %: "
        f"{growth.slope_low:.2g} to {growth.slope_high:.2g}) over {growth.requests:,}."
    )
