"""How far a candidate's predictions are from the original's, and whether that is too far.

Quality is judged like a non-inferiority trial: a candidate is within its guard when the whole 95 %
interval of its drop is, so that too few validation rows bar it, and never let it through. Equal
predictions have a drop of exactly 0 and always pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seatrial.config import DeviationGuards, GuardsConfig
from seatrial.contracts import Agreement, Estimate, Task
from seatrial.quality import HIGHER_IS_BETTER, IN_UNITS_OF_THE_TARGET

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

# A drop of exactly the guard passes, whatever the difference of two floats makes of it.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Predictions:
    """Labels and scores of the same rows; `scores` has one column per class or value."""

    labels: Array | None
    scores: Array


def unusable(original: Predictions, candidate: Predictions) -> str | None:
    """Why the two cannot be compared; None if they can."""
    import numpy as np

    if original.scores.shape != candidate.scores.shape:
        return (
            f"it predicts {candidate.scores.shape[0]} × {candidate.scores.shape[1]} values, the "
            f"original {original.scores.shape[0]} × {original.scores.shape[1]}"
        )
    broken = int((~np.isfinite(candidate.scores) & np.isfinite(original.scores)).sum())
    if broken:
        return f"{broken} of its {candidate.scores.size} predictions are no numbers"
    return None


def agreement(original: Predictions, candidate: Predictions, task: Task) -> Agreement:
    """How far the candidate's predictions are from the original's on the same rows."""
    import numpy as np

    deviation = np.abs(original.scores - candidate.scores)
    # where neither has a number they agree
    deviation = np.where(np.isfinite(deviation), deviation, 0.0)
    same = (
        None
        if original.labels is None or candidate.labels is None
        else float(np.mean(_classes(original.labels) == _classes(candidate.labels)))
    )
    spread = float(np.nanstd(original.scores)) if task == "regression" else 1.0
    return Agreement(
        rows=len(deviation),
        max_deviation=float(deviation.max()),
        mean_deviation=float(deviation.mean()),
        rank_correlation=_rank_correlation(original.scores, candidate.scores),
        label_agreement_ratio=same,
        scale=spread or 1.0,
    )


def _classes(labels: Array) -> Array:
    """As text; a boolean as the number that other libraries make of it."""
    plain = labels.astype(int) if labels.dtype.kind == "b" else labels
    return plain.astype(str)


def _rank_correlation(original: Array, candidate: Array) -> float | None:
    """Spearman's, the lowest over the columns."""
    import numpy as np
    from scipy.stats import rankdata

    found = []
    for ours, theirs in zip(candidate.T, original.T, strict=True):
        ranks = rankdata(ours), rankdata(theirs)
        if min(item.std() for item in ranks) == 0:
            return None
        found.append(float(np.corrcoef(*ranks)[0, 1]))
    return min(found)


def rejection(
    found: Agreement,
    original_quality: Mapping[str, float],
    drops: Mapping[str, Estimate],
    guards: GuardsConfig,
    *,
    exact: bool,
) -> str | None:
    """Why the candidate may not go on; None if it is within every guard.

    `exact` is a candidate in which nothing but rounding changed; its deviation has a closer guard.
    """
    reason = _deviates(found, guards.deviation(exact=exact))
    if reason is not None:
        return reason
    for metric, drop in drops.items():
        allowed = allowed_drop(metric, original_quality[metric], guards)
        reason = _falls(metric, original_quality[metric], drop, allowed, found.rows)
        if reason is not None:
            return reason
    return None


def allowed_drop(metric: str, original: float, guards: GuardsConfig) -> float:
    """Absolute for metrics between 0 and 1, relative for errors in the target's unit."""
    if metric in IN_UNITS_OF_THE_TARGET:
        return guards.max_relative_error_rise * abs(original)
    return guards.max_quality_drop


def _deviates(found: Agreement, guards: DeviationGuards) -> str | None:
    if not found.scaled_deviation <= guards.max_mean_deviation:  # NaN is outside too
        unit = "" if found.scale == 1 else " standard deviations"
        return (
            f"mean deviation {found.scaled_deviation:.2g}{unit} from the original is over "
            f"{guards.max_mean_deviation:g}"
        )
    same = found.label_agreement_ratio
    if same is not None and same < guards.min_label_agreement_ratio:
        return f"label agreement {same:.4f} is under {guards.min_label_agreement_ratio:g}"
    return None


def _falls(metric: str, original: float, drop: Estimate, allowed: float, rows: int) -> str | None:
    if drop.high <= allowed + ROUNDING:
        return None
    value = original - drop.value if HIGHER_IS_BETTER[metric] else original + drop.value
    change = (
        f"from {original:.4g} to {value:.4g}, a drop of {drop.value:.2g} "
        f"(95 % {drop.low:.2g} to {drop.high:.2g})"
    )
    if drop.low > allowed + ROUNDING:
        return f"{metric} goes {change}, more than the {allowed:.2g} allowed"
    return (
        f"{metric} cannot be shown to stay within the {allowed:.2g} allowed on {rows} rows: it "
        f"goes {change}"
    )
