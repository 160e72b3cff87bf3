"""Charts by hand: scales, axes, bars, lines and labels in user units of 340 across."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log10

from seatrial.report.markup import Child, Markup, element, join

WIDTH = 340.0
LABEL_UNITS = 6.2  # a letter's width at the charts' font size, on average
Scale = Callable[[float], float]


@dataclass(frozen=True)
class Figure:
    """A chart with what it says in words, and its figures as a table."""

    key: str
    title: str
    description: str
    drawing: Markup
    table: Markup
    note: str = ""


@dataclass(frozen=True)
class Box:
    """The part of a drawing that data go into."""

    left: float
    top: float
    right: float
    bottom: float


def linear(domain: tuple[float, float], to: tuple[float, float]) -> Scale:
    """From `domain` onto `to`, evenly."""
    (low, high), (start, end) = domain, to
    return lambda value: start + (end - start) * (value - low) / ((high - low) or 1.0)


def logarithmic(domain: tuple[float, float], to: tuple[float, float]) -> Scale:
    """From `domain` onto `to`, each decade as long."""
    low, high = domain
    even = linear((log10(low), log10(high)), to)
    return lambda value: even(log10(value))


def drawing(key: str, title: str, description: str, height: float, *children: Child) -> Markup:
    """The whole chart; it grows and shrinks with the page."""
    return element(
        "svg",
        element("title", title, id=f"{key}-title"),
        element("desc", description, id=f"{key}-desc"),
        *children,
        viewBox=f"0 0 {WIDTH:g} {height:g}",
        role="img",
        aria_labelledby=f"{key}-title {key}-desc",
    )


def text(x: float, y: float, content: str, *, at: str = "start", class_: str = "") -> Markup:
    """A label that starts, is centred or ends at `x`."""
    anchor = None if at == "start" else at
    return element("text", content, x=x, y=y, text_anchor=anchor, class_=class_ or None)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def rectangle(x: float, y: float, width: float, height: float, class_: str) -> Markup:
    """A bar."""
    return element("rect", x=x, y=y, width=max(width, 0.0), height=max(height, 0.0), class_=class_)


def path(points: Sequence[tuple[float, float]], class_: str) -> Markup:
    """A line through the points."""
    steps = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return element("polyline", points=steps, class_=class_)


def circle(x: float, y: float, radius: float, class_: str) -> Markup:
    """A mark."""
    return element("circle", cx=x, cy=y, r=radius, class_=class_)


def y_axis(box: Box, scale: Scale, ticks: Sequence[float], say: Callable[[float], str]) -> Markup:
    """Grid lines with their figures to the left."""
    return join(
        *(line(box.left, scale(tick), box.right, scale(tick), "grid") for tick in ticks),
        *(
            text(box.left - 5, scale(tick) + 4, say(tick), at="end", class_="tick")
            for tick in ticks
        ),
    )


def x_axis(box: Box, scale: Scale, ticks: Sequence[float], say: Callable[[float], str]) -> Markup:
    """The line at the bottom with figures under it."""
    return join(
        line(box.left, box.bottom, box.right, box.bottom, "axis"),
        *(line(scale(tick), box.bottom, scale(tick), box.bottom + 4, "axis") for tick in ticks),
        *(
            text(scale(tick), box.bottom + 16, say(tick), at="middle", class_="tick")
            for tick in ticks
        ),
    )


def fitted(label: str, units: float) -> str:
    """The label, cut where it would be longer than that."""
    most = max(2, int(units / LABEL_UNITS))
    return label if len(label) <= most else f"{label[: most - 1]}…"
