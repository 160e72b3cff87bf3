"""Each guard at its edge; quality is judged by the interval of its drop, not by the point."""

from __future__ import annotations

import numpy as np
import pytest

from seatrial.config import load_config
from seatrial.contracts import Agreement, Estimate
from seatrial.guards import Predictions, agreement, rejection, unusable

GUARDS = load_config().guards


def found(mean: float = 0.0, same: float | None = 1.0, scale: float = 1.0) -> Agreement:
    return Agreement.model_construct(
        rows=100,
        max_deviation=mean,
        mean_deviation=mean,
        rank_correlation=1.0,
        label_agreement_ratio=same,
        scale=scale,
    )


def drop(value: float, low: float, high: float) -> Estimate:
    return Estimate(value=value, low=low, high=high)


@pytest.mark.parametrize(
    ("exact", "mean", "same", "said"),
    [
        pytest.param(True, 0.001, 1.0, None, id="exact, at the deviation"),
        pytest.param(True, 0.0011, 1.0, "mean deviation 0.0011", id="exact, over it"),
        pytest.param(True, float("nan"), 1.0, "mean deviation", id="not a number"),
        pytest.param(True, 0.0, 0.999, None, id="exact, at the labels"),
        pytest.param(True, 0.0, 0.998, "label agreement 0.9980", id="exact, under them"),
        pytest.param(False, 0.02, 0.98, None, id="reduced, at both"),
        pytest.param(False, 0.021, 1.0, "over 0.02", id="reduced, over"),
        pytest.param(False, 0.0, 0.979, "under 0.98", id="reduced, under"),
    ],
)
def test_predictions_may_deviate_as_the_precision_allows(
    exact: bool, mean: float, same: float, said: str | None
) -> None:
    reason = rejection(found(mean, same), {}, {}, GUARDS, exact=exact)
    assert (reason is None) if said is None else (reason is not None and said in reason)


def test_a_regression_deviates_in_standard_deviations() -> None:
    assert rejection(found(5.0, None, 10_000.0), {}, {}, GUARDS, exact=True) is None
    reason = rejection(found(11.0, None, 10_000.0), {}, {}, GUARDS, exact=True)
    assert reason is not None
    assert "0.0011 standard deviations" in reason


@pytest.mark.parametrize(
    ("estimate", "said"),
    [
        pytest.param(drop(0.0, 0.0, 0.0), None, id="the same predictions"),
        pytest.param(drop(0.004, 0.003, 0.005), None, id="the interval ends at the guard"),
        pytest.param(drop(0.004, 0.003, 0.0051), "cannot be shown", id="it ends beyond"),
        pytest.param(drop(0.006, 0.005, 0.007), "cannot be shown", id="it starts at the guard"),
        pytest.param(drop(0.006, 0.0051, 0.007), "auc goes from 0.75 to 0.744", id="all beyond"),
        pytest.param(drop(-0.1, -0.2, -0.05), None, id="better than the original"),
    ],
)
def test_quality_is_judged_by_the_interval(estimate: Estimate, said: str | None) -> None:
    reason = rejection(found(), {"auc": 0.75}, {"auc": estimate}, GUARDS, exact=False)
    assert (reason is None) if said is None else (reason is not None and said in reason)


def test_an_error_in_the_targets_unit_may_rise_by_a_share_of_itself() -> None:
    within = {"rmse": drop(900.0, 800.0, 1000.0)}
    beyond = {"rmse": drop(1100.0, 1001.0, 1200.0)}
    assert rejection(found(), {"rmse": 100_000.0}, within, GUARDS, exact=False) is None
    reason = rejection(found(), {"rmse": 100_000.0}, beyond, GUARDS, exact=False)
    assert reason is not None
    assert "rmse goes from 1e+05 to 1.011e+05" in reason


def scores(*values: float) -> Predictions:
    return Predictions(np.array(values) > 0.5, np.array(values)[:, None])


def test_agreement_tells_deviation_ranks_and_labels() -> None:
    close = agreement(
        scores(0.1, 0.4, 0.6, 0.9), scores(0.2, 0.6, 0.5, 0.9), "binary_classification"
    )
    assert close.max_deviation == pytest.approx(0.2)
    assert close.mean_deviation == pytest.approx(0.1)
    assert close.label_agreement_ratio == 0.5
    assert close.rank_correlation == pytest.approx(0.8)
    assert close.scale == 1


def test_constant_scores_have_no_rank_correlation() -> None:
    both = scores(0.3, 0.3)
    assert agreement(both, both, "binary_classification").rank_correlation is None


def test_missing_predictions_count_only_where_the_original_has_one() -> None:
    gaps = scores(float("nan"), 0.4)
    assert unusable(gaps, gaps) is None
    assert agreement(gaps, gaps, "regression").max_deviation == 0
    reason = unusable(scores(0.1, 0.4), gaps)
    assert reason == "1 of its 2 predictions are no numbers"


def test_other_outputs_than_the_originals_cannot_be_compared() -> None:
    reason = unusable(scores(0.1, 0.4), scores(0.1, 0.4, 0.5))
    assert reason is not None
    assert "3 × 1 values" in reason


def test_a_boolean_label_is_the_number_that_others_make_of_it() -> None:
    flags, numbers = np.array([True, False]), np.array([1, 0])
    both = np.zeros((2, 1))
    found = agreement(Predictions(numbers, both), Predictions(flags, both), "binary_classification")
    assert found.label_agreement_ratio == 1
