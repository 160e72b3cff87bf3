"""HTML and SVG as text; whatever is not markup already is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape


class Markup(str):
    """Text that is markup, and is put in as it is."""

    __slots__ = ()


Child = Markup | str | None
VOID = ("meta",)


def element(tag: str, /, *children: Child, **attributes: object) -> Markup:
    """`<tag>` with its children; None leaves a child or an attribute out.

    Attribute names lose a trailing underscore, and the others become hyphens.

    >>> element("p", "1 < 2", class_="note", data_x=None)
    '<p class="note">1 &lt; 2</p>'
    """
    shown = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_text(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if tag in VOID:
        return Markup(f"<{tag}{shown}>")
    return Markup(f"<{tag}{shown}>{join(*children)}</{tag}>")


def join(*children: Child) -> Markup:
    """The children one after the other."""
    return Markup(
        "".join(
            child if isinstance(child, Markup) else escape(child)
            for child in children
            if child is not None
        )
    )


def _text(value: object) -> str:
    """Coordinates to a hundredth: more is not seen."""
    return f"{round(value, 2):g}" if isinstance(value, float) else str(value)


def table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Markup:
    """A table whose cells know their column, so that a narrow screen can stack them."""
    head = element("tr", *(element("th", name, scope="col") for name in columns))
    body = [
        element(
            "tr",
            *(
                element("td", value, data_label=name)
                for name, value in zip(columns, row, strict=True)
            ),
        )
        for row in rows
    ]
    return element("table", element("thead", head), element("tbody", *body))
