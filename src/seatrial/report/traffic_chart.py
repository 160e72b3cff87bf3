"""Cost over traffic, serverless beside real-time, and where one gets cheaper than the other."""

from __future__ import annotations

from collections.abc import Sequence

from seatrial.contracts import Crossover, CurvePoint, TrafficCost
from seatrial.report.markup import Markup, join, table
from seatrial.report.numbers import brief, decades, usd
from seatrial.report.svg import (
    WIDTH,
    Box,
    Figure,
    Scale,
    circle,
    drawing,
    line,
    logarithmic,
    path,
    text,
    x_axis,
    y_axis,
)

KEY, TITLE = "traffic", "Cost over traffic"
_BOX = Box(48, 46, WIDTH - 10, 196)
_LEAST_USD = 0.01  # less is not drawn


def traffic_chart(traffic: TrafficCost) -> Figure:
    """Two lines on logarithmic axes; the expected traffic and the crossovers are marked."""
    curve = traffic.curve
    low, high = curve[0].requests_a_month, curve[-1].requests_a_month
    costs = [value for point in curve for value in _both(point) if value and value >= _LEAST_USD]
    x = logarithmic((low, high), (_BOX.left, _BOX.right))
    floor_usd, ceiling_usd = min(costs, default=_LEAST_USD), max(costs, default=1.0)
    y = logarithmic((floor_usd, max(ceiling_usd, 10 * floor_usd)), (_BOX.bottom, _BOX.top))
    description = _described(traffic)
    return Figure(
        KEY,
        TITLE,
        description,
        drawing(
            KEY,
            TITLE,
            description,
            236,
            _legend(),
            y_axis(_BOX, y, decades(floor_usd, max(ceiling_usd, 10 * floor_usd)), brief),
            x_axis(_BOX, x, decades(low, high, 7), brief),
            _expected(traffic.requests_per_month, x),
            *_lines(curve, x, y),
            *(_crossover(item, x, y) for item in traffic.crossovers),
            text((_BOX.left + _BOX.right) / 2, 230, "requests a month", at="middle"),
        ),
        table(
            ("requests a month", "serverless", "real-time", "cheapest real-time"),
            [
                (
                    f"{point.requests_a_month:,.0f}",
                    usd(point.serverless_usd_a_month),
                    usd(point.realtime_usd_a_month),
                    point.realtime or usd(None),
                )
                for point in curve
            ],
        ),
        _note(traffic),
    )


def _both(point: CurvePoint) -> tuple[float | None, float | None]:
    return point.serverless_usd_a_month, point.realtime_usd_a_month


def _lines(curve: Sequence[CurvePoint], x: Scale, y: Scale) -> list[Markup]:
    found = []
    for number, look in enumerate(("stroke", "stroke2")):
        points = [
            (x(point.requests_a_month), y(value))
            for point in curve
            if (value := _both(point)[number]) is not None and value >= _LEAST_USD
        ]
        found.append(path(points, look))
    return found


def _crossover(item: Crossover, x: Scale, y: Scale) -> Markup:
    across, up = x(item.requests_a_month), y(max(item.usd_a_month, _LEAST_USD))
    left = across > (_BOX.left + _BOX.right) / 2
    return join(
        circle(across, up, 5, "mark"),
        text(
            across - 9 if left else across + 9,
            up - 7,
            f"{brief(item.requests_a_month)}: {usd(item.usd_a_month)}",
            at="end" if left else "start",
            class_="strong",
        ),
    )


def _expected(requests: float | None, x: Scale) -> Markup:
    if requests is None:
        return join()
    across = x(requests)
    return join(
        line(across, _BOX.top, across, _BOX.bottom, "goal"),
        text(across + 4, _BOX.bottom - 5, "expected", class_="goal-name"),
    )


def _legend() -> Markup:
    return join(
        text(0, 14, "US dollars a month", class_="name"),
        line(0, 28, 22, 28, "stroke"),
        text(27, 32, "serverless", class_="main-name"),
        line(110, 28, 132, 28, "stroke2"),
        text(137, 32, "cheapest real-time", class_="other-name"),
    )


def _described(traffic: TrafficCost) -> str:
    first, last = traffic.curve[0], traffic.curve[-1]
    ends = "; ".join(
        f"at {brief(point.requests_a_month)} requests a month serverless "
        f"{usd(point.serverless_usd_a_month)}, real-time {usd(point.realtime_usd_a_month)}"
        for point in (first, last)
    )
    return f"Two lines on logarithmic axes, {traffic.shape} traffic: {ends}. {_changes(traffic)}"


def _changes(traffic: TrafficCost) -> str:
    changes = "; ".join(
        f"{item.to} is {'cheaper' if item.because == 'cost' else 'the only kind that holds it'} "
        f"from {item.requests_a_month:,.0f} requests a month"
        for item in traffic.crossovers
    )
    return f"{changes[:1].upper()}{changes[1:]}." if changes else "They do not cross here."


def _note(traffic: TrafficCost) -> str:
    if traffic.requests_per_month is None:
        how = "Worked out for steady traffic; give objectives.requests_per_month to simulate yours."
    else:
        how = (
            f"Simulated: {traffic.shape} traffic, {traffic.requests_per_month:,.0f} requests a "
            f"month cost {usd(traffic.usd_per_month)}."
        )
    return f"{_changes(traffic)} {how}"
