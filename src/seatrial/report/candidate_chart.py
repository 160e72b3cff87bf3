"""Candidates by size, speed and quality: a row each, a column for each of the three."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from seatrial.contracts import Candidate, Estimate, Optimization
from seatrial.report.markup import Markup, join, table
from seatrial.report.numbers import DASH, shown
from seatrial.report.svg import (
    WIDTH,
    Figure,
    circle,
    drawing,
    fitted,
    line,
    linear,
    rectangle,
    text,
)

KEY, TITLE = "candidates", "Candidates by size, speed and quality"
_ROW, _TOP = 44.0, 40.0
_SIZE, _SPEED, _QUALITY = (8.0, 92.0), (120.0, 204.0), (232.0, WIDTH - 8)


@dataclass(frozen=True)
class _Ranges:
    """What the columns' ends stand for."""

    size_mb: float
    p50_ms: float
    drop: float


def candidate_chart(optimization: Optimization, chosen: str) -> Figure:
    """Every candidate that was built, the chosen one filled."""
    built = [item for item in optimization.candidates if item.archive is not None]
    ranges = _Ranges(
        max((item.model_size_mb or 0.0 for item in built), default=0.0) or 1.0,
        max((_p50_ms(item) or 0.0 for item in built), default=0.0) or 1.0,
        max((_reach(_drop(item)) for item in built), default=0.0) or 1.0,
    )
    description = "Rows of size in MB, p50 in ms and largest drop of quality with its interval: "
    description += "; ".join(_spelled(item) for item in built) or "none was built"
    height = _TOP + _ROW * max(len(built), 1)
    return Figure(
        KEY,
        TITLE,
        description,
        drawing(
            KEY,
            TITLE,
            description,
            height + 24,
            text(_SIZE[0], 14, "size, MB", class_="name"),
            text(_SPEED[0], 14, "p50, ms", class_="name"),
            text(_QUALITY[0], 14, "quality drop", class_="name"),
            line(sum(_QUALITY) / 2, _TOP - 16, sum(_QUALITY) / 2, height + 4, "axis"),
            *(
                _candidate(item, _TOP + _ROW * number, ranges, chosen=item.name == chosen)
                for number, item in enumerate(built)
            ),
            text(
                _QUALITY[1],
                height + 18,
                f"the ends are ±{ranges.drop:.2g}",
                at="end",
                class_="tick",
            ),
        ),
        table(
            ("candidate", "size", "p50", "largest drop, 95 %", "quality", "verdict"),
            [_row(item, chosen) for item in optimization.candidates],
        ),
        f"Measured by optimize with the serving interpreter, one thread{_batch(built)}. "
        "A drop right of the line is worse than the original.",
    )


def _candidate(item: Candidate, top: float, ranges: _Ranges, *, chosen: bool) -> Markup:
    size = linear((0, ranges.size_mb), _SIZE)
    speed = linear((0, ranges.p50_ms), _SPEED)
    look, p50_ms = "main" if chosen else "idle", _p50_ms(item)
    return join(
        text(_SIZE[0], top, fitted(item.name, WIDTH - 16), class_="strong" if chosen else "name"),
        _bar(size, item.model_size_mb, top, look),
        _bar(speed, p50_ms, top, look),
        _interval(_drop(item), top + 14, ranges.drop),
    )


def _bar(scale: Callable[[float], float], value: float | None, top: float, look: str) -> Markup:
    if value is None:
        return text(scale(0), top + 18, DASH, class_="tick")
    width = max(1.0, scale(value) - scale(0)) * 0.62
    return join(
        rectangle(scale(0), top + 7, width, 14, look),
        text(scale(0) + width + 3, top + 18, shown(value), class_="tick"),
    )


def _interval(drop: tuple[str, Estimate] | None, y: float, reach: float) -> Markup:
    if drop is None:
        return text(_QUALITY[0], y + 4, "not scored", class_="tick")
    x = linear((-reach, reach), _QUALITY)
    found = drop[1]
    return join(
        line(x(found.low), y, x(found.high), y, "axis"), circle(x(found.value), y, 4, "mark")
    )


def _p50_ms(item: Candidate) -> float | None:
    return item.latencies[0].p50_ms if item.latencies else None


def _batch(items: Sequence[Candidate]) -> str:
    rows = next((item.latencies[0].rows for item in items if item.latencies), None)
    return "" if rows is None else f", {rows} row{'s' if rows > 1 else ''} a call"


def _drop(item: Candidate) -> tuple[str, Estimate] | None:
    """The metric that lost most."""
    return max(item.drops.items(), key=lambda pair: pair[1].high, default=None)


def _reach(drop: tuple[str, Estimate] | None) -> float:
    return 0.0 if drop is None else max(abs(drop[1].low), abs(drop[1].high))


def _shown_drop(item: Candidate) -> str:
    drop = _drop(item)
    if drop is None:
        return DASH
    name, found = drop
    return f"{name} {found.value:.2g} ({found.low:.2g} to {found.high:.2g})"


def _spelled(item: Candidate) -> str:
    return (
        f"{item.name} {shown(item.model_size_mb, 'MB')}, {shown(_p50_ms(item), 'ms')}, "
        f"{_shown_drop(item)}"
    )


def _row(item: Candidate, chosen: str) -> tuple[str, ...]:
    verdict = "chosen" if item.name == chosen else item.rejection or item.passed_over or "survives"
    quality = ", ".join(f"{name} {value:.4f}" for name, value in item.quality.items())
    return (
        item.name,
        shown(item.model_size_mb, "MB"),
        shown(_p50_ms(item), "ms"),
        _shown_drop(item),
        quality or DASH,
        verdict,
    )
