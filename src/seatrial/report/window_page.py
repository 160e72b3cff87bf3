"""monitoring.html: what became of one window, for somebody who has just got its message."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from seatrial.contracts import Monitoring, Reaction, Window
from seatrial.contracts.verdicts import WindowVerdict
from seatrial.report.classifier_part import classifier_part
from seatrial.report.distribution_charts import distribution_charts
from seatrial.report.estimates_part import estimates_part
from seatrial.report.frame import document, framed
from seatrial.report.markup import Markup, element, join
from seatrial.report.numbers import shown
from seatrial.report.slice_part import slice_part
from seatrial.report.svg import Figure
from seatrial.report.window_charts import columns_chart, metrics_chart, timeline_chart


def render_window(found: Monitoring, windows: Sequence[WindowVerdict]) -> str:
    """The page; `windows` are the verdicts before, and this window's as the last."""
    window = found.window
    state = "alert" if found.alert else "no alert"
    return document(
        f"{window.endpoint_name}: {state}",
        _card(found),
        _why(found.reasons),
        _done(found.reactions),
        element("h2", "What was found"),
        element("div", *map(framed, _figures(found, windows)), _beside(), class_="charts"),
        classifier_part(found.drift.classifier),
        slice_part(found.labels),
        estimates_part(found.labels),
        _quality(found),
        _records(window),
    )


def _figures(found: Monitoring, windows: Sequence[WindowVerdict]) -> Iterator[Figure]:
    yield timeline_chart(windows)
    if found.drift.columns:
        yield columns_chart(found.drift)
        yield from distribution_charts(found.drift)
    if found.labels.metrics:
        yield metrics_chart(found.labels)


def _card(found: Monitoring) -> Markup:
    window = found.window
    told = [
        ("rows", f"{window.rows:,}"),
        ("records found", shown(_percent(window.completeness_ratio), "%")),
        ("drift", found.drift.status),
        ("quality", "sound" if found.quality.success else f"{len(found.quality.failed)} broken"),
        ("labels", found.labels.status),
    ]
    return element(
        "section",
        element("p", "seatrial monitoring", class_="soft"),
        element("h1", "Alert" if found.alert else "No alert", id="verdict", class_="state"),
        element(
            "p",
            f"{window.endpoint_name}, {window.started_at:%Y-%m-%d %H:%M} to "
            f"{window.ended_at:%Y-%m-%d %H:%M} UTC, configuration {window.endpoint_config_name}",
        ),
        element("dl", *(_pair(name, value) for name, value in told)),
        class_=f"card verdict {'bad' if found.alert else 'good'}",
    )


def _pair(name: str, value: str) -> Markup:
    """A figure of the card."""
    return element("div", element("dt", name), element("dd", value))


def _percent(ratio: float | None) -> float | None:
    return None if ratio is None else 100 * ratio


def _why(reasons: Sequence[str]) -> Markup | None:
    if not reasons:
        return None
    items = [element("li", reason, class_="bad") for reason in reasons]
    return join(element("h2", "Why"), element("ul", *items, class_="checks"))


def _done(reactions: Sequence[Reaction]) -> Markup | None:
    if not reactions:
        return None
    items = [
        element(
            "li",
            element("b", item.kind),
            item.detail if item.done else f"not done: {item.detail}",
            class_="good" if item.done else "warn",
        )
        for item in reactions
    ]
    return join(element("h2", "What was done"), element("ul", *items, class_="checks"))


def _beside() -> Markup:
    return element(
        "section",
        element("h3", "More"),
        element(
            "p",
            _link("drift.html"),
            " beside this page is Evidently's report: each column's distribution.",
            class_="soft",
        ),
        element(
            "p",
            _link("monitoring.json"),
            " has everything that is here, in figures.",
            class_="soft",
        ),
        class_="card",
    )


def _link(name: str) -> Markup:
    return element("a", name, href=name)


def _quality(found: Monitoring) -> Markup | None:
    if found.quality.success:
        return None
    items = [
        element(
            "li",
            element("b", item.column or "the table"),
            f"{item.expectation}: {item.detail}",
            class_="bad",
        )
        for item in found.quality.failed
    ]
    return join(element("h2", "Broken expectations"), element("ul", *items, class_="checks"))


def _records(window: Window) -> Markup:
    counts = [
        ("records", window.records),
        ("of them late", window.late_records),
        ("duplicates", window.duplicate_records),
        ("broken lines", window.broken_lines),
        ("failed requests", window.failed_requests),
        ("of other versions", window.foreign_records),
        ("our own (synthetic)", window.synthetic_records),
    ]
    return join(
        element("h2", "Records"),
        element(
            "section",
            element("dl", *(_pair(name, f"{count:,}") for name, count in counts)),
            class_="card",
        ),
    )
