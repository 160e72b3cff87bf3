"""The slices on a window's page: each metric of each group of rows, beside the baseline's."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.contracts import LabelScores, SliceScore
from seatrial.report.markup import Markup, element, join, table
from seatrial.report.numbers import DASH, shown

NAMES = ("slice", "rows", "metric", "now", "interval", "baseline", "")


def slice_part(labels: LabelScores) -> Markup | None:
    """The section, decayed slices first; None if no slices are watched."""
    if not labels.slices:
        return None
    worst_first = sorted(labels.slices, key=lambda item: not (item.decayed or item.concept_drift))
    rows = [row for item in worst_first for row in _rows(item)]
    return join(
        element("h2", "Quality by slice"),
        element(
            "section",
            table(NAMES, rows),
            element("p", _said(labels.slice_level), class_="soft"),
            class_="card",
            id="slices",
        ),
    )


def _rows(item: SliceScore) -> Iterator[tuple[str, ...]]:
    if item.status == "not enough":
        yield (item.name, f"{item.rows:,}", DASH, DASH, DASH, DASH, "not enough rows")
    parted = {estimate.metric for estimate in item.concept_drift}
    for metric in item.metrics:
        told = [
            *(["decayed"] if metric.decayed else []),
            *(["parted: concept drift"] if metric.metric in parted else []),
        ]
        yield (
            item.name,
            f"{item.rows:,}",
            metric.metric,
            shown(metric.value),
            f"{shown(metric.low)} to {shown(metric.high)}",
            shown(metric.baseline),
            ", ".join(told) or DASH,
        )


def _said(level: float | None) -> str:
    if level is None:
        return "No slice has enough labelled rows, here and in the validation data, to be judged."
    return (
        f"Intervals of {100 * level:.4g} % each, 95 % over all slices and metrics together, with "
        "the error of the baseline's own rows."
    )
