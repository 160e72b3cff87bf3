"""Cold start by phase, a bar for each profiled candidate."""

from __future__ import annotations

from collections.abc import Sequence

from seatrial.contracts import ColdStart, Profile
from seatrial.report.markup import Markup, join, table
from seatrial.report.numbers import round_ticks, shown
from seatrial.report.svg import (
    WIDTH,
    Box,
    Figure,
    Scale,
    drawing,
    fitted,
    linear,
    rectangle,
    text,
    x_axis,
)

KEY, TITLE = "start", "Cold start by phase"
PHASES = (("to open port", "main"), ("to /ping", "other"), ("to first prediction", "third"))
_ROW, _TOP = 40.0, 44.0


def start_chart(profile: Profile) -> Figure:
    """Seconds of each phase, as measured on whole cores."""
    starts = [(item.candidate, item.cold_start) for item in profile.candidates]
    known = [(name, cold) for name, cold in starts if cold is not None]
    longest = max((sum(_phases(cold)) for _, cold in known), default=0.0)
    ticks = round_ticks(longest)
    bottom = _TOP + _ROW * max(len(starts), 1)
    box = Box(8, _TOP, WIDTH - 34, bottom)
    x = linear((0, ticks[-1]), (box.left, box.right))
    description = "Stacked bars of seconds from process start: " + (
        "; ".join(f"{name} {_spelled(cold)}" for name, cold in known) or "none was measured"
    )
    return Figure(
        KEY,
        TITLE,
        description,
        drawing(
            KEY,
            TITLE,
            description,
            bottom + 40,
            _legend(),
            _bars(starts, box, x),
            x_axis(box, x, ticks, lambda tick: f"{tick:g}"),
            text((box.left + box.right) / 2, bottom + 34, "seconds", at="middle"),
        ),
        table(
            ("candidate", *(name for name, _ in PHASES), "in all"),
            [_row(name, cold) for name, cold in starts],
        ),
        f"On {profile.cpu_count} whole cores, medians over fresh processes, without image pull "
        "and download; a tier of less than a core takes longer.",
    )


def _phases(cold: ColdStart) -> tuple[float, float, float]:
    """Seconds of each: they are measured from the start."""
    ping = max(0.0, cold.to_ping_s - cold.to_port_s)
    return cold.to_port_s, ping, max(0.0, cold.to_first_prediction_s - cold.to_ping_s)


def _spelled(cold: ColdStart) -> str:
    each = zip(PHASES, _phases(cold), strict=True)
    return ", ".join(f"{name} {shown(seconds, 's')}" for (name, _), seconds in each)


def _legend() -> Markup:
    places = (8.0, 112.0, 188.0)
    marks = []
    for (name, look), left in zip(PHASES, places, strict=True):
        marks += [rectangle(left, 6, 10, 10, look), text(left + 14, 15, name, class_="tick")]
    return join(*marks)


def _bars(starts: Sequence[tuple[str, ColdStart | None]], box: Box, x: Scale) -> Markup:
    marks = []
    for number, (name, cold) in enumerate(starts):
        top = box.top + _ROW * number
        marks.append(text(box.left, top + 2, fitted(name, box.right - box.left), class_="name"))
        if cold is None:
            marks.append(text(box.left, top + 20, "not measured", class_="tick"))
            continue
        begin = 0.0
        for seconds, (_, look) in zip(_phases(cold), PHASES, strict=True):
            width = x(begin + seconds) - x(begin)
            marks.append(rectangle(x(begin), top + 8, width, 18, look))
            begin += seconds
        marks.append(text(x(begin) + 4, top + 21, shown(begin, "s"), class_="tick"))
    return join(*marks)


def _row(name: str, cold: ColdStart | None) -> tuple[str, ...]:
    if cold is None:
        return (name, *[shown(None)] * 4)
    phases = _phases(cold)
    return (name, *(shown(value, "s") for value in phases), shown(sum(phases), "s"))
