"""The domain classifier on a window's page: how well it tells the window, and by what."""

from __future__ import annotations

from seatrial.contracts import ClassifierVerdict
from seatrial.report.markup import Markup, element, join, table

MEANING = (
    "A classifier that sees all input columns of a row learns to tell the window's rows from the "
    "reference's; the AUC is of rows that it has not learnt from, 0.5 is by chance. It also sees "
    "what single columns show."
)


def classifier_part(found: ClassifierVerdict | None) -> Markup | None:
    """The section; None if the classifier is off."""
    if found is None:
        return None
    rows = [(item.column, f"{item.share:.0%}") for item in found.columns]
    return join(
        element("h2", "All columns together"),
        element(
            "section",
            element("p", f"{found.status}: {found.detail}."),
            table(("column", "share of what tells"), rows) if rows else None,
            element("p", MEANING, class_="soft"),
            class_="card",
            id="classifier",
        ),
    )
