"""Quality without labels on a window's page, with the method's blind spot, or why there is none."""

from __future__ import annotations

from seatrial.contracts import LabelScores
from seatrial.report.markup import Markup, element, join, table
from seatrial.report.numbers import DASH, shown

BLIND_SPOT = (
    "Estimated from the model's own probabilities, as calibrated on validation data: true as long "
    "as a score means what it meant there. A change of that, concept drift, cannot be seen so; "
    "labels show it."
)
NAMES = ("metric", "estimated", "of the labelled rows", "by their labels", "")


def estimates_part(labels: LabelScores) -> Markup | None:
    """What the probabilities promise, beside what the labels say; None if nobody asked."""
    if not labels.estimates and labels.not_estimated is None:
        return None
    told = _table(labels) if labels.estimates else element("p", _why(labels))
    return join(
        element("h2", "Quality without labels"),
        element("section", told, class_="card", id="estimates"),
    )


def _why(labels: LabelScores) -> str:
    return f"Not estimated: {labels.not_estimated}."


def _table(labels: LabelScores) -> Markup:
    rows = [
        (
            item.metric,
            shown(item.value),
            shown(item.of_labelled_rows),
            shown(item.realised),
            "parted: concept drift" if item.parted else DASH,
        )
        for item in labels.estimates
    ]
    return join(table(NAMES, rows), element("p", BLIND_SPOT, class_="soft"))
