"""What moved, as sentences for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from seatrial.contracts import ClassifierVerdict, ColumnDrift


def drift_reasons(
    moved: Sequence[ColumnDrift], together: ClassifierVerdict | None
) -> Iterator[str]:
    """One for each column that moved, and one if all of them together did."""
    yield from map(_column_reason, moved)
    if together is not None:
        yield _together_reason(together)


def _column_reason(item: ColumnDrift) -> str:
    score = f"score {item.score:.3f}, bound {item.bound:.3f}, floor {item.floor:g}"
    if item.metric == "missing_ratio":
        shares = f"{item.reference_missing_ratio:.1%} to {item.window_missing_ratio:.1%}"
        return f"Drift: missing values of {item.column} went from {shares} ({score})."
    if item.reference_mean is not None and item.window_mean is not None:
        means = f"mean {item.reference_mean:.4g} before, {item.window_mean:.4g} now"
        return f"Drift: {item.column} moved, {means} ({score})."
    new = f", new: {', '.join(item.new_categories)}" if item.new_categories else ""
    gone = ", ".join(item.vanished_categories)
    gone = f", vanished: {gone}" if gone else ""
    return f"Drift: the categories of {item.column} moved{new}{gone} ({score})."


def _together_reason(found: ClassifierVerdict) -> str:
    shares = ", ".join(f"{item.column} ({item.share:.0%})" for item in found.columns)
    return (
        "Drift between columns: a classifier tells the window from the reference "
        f"({found.detail}), mostly by {shares}."
    )
