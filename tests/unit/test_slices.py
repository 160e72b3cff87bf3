"""Decay by slice: which rows a slice has, what is judged of it, and how rarely chance alarms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from seatrial.config import Config, load_config
from seatrial.contracts import (
    InputColumn,
    LabelScores,
    MetricEstimate,
    MetricScore,
    ModelSignature,
    OutputColumn,
    ScoreCalibration,
    SlicedColumn,
    SliceScore,
)
from seatrial.errors import ConfigError
from seatrial.monitoring.decay_reasons import decay_reasons
from seatrial.monitoring.promises import Promising, learn_promises
from seatrial.monitoring.reference import evidence
from seatrial.monitoring.slices import MAX_SLICES, score_slices, sliced_column
from seatrial.report.slice_part import slice_part

SIGNATURE = ModelSignature(
    task="binary_classification",
    model_file="model.onnx",
    inputs=(
        InputColumn(name="carrier", type="string", required=False, onnx_input="carrier"),
        InputColumn(name="distance", type="double", required=False, onnx_input="distance"),
    ),
    outputs=(
        OutputColumn(name="label", type="long", onnx_output="label"),
        OutputColumn(name="score", type="double", onnx_output="score"),
    ),
    label="label",
    score="score",
    input_example=({"carrier": "AA", "distance": 1.0},),
)
CARRIERS = ("AA", "DL", "UA")


def rows(seed: int, count: int = 3_000, *, wrong: str | None = None) -> pd.DataFrame:
    """Answers whose probabilities are right; those of the carrier `wrong` say the opposite."""
    random = np.random.default_rng(seed)
    carrier = np.array(CARRIERS)[np.arange(count) % 3]
    chance = random.beta(0.5, 0.5, count)
    truth = (random.random(count) < chance).astype(int)
    score = np.where(carrier == wrong, 1 - chance, chance)
    return pd.DataFrame(
        {
            "event_id": [str(number) for number in range(count)],
            "row": 0,
            "carrier": carrier,
            "distance": random.permutation(np.arange(count, dtype=float)),
            "label": (score > 0.5).astype(int),
            "score": score,
            "truth": truth,
        }
    )


CALIBRATION = learn_promises(rows(0), SIGNATURE)


def sliced(column: str, validated: pd.DataFrame, *, min_rows: int = 200) -> SlicedColumn:
    promising = Promising(SIGNATURE, learn_promises(validated, SIGNATURE), min_rows)
    return sliced_column(column, validated[column], validated, promising, seed=1)


def config(**changes: Any) -> Config:
    known = load_config()
    return known.model_copy(update={"monitoring": known.monitoring.model_copy(update=changes)})


def scored(
    window: pd.DataFrame,
    *columns: SlicedColumn,
    known: ScoreCalibration | None = CALIBRATION,
    **changes: Any,
) -> tuple[dict[str, SliceScore], float | None]:
    monitoring = config(**changes).monitoring
    promising = Promising(SIGNATURE, known, monitoring.min_rows)
    found, level = score_slices(window, columns, promising, max_decay=monitoring.max_decay, seed=1)
    return {item.name: item for item in found}, level


def test_numbers_are_cut_at_the_references_thirds() -> None:
    validated = rows(0, 900)
    found = sliced("distance", validated, min_rows=901)
    assert found.upper == (299.0, 599.0)
    assert {item.name: item.rows for item in found.slices} == {
        "distance<=299": 300,
        "299<distance<=599": 300,
        "distance>599": 300,
    }


def test_numbers_that_many_rows_share_make_fewer_slices() -> None:
    validated = rows(0, 900).assign(distance=np.repeat([0.0, 1.0], [700, 200]))
    assert [item.name for item in sliced("distance", validated).slices] == [
        "distance<=0",
        "distance>0",
    ]
    constant = rows(0, 900).assign(distance=7.0)
    assert [item.name for item in sliced("distance", constant).slices] == ["distance"]


@pytest.mark.parametrize("column", ["carrier", "distance"])
def test_missing_values_are_a_slice_of_their_own(column: str) -> None:
    validated = rows(0, 900)
    validated.loc[:249, column] = None
    found = {item.name: item.rows for item in sliced(column, validated).slices}
    assert found[f"{column} missing"] == 250
    assert sum(found.values()) == 900


def test_a_slice_that_fails_while_the_others_hold_is_named() -> None:
    baseline = sliced("carrier", rows(0))
    found, level = scored(rows(1, wrong="DL"), baseline)
    assert {name for name, item in found.items() if item.decayed} == {"carrier=DL"}
    assert {item.metric for item in found["carrier=DL"].decayed} == {
        "auc",
        "accuracy",
        "brier",
        "ece",
    }
    # three slices of four metrics, of three of which scores promise something
    assert level == pytest.approx(1 - 0.05 / 21)


def test_scores_that_lost_their_meaning_in_one_slice_are_concept_drift_there() -> None:
    found, _ = scored(rows(1, wrong="DL"), sliced("carrier", rows(0)))
    assert {name for name, item in found.items() if item.concept_drift} == {"carrier=DL"}
    parted = {item.metric: item for item in found["carrier=DL"].concept_drift}
    assert parted.keys() == {"auc", "accuracy", "brier"}
    accuracy = parted["accuracy"]
    assert accuracy.realised is not None
    assert accuracy.of_labelled_rows is not None
    assert accuracy.realised < 0.3 < 0.7 < accuracy.of_labelled_rows


def test_a_slice_that_was_off_from_the_start_has_not_drifted() -> None:
    """One calibration for all rows promises this slice too much, in validation data as now."""
    validated = rows(0, wrong="DL")
    known = learn_promises(validated, SIGNATURE)
    found, _ = scored(rows(1, wrong="DL"), sliced("carrier", validated), known=known)
    assert found["carrier=DL"].status == "scored"
    assert not any(item.concept_drift or item.decayed for item in found.values())


def test_the_more_is_looked_at_the_wider_the_intervals() -> None:
    validated, window = rows(0), rows(1)
    alone, _ = scored(window, sliced("carrier", validated))
    both, level = scored(window, sliced("carrier", validated), sliced("distance", validated))
    assert level == pytest.approx(1 - 0.05 / 42)
    [few], [many] = (
        [metric for metric in found["carrier=AA"].metrics if metric.metric == "accuracy"]
        for found in (alone, both)
    )
    assert many.low < few.low < few.value < few.high < many.high


def test_intervals_hold_the_error_of_the_validation_rows_too() -> None:
    """As many rows on both sides have half of the variance each."""
    window, known = rows(1), sliced("carrier", rows(0))
    sure = [
        item.model_copy(update={"errors": dict.fromkeys(item.errors, 0.0)}) for item in known.slices
    ]
    certain = known.model_copy(update={"slices": tuple(sure)})
    widths = [
        metric.high - metric.low
        for baseline in (known, certain)
        for metric in scored(window, baseline)[0]["carrier=AA"].metrics
        if metric.metric == "accuracy"
    ]
    assert widths[0] / widths[1] == pytest.approx(np.sqrt(2), rel=0.1)


def test_chance_seldom_alarms_although_many_slices_are_judged() -> None:
    """With no decay allowed at all, which is where chance alarms most."""
    alarms = 0
    for seed in range(4):
        baseline = sliced("carrier", rows(seed, 900)), sliced("distance", rows(seed, 900))
        found, _ = scored(rows(seed + 100, 900), *baseline, max_decay=0.0)
        alarms += any(item.decayed or item.concept_drift for item in found.values())
    assert alarms <= 1


@pytest.mark.parametrize(
    ("count", "status"),
    [
        pytest.param(199, "not enough", id="under"),
        pytest.param(200, "scored", id="exactly at"),
        pytest.param(201, "scored", id="over"),
    ],
)
def test_few_rows_are_not_enough_on_either_side(count: int, status: str) -> None:
    many = rows(0)
    few = many[many["carrier"] == "AA"].head(count)
    for window, validated in ((few, many), (many, few)):
        found, level = scored(window, sliced("carrier", validated))
        assert found["carrier=AA"].status == status
        assert (level is None) is (status == "not enough")
    found, _ = scored(few, sliced("carrier", many))
    assert (found["carrier=UA"].status, found["carrier=UA"].rows) == ("not enough", 0)


def test_a_category_that_the_baseline_does_not_know_is_left_to_drift() -> None:
    found, _ = scored(rows(1).replace("DL", "ZZ"), sliced("carrier", rows(0)))
    assert set(found) == {"carrier=AA", "carrier=DL", "carrier=UA"}
    assert found["carrier=DL"].rows == 0


@pytest.mark.parametrize("values", [MAX_SLICES - 1, MAX_SLICES], ids=["under", "exactly at"])
def test_a_column_may_have_so_many_slices(values: int) -> None:
    names = [f"c{number % values}" for number in range(900)]
    assert len(sliced("carrier", rows(0, 900).assign(carrier=names)).slices) == values


def test_a_column_of_more_slices_is_refused() -> None:
    names = [f"c{number % (MAX_SLICES + 1)}" for number in range(900)]
    with pytest.raises(
        ConfigError, match=r"carrier with 51', allowed at most 50 in.*fewer categories"
    ):
        sliced("carrier", rows(0, 900).assign(carrier=names))


def test_a_baseline_has_the_configured_slices_and_the_calibration_error() -> None:
    validated = rows(0)
    found = evidence(
        validated, validated, SIGNATURE, config(slices=("carrier",)), hidden=(), seed=1
    )
    assert [item.column for item in found.slices] == ["carrier"]
    assert found.slices[0].slices[0].quality.keys() == {"accuracy", "auc", "brier", "ece"}
    assert 0 < found.quality["ece"] < 0.05
    assert evidence(validated, None, SIGNATURE, config(), hidden=(), seed=1).slices == ()


@pytest.mark.parametrize(
    ("asked", "hidden", "validated", "message"),
    [
        pytest.param("carier", (), True, "got 'carier', allowed carrier, distance", id="unknown"),
        pytest.param("carrier", ("carrier",), True, "got 'carrier', allowed distance", id="hidden"),
        pytest.param("score", (), True, "got 'score', allowed carrier", id="an answer"),
        pytest.param("carrier", (), False, "without the target", id="no truth"),
    ],
)
def test_slices_that_cannot_be_made_are_refused(
    asked: str, hidden: tuple[str, ...], validated: bool, message: str
) -> None:
    frame = rows(0, 900)
    given = frame if validated else None
    with pytest.raises(ConfigError, match=message):
        evidence(frame, given, SIGNATURE, config(slices=(asked,)), hidden=hidden, seed=1)


def test_people_are_told_of_the_slice() -> None:
    labels = LabelScores(
        status="scored",
        labelled_rows=900,
        unmatched_labels=0,
        metrics=(),
        slices=(
            SliceScore(name="carrier=AA", rows=12, status="not enough"),
            SliceScore(name="carrier=<DL>", rows=812, status="scored", metrics=(metric("auc"),)),
        ),
        slice_level=1 - 0.05 / 12,
    )
    assert labels.worse
    assert list(decay_reasons(labels)) == [
        "Decay where carrier=<DL>, 812 rows: auc is 0.600 (99.58 % interval 0.550 to 0.650), "
        "0.760 on validation data."
    ]
    page = str(slice_part(labels))
    assert page.index("carrier=&lt;DL&gt;") < page.index("carrier=AA")
    assert "not enough rows" in page
    assert "99.58 % each" in page
    assert slice_part(labels.model_copy(update={"slices": ()})) is None
    unjudged = labels.model_copy(update={"slices": labels.slices[:1], "slice_level": None})
    assert not unjudged.worse
    assert "No slice has enough" in str(slice_part(unjudged))


def test_people_are_told_of_concept_drift_in_a_slice() -> None:
    parted = MetricEstimate(
        metric="auc", value=0.8, of_labelled_rows=0.8, realised=0.6, parted=True
    )
    well = metric("auc").model_copy(update={"decayed": False})
    item = SliceScore(
        name="carrier=DL", rows=812, status="scored", metrics=(well,), estimates=(parted,)
    )
    labels = LabelScores(
        status="scored",
        labelled_rows=900,
        unmatched_labels=0,
        metrics=(),
        slices=(item,),
        slice_level=0.99,
    )
    assert labels.worse
    [told] = decay_reasons(labels)
    assert told.startswith("Concept drift where carrier=DL, 812 rows: auc is 0.600 by the labels")
    assert "parted: concept drift" in str(slice_part(labels))


def metric(name: str) -> MetricScore:
    return MetricScore(
        metric=name, value=0.6, low=0.55, high=0.65, baseline=0.76, change=-0.16, decayed=True
    )
