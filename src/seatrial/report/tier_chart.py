"""Cost and latency by memory tier: one bar each, and why a tier was not taken."""

from __future__ import annotations

from collections.abc import Sequence

from seatrial.contracts import Configuration, Readiness
from seatrial.report.markup import Markup, join, table
from seatrial.report.numbers import round_ticks, shown, usd
from seatrial.report.svg import (
    WIDTH,
    Box,
    Figure,
    drawing,
    line,
    linear,
    rectangle,
    text,
    y_axis,
)

KEY, TITLE = "tiers", "Cost and latency by memory tier"
_COST, _LATENCY = Box(44, 26, WIDTH - 6, 108), Box(44, 152, WIDTH - 6, 234)


def tier_chart(readiness: Readiness, objective_ms: float) -> Figure:
    """Both figures of each configuration; dashed where the tier does not qualify."""
    tiers = readiness.configurations
    description = _described(tiers, objective_ms)
    costs = [item.usd_per_million_requests for item in tiers]
    slow = [item.latency_p95_ms for item in tiers]
    return Figure(
        KEY,
        TITLE,
        description,
        drawing(
            KEY,
            TITLE,
            description,
            272,
            text(0, 14, "US dollars per million requests", class_="name"),
            _bars(_COST, tiers, costs, None),
            text(0, 140, "p95 in milliseconds, slowest payload", class_="name"),
            _bars(_LATENCY, tiers, slow, objective_ms),
            _names(tiers),
        ),
        table(
            ("tier", "$ per million", "p95", "how"),
            [_row(item) for item in tiers],
        ),
        _note(tiers),
    )


def _bars(
    box: Box, tiers: Sequence[Configuration], values: Sequence[float | None], goal: float | None
) -> Markup:
    highest = max((value for value in values if value is not None), default=0.0)
    if goal is not None and goal <= 4 * highest:
        highest = max(highest, goal)
    ticks = round_ticks(highest, 4)
    scale = linear((0, ticks[-1]), (box.bottom, box.top))
    step = (box.right - box.left) / max(len(tiers), 1)
    bars: list[Markup | None] = [y_axis(box, scale, ticks, lambda tick: f"{tick:g}")]
    for number, (item, value) in enumerate(zip(tiers, values, strict=True)):
        left, middle = box.left + step * (number + 0.18), box.left + step * (number + 0.5)
        if value is None:
            bars.append(text(middle, box.bottom - 4, "?", at="middle", class_="tick"))
            continue
        top = scale(value)
        bars.append(rectangle(left, top, step * 0.64, box.bottom - top, _look(item)))
        bars.append(text(middle, top - 3, shown(value), at="middle", class_="tick"))
    if goal is not None and goal <= ticks[-1]:
        bars.append(line(box.left, scale(goal), box.right, scale(goal), "goal"))
        bars.append(text(box.right, scale(goal) - 3, "objective", at="end", class_="goal-name"))
    return join(*bars)


def _look(item: Configuration) -> str:
    if item.chosen:
        return "main"
    return "idle" if _qualifies(item) else "out"


def _qualifies(item: Configuration) -> bool:
    """Whether it lost by a comparison and not by a limit."""
    return "'s" in item.reason or item.reason.startswith("no better")


def _names(tiers: Sequence[Configuration]) -> Markup:
    box = _LATENCY
    step = (box.right - box.left) / max(len(tiers), 1)
    names = [
        text(
            box.left + step * (number + 0.5),
            box.bottom + 16,
            str(item.memory_size_mb),
            at="middle",
            class_="strong" if item.chosen else "tick",
        )
        for number, item in enumerate(tiers)
    ]
    return join(
        *names, text((box.left + box.right) / 2, box.bottom + 32, "tier in MB", at="middle")
    )


def _described(tiers: Sequence[Configuration], objective_ms: float) -> str:
    each = "; ".join(
        f"{item.memory_size_mb} MB {usd(item.usd_per_million_requests)} and "
        f"{shown(item.latency_p95_ms, 'ms')}{', recommended' if item.chosen else ''}"
        for item in tiers
    )
    return (
        f"Bars by tier, cost per million requests and p95 (objective {objective_ms:g} ms): {each}"
    )


def _note(tiers: Sequence[Configuration]) -> str:
    seen = [str(item.memory_size_mb) for item in tiers if item.latency_method != "predicted"]
    how = (
        f"p95 measured under CPU quota at {', '.join(seen)} MB, else predicted."
        if seen
        else "p95 is predicted from whole cores: one vCPU per 1769 MB, as on Lambda, in periods of "
        "20 ms. The service's own are not documented."
    )
    return f"{how} Filled: recommended. Dashed: the tier does not qualify."


def _row(item: Configuration) -> tuple[str, ...]:
    return (
        f"{item.memory_size_mb} MB",
        usd(item.usd_per_million_requests),
        shown(item.latency_p95_ms, "ms"),
        item.latency_method,
    )
