"""The charts of a monitored window: the windows before it, the columns, the metrics."""

from __future__ import annotations

from collections.abc import Sequence

from seatrial.contracts import ColumnDrift, DriftReport, LabelScores, MetricScore
from seatrial.contracts.verdicts import WindowVerdict
from seatrial.report.markup import Markup, join, table
from seatrial.report.numbers import brief, round_ticks, shown
from seatrial.report.svg import (
    WIDTH,
    Box,
    Figure,
    circle,
    drawing,
    fitted,
    line,
    linear,
    rectangle,
    text,
    x_axis,
)

MAX_COLUMNS, MAX_WINDOWS = 12, 26
ROW = 22.0
_LABELS = 104.0
# A date is 69 units wide in Chromium's own font.
_DATE = 78.0


def columns_chart(drift: DriftReport) -> Figure:
    """The worst columns, each by its score in parts of its bound."""
    title, key = "Columns by drift", "columns"
    worst = sorted(drift.columns, key=_ratio, reverse=True)[:MAX_COLUMNS]
    moved = ", ".join(drift.drifted_columns) or "none"
    description = f"Bars of each column's drift score over its bound; beyond the bound: {moved}"
    most = max([1.0, *(min(_ratio(item), 10.0) for item in worst)])
    ticks = round_ticks(most, 4)
    box = Box(_LABELS, 8, WIDTH - 34, 8 + ROW * max(len(worst), 1))
    x = linear((0, ticks[-1]), (box.left, box.right))
    bars = [
        join(
            text(
                0,
                top + 15,
                fitted(item.column, _LABELS - 14),
                class_=_strong(item.drifted),
            ),
            rectangle(
                x(0),
                top + 4,
                x(min(_ratio(item), ticks[-1])) - x(0),
                ROW - 8,
                "other" if item.drifted else "idle",
            ),
            text(x(min(_ratio(item), ticks[-1])) + 4, top + 15, shown(_ratio(item)), class_="tick"),
        )
        for item, top in ((item, box.top + ROW * at) for at, item in enumerate(worst))
    ]
    return Figure(
        key,
        title,
        description,
        drawing(
            key,
            title,
            description,
            box.bottom + 40,
            line(x(1), box.top, x(1), box.bottom, "limit"),
            *bars,
            x_axis(box, x, ticks, brief),
            text((box.left + box.right) / 2, box.bottom + 34, "score over its bound", at="middle"),
        ),
        _columns_table(drift.columns),
        f"Red: the bound. {drift.detail}".strip(),
    )


def _strong(noted: bool) -> str:
    return "strong" if noted else ""


def _ratio(item: ColumnDrift) -> float:
    """A bound of 0 is passed by anything."""
    if item.bound > 0:
        return item.score / item.bound
    return 0.0 if item.score == 0 else 10.0


def _columns_table(columns: Sequence[ColumnDrift]) -> Markup:
    rows = [
        (
            item.column,
            "moved" if item.drifted else "–",
            item.metric,
            shown(item.score),
            shown(item.bound),
            shown(item.floor),
            f"{shown(item.reference_mean)} to {shown(item.window_mean)}",
            ", ".join(item.new_categories) or "–",
        )
        for item in columns
    ]
    names = ("column", "", "metric", "score", "bound", "floor", "mean", "new categories")
    return table(names, rows)


def timeline_chart(windows: Sequence[WindowVerdict]) -> Figure:
    """The last windows as squares, this one at the right."""
    title, key = "This window and those before it", "timeline"
    last = list(windows)[-MAX_WINDOWS:]
    alerts = sum(bool(item.ailments) for item in last)
    description = f"A square for each of {len(last)} windows, {alerts} of them alerts"
    step = (WIDTH - 16) / MAX_WINDOWS
    left = WIDTH - 8 - step * len(last)
    squares = [
        rectangle(left + step * at + 1, 22, step - 2, 26, "other" if item.ailments else "idle")
        for at, item in enumerate(last)
    ]
    # So far to the left at least that the other date has room.
    first = min(left, WIDTH - 8 - 2 * _DATE)
    ends = join(
        text(first, 66, f"{last[0].started_at:%Y-%m-%d}", class_="tick") if len(last) > 8 else None,
        text(WIDTH - 8, 66, f"{last[-1].ended_at:%Y-%m-%d}", at="end", class_="tick"),
    )
    rows = [
        (
            f"{item.started_at:%Y-%m-%d %H:%M} to {item.ended_at:%Y-%m-%d %H:%M}",
            item.endpoint_config_name,
            ", ".join(item.ailments) or "well",
            ", ".join(item.acts) or "–",
        )
        for item in reversed(last)
    ]
    return Figure(
        key,
        title,
        description,
        drawing(key, title, description, 76, *squares, ends),
        table(("window (UTC)", "configuration", "found", "done"), rows),
        f"{alerts} of {len(last)} were alerts.",
    )


def metrics_chart(labels: LabelScores) -> Figure:
    """Each metric with its interval, beside the baseline's value."""
    title, key = "Quality by labels", "metrics"
    box = Box(_LABELS, 8, WIDTH - 12, 8 + ROW * 1.5 * len(labels.metrics))
    description = "; ".join(_said(item) for item in labels.metrics)
    drawn = [
        _metric(item, box, top)
        for item, top in (
            (item, box.top + ROW * 1.5 * at) for at, item in enumerate(labels.metrics)
        )
    ]
    rows = [
        (
            item.metric,
            shown(item.value),
            f"{shown(item.low)} to {shown(item.high)}",
            shown(item.baseline),
            "decayed" if item.decayed else "–",
        )
        for item in labels.metrics
    ]
    return Figure(
        key,
        title,
        description,
        drawing(key, title, description, box.bottom + 10, *drawn),
        table(("metric", "now", "95 % interval", "baseline", ""), rows),
        f"{labels.labelled_rows:,} labelled rows. Ring: now, with its 95 % interval. Dashed: the "
        "baseline.",
    )


def _said(item: MetricScore) -> str:
    return (
        f"{item.metric} {shown(item.value)} ({shown(item.low)} to {shown(item.high)}), baseline "
        f"{shown(item.baseline)}"
    )


def _metric(item: MetricScore, box: Box, top: float) -> Markup:
    """On a scale of its own, from the lowest to the highest of its figures."""
    known = [item.low, item.high, item.value, *([item.baseline] if item.baseline else [])]
    pad = (max(known) - min(known)) * 0.15 or 0.5
    x = linear((min(known) - pad, max(known) + pad), (box.left, box.right))
    middle = top + ROW * 0.6
    return join(
        text(0, middle + 4, fitted(item.metric, 68), class_=_strong(item.decayed)),
        text(70, middle + 4, shown(item.value), class_="tick"),
        line(x(item.low), middle, x(item.high), middle, "axis"),
        None
        if item.baseline is None
        else line(x(item.baseline), top + 2, x(item.baseline), top + ROW * 1.2, "goal"),
        circle(x(item.value), middle, 5, "mark"),
    )
