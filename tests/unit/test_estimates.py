"""Quality without labels: what probabilities promise, and when labels contradict them."""

from __future__ import annotations

import numpy as np
import pytest

from seatrial.contracts import MetricScore
from seatrial.monitoring.estimates import compare, estimate, learn_calibration
from seatrial.quality import measure_quality

ROWS = 20_000


def answers(
    seed: int, *, low: float = 0.0, flip: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores that are overconfident, the labels of 0.5, and the truth; `low` moves the scores."""
    random = np.random.default_rng(seed)
    chance = random.beta(1 + low, 2, ROWS)
    truth = (random.random(ROWS) < chance).astype(float)
    truth = np.where(random.random(ROWS) < flip, 1 - truth, truth)
    score = chance**2 / (chance**2 + (1 - chance) ** 2)
    return (score > 0.5).astype(int), score, truth


@pytest.mark.parametrize("low", [0.0, 1.0, 3.0])
def test_estimates_meet_the_truth_when_only_the_rows_have_changed(low: float) -> None:
    _, score, truth = answers(1)
    known = learn_calibration(score, truth)
    assert known is not None
    label, score, truth = answers(2, low=low)
    real = measure_quality("binary_classification", truth, label=label, score=score)
    found = estimate(label, score, known)
    assert found.keys() == real.keys()
    for metric, value in found.items():
        assert value == pytest.approx(real[metric], abs=0.015), metric


def test_estimates_are_blind_to_concept_drift() -> None:
    _, score, truth = answers(1)
    known = learn_calibration(score, truth)
    assert known is not None
    label, score, truth = answers(2, flip=0.3)
    real = measure_quality("binary_classification", truth, label=label, score=score)
    assert estimate(label, score, known)["accuracy"] > real["accuracy"] + 0.1


@pytest.mark.parametrize(
    "truth",
    [
        pytest.param(np.array([0, 0, 0]), id="one class"),
        pytest.param(np.array([1, 2, 1]), id="other numbers"),
        pytest.param(np.array(["no", "yes", "no"], dtype=object), id="text"),
    ],
)
def test_only_zero_and_one_can_be_calibrated(truth: np.ndarray) -> None:
    assert learn_calibration(np.array([0.1, 0.9, 0.2]), truth) is None


def realised(low: float, high: float) -> MetricScore:
    return MetricScore(
        metric="brier",
        value=(low + high) / 2,
        low=low,
        high=high,
        baseline=None,
        change=None,
        decayed=False,
    )


@pytest.mark.parametrize(
    ("interval", "parted"),
    [
        pytest.param((0.219, 0.24), False, id="under"),
        pytest.param((0.22, 0.24), False, id="exactly the allowed difference"),
        pytest.param((0.221, 0.24), True, id="over"),
        pytest.param((0.16, 0.179), True, id="better than promised"),
        pytest.param((0.15, 0.3), False, id="too uncertain"),
    ],
)
def test_what_labels_contradict_has_parted(interval: tuple[float, float], parted: bool) -> None:
    [found] = compare({"brier": 0.19}, {"brier": 0.2}, [realised(*interval)], max_decay=0.02)
    assert found.parted is parted
    assert (found.value, found.of_labelled_rows) == (0.19, 0.2)


def test_without_labels_there_is_an_estimate_and_no_verdict() -> None:
    [found] = compare({"brier": 0.19}, {}, (), max_decay=0.02)
    assert (found.value, found.realised, found.parted) == (0.19, None, False)
