"""What the worst columns look like: the window over the reference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from seatrial.contracts import ColumnDrift, DriftReport
from seatrial.contracts.distribution import Distribution
from seatrial.report.markup import Markup, join, table
from seatrial.report.numbers import brief, round_ticks, shown
from seatrial.report.svg import (
    WIDTH,
    Box,
    Figure,
    drawing,
    fitted,
    line,
    linear,
    path,
    rectangle,
    text,
    y_axis,
)

# Whoever calls the endpoint chooses the length of a category.
MAX_NAME = 60
HEIGHT = 150.0
_ROW, _LABELS, _FIGURES = 26.0, 104.0, 44.0
OTHERS = "all others"
# Of any window a few values are beyond those of the reference.
LEAST_TOLD = 0.01


def distribution_charts(drift: DriftReport) -> Iterator[Figure]:
    """One for each column whose distribution is in the report."""
    columns = {item.column: item for item in drift.columns}
    for number, item in enumerate(drift.distributions, start=1):
        yield _chart(f"distribution-{number}", item, columns[item.column])


def _chart(key: str, item: Distribution, found: ColumnDrift) -> Figure:
    title = f"{_short(item.column)}: reference and window"
    height, drawn = _categories(item) if item.categories else _numbers(item)
    bins = _bins(item)
    description = _described(item, bins)
    rows = [
        (name, _percent(before), _percent(now))
        for name, before, now in zip(bins, item.reference, item.window, strict=True)
    ]
    return Figure(
        key,
        title,
        description,
        drawing(key, title, description, height, drawn),
        table(("values", "reference", "window"), rows),
        _note(item, found),
    )


def _note(item: Distribution, found: ColumnDrift) -> str:
    """What is what, and what the chart cannot show."""
    what = "Bars: the reference. Line: the window."
    if item.categories:
        what = "Grey: the reference. Coloured: the window."
    missing = found.reference_missing_ratio, found.window_missing_ratio
    if max(missing) > 0:
        what += f" Missing: {_percent(missing[0])}, then {_percent(missing[1])}."
    if item.window_beyond >= LEAST_TOLD:
        what += (
            f" {_percent(item.window_beyond)} of the window is beyond all values of the reference, "
            "and drawn as if spread evenly there."
        )
    return what


def _short(name: str) -> str:
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…"


def _percent(ratio: float) -> str:
    return f"{ratio:.1%}"


def _bins(item: Distribution) -> list[str]:
    if item.categories:
        return [*map(_short, item.categories), *([OTHERS] if item.others else [])]
    return [f"{shown(low)} to {shown(high)}" for low, high in pairwise(item.edges)]


def _described(item: Distribution, bins: Sequence[str]) -> str:
    """Where most rows are on either side, and where the largest change is."""
    both = list(zip(bins, item.reference, item.window, strict=True))
    before = max(both, key=lambda part: part[1])
    now = max(both, key=lambda part: part[2])
    moved = max(both, key=lambda part: abs(part[2] - part[1]))
    return (
        f"Shares of {_short(item.column)}: most of the reference at {before[0]} "
        f"({_percent(before[1])}), most of the window at {now[0]} ({_percent(now[2])}); "
        f"largest change at {moved[0]}, from {_percent(moved[1])} to {_percent(moved[2])}"
    )


def _numbers(item: Distribution) -> tuple[float, Markup]:
    """The reference as bars, the window as the outline of its own."""
    ticks = round_ticks(100 * max(*item.reference, *item.window), 4)
    box = Box(40, 10, WIDTH - 12, HEIGHT - 24)
    x = linear((item.edges[0], item.edges[-1]), (box.left, box.right))
    y = linear((0, ticks[-1]), (box.bottom, box.top))
    sides = list(pairwise(map(x, item.edges)))
    bars = [
        rectangle(left, y(100 * share), right - left - 1, box.bottom - y(100 * share), "idle")
        for (left, right), share in zip(sides, item.reference, strict=True)
    ]
    outline = [(box.left, box.bottom)]
    for (left, right), share in zip(sides, item.window, strict=True):
        outline += [(left, y(100 * share)), (right, y(100 * share))]
    ends = join(
        text(box.left, box.bottom + 16, brief(item.edges[0]), class_="tick"),
        text(box.right, box.bottom + 16, brief(item.edges[-1]), at="end", class_="tick"),
    )
    return HEIGHT, join(
        y_axis(box, y, ticks, lambda tick: f"{brief(tick)} %"),
        *bars,
        line(box.left, box.bottom, box.right, box.bottom, "axis"),
        path([*outline, (box.right, box.bottom)], "stroke"),
        ends,
    )


def _categories(item: Distribution) -> tuple[float, Markup]:
    """Two bars for each category, the reference's above."""
    bins = _bins(item)
    x = linear((0, max(*item.reference, *item.window)), (_LABELS, WIDTH - _FIGURES))
    rows = [
        join(
            text(0, top + 16, fitted(name, _LABELS - 14)),
            rectangle(_LABELS, top + 3, x(before) - _LABELS, 8, "idle"),
            rectangle(_LABELS, top + 12, x(now) - _LABELS, 8, "main"),
            text(x(max(before, now)) + 4, top + 16, _percent(now), class_="tick"),
        )
        for top, name, before, now in zip(
            (8 + _ROW * at for at in range(len(bins))),
            bins,
            item.reference,
            item.window,
            strict=True,
        )
    ]
    return 16 + _ROW * len(bins), join(*rows)
