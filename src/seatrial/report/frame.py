"""What every page has around it: one file that loads nothing and runs nothing."""

from __future__ import annotations

from seatrial.report.markup import Child, Markup, element, join
from seatrial.report.style import STYLE
from seatrial.report.svg import Figure

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def document(title: str, *body: Child) -> str:
    """The whole page; its own policy forbids to load or to run anything."""
    head = join(
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{title} · seatrial"),
        element("style", Markup(STYLE)),
    )
    main = element("main", *body)
    return (
        f'<!doctype html>\n<html lang="en">{element("head", head)}{element("body", main)}</html>\n'
    )


def framed(figure: Figure) -> Markup:
    """A chart as a card, its figures behind a fold."""
    figures = element("div", figure.table, class_="stack")
    return element(
        "figure",
        element("h3", figure.title),
        figure.drawing,
        element("figcaption", figure.note) if figure.note else None,
        element("details", element("summary", "The figures as a table"), figures),
        id=f"figure-{figure.key}",
    )
