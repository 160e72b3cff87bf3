"""How far a candidate's predictions are from the original's, and whether that is too far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seatrial.config import GuardsConfig
from seatrial.contracts import Agreement
from seatrial.quality import HIGHER_IS_BETTER

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

# A drop of exactly the guard passes, whatever the difference of two floats makes of it.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Predictions:
    """Labels and scores of the same rows; `scores` has one column per class or value."""

    labels: Array | None
    scores: Array


def agreement(original: Predictions, candidate: Predictions) -> Agreement:
    """How far the candidate's predictions are from the original's on the same rows."""
    import numpy as np

    deviation = np.abs(original.scores - candidate.scores)
    same = (
        None
        if original.labels is None or candidate.labels is None
        else float(np.mean(original.labels.astype(str) == candidate.labels.astype(str)))
    )
    return Agreement(
        rows=len(deviation),
        max_deviation=float(deviation.max()),
        mean_deviation=float(deviation.mean()),
        label_agreement_ratio=same,
    )


def rejection(
    found: Agreement,
    quality: dict[str, float],
    original_quality: dict[str, float],
    guards: GuardsConfig,
) -> str | None:
    """Why the candidate may not go on; None if it is within every guard."""
    if not found.mean_deviation <= guards.max_mean_deviation:  # NaN is outside too
        return (
            f"mean deviation {found.mean_deviation:.2g} from the original is over "
            f"{guards.max_mean_deviation:g}"
        )
    same = found.label_agreement_ratio
    if same is not None and same < guards.min_label_agreement_ratio:
        return f"label agreement {same:.4f} is under {guards.min_label_agreement_ratio:g}"
    for metric, value in quality.items():
        drop = original_quality[metric] - value
        if not HIGHER_IS_BETTER[metric]:
            drop = -drop
        if drop > guards.max_quality_drop + ROUNDING:
            return (
                f"{metric} falls from {original_quality[metric]:.4f} to {value:.4f}, "
                f"more than {guards.max_quality_drop:g}"
            )
    return None
