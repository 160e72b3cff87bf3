"""Quality without labels: what probabilities promise, and when labels contradict them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from seatrial.contracts import InputColumn, MetricScore, ModelSignature, OutputColumn
from seatrial.monitoring.estimates import compare, estimate, learn_calibration
from seatrial.monitoring.promises import REGRESSION, Promising, learn_promises
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


CLASSES = ("ant", "bee", "cat")


def signature(**changes: Any) -> ModelSignature:
    outputs = [OutputColumn(name="label", type="string")]
    outputs += [OutputColumn(name=f"score_{name}", type="double") for name in CLASSES]
    values = {
        "task": "multiclass_classification",
        "model_file": "model.onnx",
        "inputs": (InputColumn(name="x", type="double", required=True),),
        "outputs": tuple(outputs),
        "label": "label",
        "score": None,
        "input_example": ({"x": 1.0},),
    }
    return ModelSignature.model_validate(values | changes)


NUMBER = signature(
    task="regression",
    outputs=(OutputColumn(name="prediction", type="double"),),
    label=None,
    score="prediction",
)


def classified(seed: int, *, sure: float = 1.0, wrong: float = 0.0) -> pd.DataFrame:
    """Three classes; the scores claim twice the odds. `sure` makes harder rows or easier ones."""
    random = np.random.default_rng(seed)
    odds = sure * random.normal(size=(ROWS, 3))
    chances = np.exp(odds) / np.exp(odds).sum(axis=1, keepdims=True)
    claimed = np.exp(2 * odds) / np.exp(2 * odds).sum(axis=1, keepdims=True)
    truth = (random.random((ROWS, 1)) > chances.cumsum(axis=1)).sum(axis=1).clip(0, 2)
    truth = np.where(random.random(ROWS) < wrong, (truth + 1) % 3, truth)
    names = np.array(CLASSES, dtype=object)
    scores = {f"score_{name}": claimed[:, at] for at, name in enumerate(CLASSES)}
    return pd.DataFrame({"label": names[claimed.argmax(axis=1)], **scores, "truth": names[truth]})


@pytest.mark.parametrize("sure", [0.5, 1.0, 2.0], ids=["harder rows", "alike", "easier rows"])
def test_the_accuracy_of_several_classes_is_what_their_confidence_promises(sure: float) -> None:
    known = learn_promises(classified(1), signature())
    rows = classified(2, sure=sure)
    found = Promising(signature(), known, 200).of(rows)
    assert (found.metrics.keys(), found.reason) == ({"accuracy"}, None)
    real = float((rows["label"] == rows["truth"]).mean())
    assert found.metrics["accuracy"] == pytest.approx(real, abs=0.015)


def test_of_several_classes_too_the_estimate_is_blind_to_concept_drift() -> None:
    known = learn_promises(classified(1), signature())
    rows = classified(2, wrong=0.4)
    real = float((rows["label"] == rows["truth"]).mean())
    assert Promising(signature(), known, 200).of(rows).metrics["accuracy"] > real + 0.1


def test_classes_that_are_numbers_are_the_same_with_and_without_a_point() -> None:
    numbers = {name: float(at) for at, name in enumerate(CLASSES)}
    rows = classified(1)
    rows["label"] = rows["label"].map(numbers).astype(int)
    rows["truth"] = rows["truth"].map(numbers)
    assert learn_promises(rows, signature()) == learn_promises(classified(1), signature())


def test_the_error_of_a_predicted_number_is_not_estimated() -> None:
    rows = pd.DataFrame({"prediction": np.ones(300), "truth": np.ones(300)})
    assert learn_promises(rows, NUMBER) is None
    assert Promising(NUMBER, None, 200).of(rows).reason == REGRESSION


@pytest.mark.parametrize(
    ("rows", "calibrated", "asked", "reason"),
    [
        pytest.param(199, True, signature(), "199 answered rows; an estimate needs 200", id="few"),
        pytest.param(200, True, signature(), None, id="exactly enough"),
        pytest.param(201, True, signature(), None, id="enough"),
        pytest.param(300, False, signature(), "the baseline has no calibration", id="unknown"),
        pytest.param(300, True, signature(label=None), "no probability", id="no label"),
    ],
)
def test_what_is_not_estimated_has_its_reason(
    rows: int, calibrated: bool, asked: ModelSignature, reason: str | None
) -> None:
    validated = classified(1)
    known = learn_promises(validated, signature()) if calibrated else None
    found = Promising(asked, known, 200).of(validated.head(rows))
    assert bool(found.metrics) is (reason is None)
    assert (found.reason is None) if reason is None else (reason in str(found.reason))


def test_answers_that_are_always_right_cannot_be_calibrated() -> None:
    right = classified(1)
    assert learn_promises(right.assign(truth=right["label"]), signature()) is None
