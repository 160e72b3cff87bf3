"""Why labels say that the model has become worse, as sentences for people."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.contracts import LabelScores, MetricEstimate, MetricScore, SliceScore


def decay_reasons(labels: LabelScores) -> Iterator[str]:
    """One for each decayed metric or slice, and for each of them that labels contradict."""
    for metric in labels.metrics:
        if metric.decayed:
            yield f"Decay: {_changed(metric, 0.95)}."
    for item in labels.slices:
        if item.decayed and labels.slice_level is not None:
            yield _slice_reason(item, labels.slice_level)
    for estimate in labels.concept_drift:
        yield f"Concept drift: {_parted(estimate)}."
    for item in labels.parted_slices:
        parted = "; ".join(map(_parted, item.concept_drift))
        yield f"Concept drift where {item.name}, {item.rows} rows: {parted}."


def _slice_reason(item: SliceScore, level: float) -> str:
    changes = "; ".join(_changed(metric, level) for metric in item.decayed)
    return f"Decay where {item.name}, {item.rows} rows: {changes}."


def _changed(item: MetricScore, level: float) -> str:
    return (
        f"{item.metric} is {item.value:.3f} ({100 * level:.4g} % interval {item.low:.3f} to "
        f"{item.high:.3f}), {item.baseline:.3f} on validation data"
    )


def _parted(item: MetricEstimate) -> str:
    return (
        f"{item.metric} is {item.realised:.3f} by the labels, its scores promise "
        f"{item.of_labelled_rows:.3f}: a score no longer means what it meant on validation data"
    )
