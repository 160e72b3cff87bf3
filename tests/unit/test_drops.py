"""Drops of quality are paired: intervals of the difference, the same for the same seed."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from seatrial.contracts import Task
from seatrial.guards import Predictions
from seatrial.optimization.drops import Judge, encode
from seatrial.quality import measure_quality

ROWS = 2_000
RANDOM = np.random.default_rng(3)
TRUTH = RANDOM.integers(0, 2, ROWS)
SCORE = 1 / (1 + np.exp(-(TRUTH + RANDOM.normal(size=ROWS) - 0.5)))


def binary(score: Any) -> Predictions:
    return Predictions((score > 0.5).astype(np.int64), score[:, None])


def judge(task: Task, truth: Any, original: Predictions) -> Judge:
    return Judge(task, truth, original, resamples=200, seed=1)


def test_metrics_of_a_binary_task_are_those_of_scikit_learn() -> None:
    quality = judge("binary_classification", TRUTH, binary(SCORE)).quality
    label = (SCORE > 0.5).astype(int)
    expected = measure_quality("binary_classification", TRUTH, label=label, score=SCORE)
    expected["f1"] = float(metrics.f1_score(TRUTH, label))
    assert quality == pytest.approx(expected)


def test_text_labels_have_the_later_one_as_positive() -> None:
    names = np.array(["no", "yes"], dtype=object)
    predicted = Predictions(names[(SCORE > 0.5).astype(int)].astype(str), SCORE[:, None])
    quality = judge("binary_classification", names[TRUTH], predicted).quality
    assert quality == pytest.approx(
        judge("binary_classification", TRUTH, binary(SCORE)).quality, rel=1e-12
    )


def test_several_classes_have_accuracy_and_macro_f1() -> None:
    truth = RANDOM.integers(0, 4, ROWS)
    label = np.where(RANDOM.random(ROWS) < 0.7, truth, RANDOM.integers(0, 4, ROWS))
    quality = judge(
        "multiclass_classification", truth, Predictions(label, np.zeros((ROWS, 4)))
    ).quality
    assert quality == pytest.approx(
        {
            "accuracy": metrics.accuracy_score(truth, label),
            "f1": metrics.f1_score(truth, label, average="macro"),
        }
    )


def test_a_regression_has_its_errors() -> None:
    truth, predicted = RANDOM.normal(size=ROWS), RANDOM.normal(size=ROWS)
    quality = judge("regression", truth, Predictions(None, predicted[:, None])).quality
    expected = measure_quality("regression", truth, label=None, score=predicted)
    assert quality == pytest.approx(expected)


def test_the_same_predictions_drop_by_exactly_nothing() -> None:
    drops = judge("binary_classification", TRUTH, binary(SCORE)).drops(binary(SCORE))
    assert {(item.value, item.low, item.high) for item in drops.values()} == {(0.0, 0.0, 0.0)}


def test_worse_predictions_drop_in_every_metric_whatever_its_direction() -> None:
    worse = binary(np.clip(SCORE + RANDOM.normal(0, 0.6, ROWS), 0, 1))
    drops = judge("binary_classification", TRUTH, binary(SCORE)).drops(worse)
    assert set(drops) == {"accuracy", "f1", "brier", "auc"}
    assert all(0 < item.low < item.value < item.high for item in drops.values())


def test_the_interval_of_a_difference_is_narrower_than_that_of_a_metric() -> None:
    near = binary(np.clip(SCORE + RANDOM.normal(0, 0.01, ROWS), 0, 1))
    drop = judge("binary_classification", TRUTH, binary(SCORE)).drops(near)["auc"]
    assert drop.high - drop.low < 0.01  # that of the AUC itself is 0.04


def test_the_same_seed_gives_the_same_interval() -> None:
    worse = binary(SCORE[::-1].copy())
    first, second = (
        judge("binary_classification", TRUTH, binary(SCORE)).drops(worse) for _ in range(2)
    )
    assert first == second


def test_one_class_alone_has_no_area_under_the_curve() -> None:
    quality = judge("binary_classification", np.zeros(ROWS, dtype=int), binary(SCORE)).quality
    assert "auc" not in quality
    assert quality["brier"] == pytest.approx(np.mean(SCORE**2))


def test_booleans_and_numbers_are_the_same_classes() -> None:
    truth, labels, classes = encode(np.array([True, False]), np.array([1.0, 0.0]))
    assert truth.tolist() == [1, 0]
    assert labels is not None
    assert labels.tolist() == [1, 0]
    assert classes == 2


def test_twenty_thousand_rows_take_seconds() -> None:
    truth = RANDOM.integers(0, 2, 20_000)
    score = RANDOM.random(20_000)
    started = time.perf_counter()
    asked = Judge("binary_classification", truth, binary(score), resamples=1000, seed=1)
    asked.drops(binary(score * 0.99))
    assert time.perf_counter() - started < 20  # 1.5 s on an idle machine
