"""True labels joined to predictions, and metrics with intervals that tell decay from noise."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from seatrial.config import MonitoringConfig, load_config
from seatrial.contracts import (
    Baseline,
    InputColumn,
    MetricScore,
    ModelSignature,
    OutputColumn,
    ScoreCalibration,
    read_contract,
    write_contract,
)
from seatrial.errors import InputError
from seatrial.monitoring.bootstrap import (
    DRAWS,
    MIN_REQUESTS,
    Labelled,
    bootstrap,
    gap_draws,
    request_draws,
    resample,
    weighted_auc,
)
from seatrial.monitoring.labels import join, labelled_rows, read_labels
from seatrial.monitoring.scores import measure, metric_score, score_metrics, spread
from seatrial.quality import measure_quality
from seatrial.steps.score_labels import fetch, score

ROWS = 2_000


def binary(seed: int = 0, *, skill: float = 1.0, per_request: int = 1) -> Labelled:
    random = np.random.default_rng(seed)
    truth = random.integers(0, 2, ROWS)
    odds = skill * (truth - 0.5) * 2 + random.normal(size=ROWS)
    probability = np.round(1 / (1 + np.exp(-odds)), 2)
    label = (probability > 0.5).astype(np.int64)
    request = np.arange(ROWS) // per_request
    return Labelled("binary_classification", truth, label, probability, request)


def regression(seed: int = 0) -> Labelled:
    random = np.random.default_rng(seed)
    truth = random.normal(size=ROWS)
    predicted = truth + random.normal(0, 0.5, ROWS)
    return Labelled("regression", truth, None, predicted, np.arange(ROWS))


def by_name(scores: tuple[MetricScore, ...]) -> dict[str, MetricScore]:
    return {item.metric: item for item in scores}


@pytest.mark.parametrize("seed", range(3))
def test_the_weighted_auc_is_scikit_learns(seed: int) -> None:
    rows = binary(seed)
    weights = np.random.default_rng(seed).integers(0, 4, (3, ROWS))
    for weight, found in zip(weights, weighted_auc(rows.truth, rows.score, weights), strict=True):
        exact = roc_auc_score(rows.truth, rows.score, sample_weight=weight)
        assert found == pytest.approx(exact, abs=1e-12)


def test_an_auc_of_one_class_is_not_defined() -> None:
    found = weighted_auc(np.array([1, 1, 0]), np.array([0.1, 0.2, 0.3]), np.array([[1, 1, 0]]))
    assert np.isnan(found).all()


@pytest.mark.parametrize("rows", [binary(), regression()], ids=["binary", "regression"])
def test_undrawn_rows_give_the_metrics_of_the_baseline(rows: Labelled) -> None:
    for metric, value in measure(rows).items():
        undrawn = np.ones((1, ROWS), dtype=int)
        once = (
            np.abs(gap_draws(rows, undrawn)).sum(axis=1)
            if metric == "ece"
            else bootstrap(metric, rows, undrawn)
        )
        assert once[0] == pytest.approx(value, abs=1e-12)


def test_intervals_hold_the_value_and_shrink_with_the_rows() -> None:
    scores = by_name(score_metrics(binary(), {}, max_decay=0.02, seed=1))
    assert set(scores) == {"auc", "accuracy", "brier", "ece"}
    for item in scores.values():
        assert item.low < item.value < item.high
        assert item.baseline is item.change is None
        assert not item.decayed
    share = scores["accuracy"].value
    expected = 1.96 * np.sqrt(share * (1 - share) / ROWS)
    assert scores["accuracy"].high - share == pytest.approx(expected, rel=0.1)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    truth = np.mean([auc_of(binary(seed)) for seed in range(1_000, 1_030)])
    few = slice(0, 300)
    holds = 0
    for seed in range(40):
        rows = binary(seed)
        assert rows.score is not None
        some = Labelled(rows.task, rows.truth[few], None, rows.score[few], rows.request[few])
        draws = resample(["auc"], some, seed=seed, draws=200)["auc"]
        low, high = np.percentile(draws, [2.5, 97.5])
        holds += low <= truth <= high
    assert holds >= 34


def auc_of(rows: Labelled) -> float:
    return measure_quality(rows.task, rows.truth, label=rows.label, score=rows.score)["auc"]


def test_rows_of_one_request_count_as_one_observation() -> None:
    """The same rows in fewer requests tell less, if they err together."""
    random = np.random.default_rng(0)
    error = np.repeat(random.normal(size=ROWS // 50), 50)
    alone = Labelled("regression", np.zeros(ROWS), None, error, np.arange(ROWS))
    together = Labelled("regression", np.zeros(ROWS), None, error, np.arange(ROWS) // 50)
    widths = [
        item.high - item.low
        for rows in (alone, together)
        for item in score_metrics(rows, {}, max_decay=0, seed=1)
        if item.metric == "mae"
    ]
    assert widths[1] > 5 * widths[0]


def test_draws_are_as_many_as_there_are_requests() -> None:
    [draws] = request_draws(np.array([0, 0, 1, 2]), seed=1)
    assert draws.shape == (DRAWS, 3)
    assert (draws.sum(axis=1) == 3).all()


def test_many_requests_are_drawn_a_few_times_at_once_and_alike(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = binary()
    whole = resample(measure(rows), rows, seed=1, draws=5)
    monkeypatch.setattr("seatrial.monitoring.bootstrap.MAX_CELLS", 2 * ROWS)
    assert [len(draws) for draws in request_draws(rows.request, 1, draws=5)] == [2, 2, 1]
    for metric, values in resample(measure(rows), rows, seed=1, draws=5).items():
        np.testing.assert_allclose(values, whole[metric], rtol=1e-9)


@pytest.mark.parametrize(
    ("metric", "interval", "baseline", "decayed"),
    [
        pytest.param("auc", (0.60, 0.749), 0.77, True, id="over what is allowed"),
        pytest.param("auc", (0.60, 0.75), 0.77, False, id="exactly what is allowed"),
        pytest.param("auc", (0.60, 0.751), 0.77, False, id="under what is allowed"),
        pytest.param("auc", (0.85, 0.90), 0.77, False, id="better"),
        pytest.param("rmse", (3.021, 3.5), 3.0, True, id="error over what is allowed"),
        pytest.param("rmse", (3.02, 3.5), 3.0, False, id="error exactly what is allowed"),
        pytest.param("rmse", (3.019, 3.5), 3.0, False, id="error under what is allowed"),
        pytest.param("brier", (0.05, 0.06), 0.14, False, id="less error"),
        pytest.param("auc", (0.1, 0.2), None, False, id="nothing to compare with"),
    ],
)
def test_decay_is_judged_by_the_better_end_of_the_interval(
    metric: str, interval: tuple[float, float], baseline: float | None, decayed: bool
) -> None:
    middle = sum(interval) / 2
    found = metric_score(metric, middle, interval, baseline, max_decay=0.02)
    assert found.decayed is decayed
    assert found.change == (None if baseline is None else middle - baseline)


def test_a_model_that_lost_its_skill_decayed_and_one_that_did_not_has_not() -> None:
    baseline = measure_quality(
        "binary_classification", binary().truth, label=binary().label, score=binary().score
    )
    same = by_name(score_metrics(binary(1), baseline, max_decay=0.02, seed=1))
    worse = by_name(score_metrics(binary(1, skill=0.5), baseline, max_decay=0.02, seed=1))
    assert not any(item.decayed for item in same.values())
    assert {item.metric for item in worse.values() if item.decayed} == {"auc", "accuracy", "brier"}


def calibrated(seed: int, rows: int, *, off: float = 0.0) -> Labelled:
    """Scores that come true as often as they say, or by `off` less often."""
    random = np.random.default_rng(seed)
    score = off + (1 - off) * random.beta(1.2, 3, rows)
    truth = (random.random(rows) < score - off).astype(int)
    return Labelled("binary_classification", truth, None, score, np.arange(rows))


@pytest.mark.parametrize("rows", [200, 1_000])
def test_what_chance_adds_to_a_calibration_error_is_no_decay(rows: int) -> None:
    """By percentiles every window of 200 rows would be a decay of more than 0.02."""
    for seed in range(10):
        scored = calibrated(seed, rows)
        value, around = (
            measure(scored)["ece"],
            spread("ece", resample(["ece"], scored, seed=seed)["ece"]),
        )
        low, high = around.interval(value, 1.96)
        assert 0 <= low <= value <= high
        assert not metric_score("ece", value, (low, high), 0.0, max_decay=0.02).decayed


def test_scores_that_no_longer_come_true_are_a_decay_of_calibration() -> None:
    baseline = measure(calibrated(0, ROWS))
    found = by_name(score_metrics(calibrated(1, ROWS, off=0.1), baseline, max_decay=0.02, seed=1))
    assert found["ece"].value == pytest.approx(0.1, abs=0.02)
    assert found["ece"].decayed


def test_only_a_truth_of_zero_and_one_has_a_calibration_error() -> None:
    rows = calibrated(0, 300)
    assert "ece" in measure(rows)
    assert "ece" not in measure(regression())
    doubled = Labelled(rows.task, rows.truth + 1, None, rows.score, rows.request)
    assert "ece" not in measure(doubled)


# Labels: files, and joining them.

SIGNATURE = ModelSignature(
    task="binary_classification",
    model_file="model.onnx",
    inputs=(InputColumn(name="temp", type="double", required=False, onnx_input="temp"),),
    outputs=(
        OutputColumn(name="label", type="long", onnx_output="label"),
        OutputColumn(name="score", type="double", onnx_output="score"),
    ),
    label="label",
    score="score",
    input_example=({"temp": 1.0},),
)


def window() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "event_id": ["e1", "e1", "e2", "e3"],
            "inference_id": [None, None, "mine", None],
            "row": [0, 1, 0, 0],
            "temp": [1.0, 2.0, 3.0, 4.0],
            "label": [0, 1, 0, 1],
            "score": [0.1, 0.9, 0.2, 0.8],
        }
    )


def labels_file(folder: Path, text: str) -> Path:
    path = folder / "labels.csv"
    path.write_text(text)
    return path


def test_labels_find_their_rows_by_event_id(tmp_path: Path) -> None:
    path = labels_file(tmp_path, "event_id,row,label\ne1,1,1\ne3,0,0\ne1,7,1\ngone,0,1\n")
    joined = join(window(), read_labels(path))
    assert joined.unmatched == 2
    rows = labelled_rows(joined, SIGNATURE)
    assert list(rows.truth) == [1, 0]
    assert list(rows.score) == [0.9, 0.8]
    assert list(rows.request) == [0, 1]


def test_labels_find_their_rows_by_inference_id(tmp_path: Path) -> None:
    joined = join(window(), read_labels(labels_file(tmp_path, "inference_id,label\nmine,1\n")))
    assert list(joined.rows["event_id"]) == ["e2"]
    assert joined.unmatched == 0


def test_without_a_row_a_label_is_of_the_first(tmp_path: Path) -> None:
    joined = join(window(), read_labels(labels_file(tmp_path, "event_id,label\ne1,1\n")))
    assert list(joined.rows["temp"]) == [1.0]


def test_the_last_label_of_a_row_wins(tmp_path: Path) -> None:
    text = "event_id,row,label\ne1,0,0\ne1,0,1\n"
    joined = join(window(), read_labels(labels_file(tmp_path, text)))
    assert list(joined.rows["truth"]) == [1]


def test_labels_may_be_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text('{"event_id": "e1", "row": 1, "label": 1}\n{"event_id": "007", "label": 0}\n')
    labels = read_labels(path)
    assert list(labels["event_id"]) == ["e1", "007"]
    assert list(labels["row"]) == [1, 0]


@pytest.mark.parametrize("names", [("a.csv", "b.jsonl"), ("b.csv", "a.jsonl")])
def test_of_many_files_the_newest_label_wins_in_whatever_order(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    (tmp_path / names[0]).write_text(
        "event_id,label,labelled_at\ne1,1,2024-02-01T00:00:00Z\ne2,0,2024-01-01\n"
    )
    (tmp_path / names[1]).write_text(
        '{"event_id": "e1", "label": 0, "labelled_at": "2024-01-15T00:00:00Z"}\n'
        '{"event_id": "e2", "label": 1, "labelled_at": "2024-01-01T00:00:01Z"}\n'
    )
    labels = read_labels(tmp_path).set_index("event_id")["label"]
    assert (labels["e1"], labels["e2"]) == (1, 1)


def test_of_files_without_times_the_last_by_name_wins(tmp_path: Path) -> None:
    for name, label in (("b.csv", 1), ("a.csv", 0)):
        (tmp_path / name).write_text(f"event_id,label\ne1,{label}\n")
    assert list(read_labels(tmp_path)["label"]) == [1]


def test_a_folder_without_files_or_of_two_keys_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file in it"):
        read_labels(tmp_path)
    (tmp_path / "a.csv").write_text("event_id,label\ne1,1\n")
    (tmp_path / "b.csv").write_text("inference_id,label\nmine,1\n")
    with pytest.raises(InputError, match="some have inference_id"):
        read_labels(tmp_path)


def test_rows_without_a_label_yet_are_left_out(tmp_path: Path) -> None:
    text = "event_id,row,label\ne1,0,\ne2,0,1\n"
    assert list(read_labels(labels_file(tmp_path, text))["event_id"]) == ["e2"]


def test_ids_that_look_like_numbers_stay_text(tmp_path: Path) -> None:
    labels = read_labels(labels_file(tmp_path, "event_id,row,label\n007,0,1\n"))
    assert list(labels["event_id"]) == ["007"]


def test_labels_may_be_parquet(tmp_path: Path) -> None:
    path = tmp_path / "labels.parquet"
    pd.DataFrame({"event_id": ["e1"], "row": [1], "label": [True]}).to_parquet(path)
    rows = labelled_rows(join(window(), read_labels(path)), SIGNATURE)
    assert list(rows.truth) == [1]


@pytest.mark.parametrize("metric", ["accuracy", "auc", "ece"])
@pytest.mark.parametrize("requests", [1, MIN_REQUESTS - 1])
def test_few_requests_give_no_narrower_interval_than_their_rows(metric: str, requests: int) -> None:
    rows = binary()
    few = replace(rows, request=np.arange(ROWS) * requests // ROWS)
    found, alone = (
        spread(metric, resample([metric], item, seed=3, draws=300)[metric]).error
        for item in (few, rows)
    )
    assert found > 0.85 * alone


@pytest.mark.parametrize(
    ("requests", "wider"),
    [
        pytest.param(MIN_REQUESTS - 1, True, id="under"),
        pytest.param(MIN_REQUESTS, False, id="exactly"),
        pytest.param(MIN_REQUESTS + 1, False, id="over"),
    ],
)
def test_enough_requests_are_drawn_as_they_are(requests: int, wider: bool) -> None:
    rows = replace(binary(), request=np.arange(ROWS) % requests)
    half_right = np.arange(ROWS) // requests % 2
    alike = replace(rows, truth=np.ones(ROWS), label=half_right)
    found = spread("accuracy", resample(["accuracy"], alike, seed=3)["accuracy"]).error
    assert (found > 0.005) is wider


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("label\n1\n", id="no id"),
        pytest.param("event_id,row\ne1,0\n", id="no label"),
        pytest.param("event_id,row,label\ne1,first,1\n", id="row not a number"),
        pytest.param("", id="empty"),
    ],
)
def test_a_file_that_holds_no_labels_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="event_id, inference_id or a column"):
        read_labels(labels_file(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("id,label\n1,0\n", "no key among its columns id, label'", id="no key"),
        pytest.param(
            "event_id,label,labelled_at\ne1,1,soon\n",
            r"not ISO8601 format, at position 0\.'",
            id="no time",
        ),
    ],
)
def test_why_a_file_holds_no_labels_is_told_on_one_line(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(InputError, match=said) as refused:
        read_labels(labels_file(tmp_path, text))
    assert "\\n" not in str(refused.value)


def test_a_folder_in_s3_without_labels_is_named() -> None:
    class Empty:
        def download_folder(self, prefix_uri: str, folder: Path) -> Path:
            assert prefix_uri == "s3://lake/labels/"
            return folder

    with (
        tempfile.TemporaryDirectory() as scratch,
        pytest.raises(InputError, match="nothing below s3://lake/labels/"),
    ):
        fetch("s3://lake/labels/", Path(scratch), Empty())  # type: ignore[arg-type]


def test_a_labels_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.csv: FileNotFoundError"):
        read_labels(tmp_path / "nowhere.csv")


def test_labels_of_another_kind_than_the_model_predicts_are_refused(tmp_path: Path) -> None:
    joined = join(window(), read_labels(labels_file(tmp_path, "event_id,label\ne1,late\n")))
    with pytest.raises(InputError, match="not of the kind"):
        labelled_rows(joined, SIGNATURE)


def test_a_model_that_predicts_text_is_compared_as_text(tmp_path: Path) -> None:
    outputs = (OutputColumn(name="label", type="string", onnx_output="label"),)
    signature = SIGNATURE.model_copy(
        update={"outputs": outputs, "score": None, "task": "multiclass_classification"}
    )
    frame = window().assign(label=["1", "2", "1", "2"])
    text = "event_id,row,label\ne1,0,1\ne1,1,1\n"
    rows = labelled_rows(join(frame, read_labels(labels_file(tmp_path, text))), signature)
    assert by_name(score_metrics(rows, {}, max_decay=0, seed=1))["accuracy"].value == 0.5


def test_rows_that_got_no_answer_are_left_out(tmp_path: Path) -> None:
    frame = window()
    frame.loc[1, "score"] = np.nan
    text = "event_id,row,label\ne1,0,0\ne1,1,1\n"
    rows = labelled_rows(join(frame, read_labels(labels_file(tmp_path, text))), SIGNATURE)
    assert list(rows.score) == [0.1]
    assert list(rows.request) == [0]


def test_labels_that_match_nothing_are_counted(tmp_path: Path) -> None:
    folder = write_window(tmp_path, 300)
    labels = labels_file(tmp_path, "event_id,label\ngone,1\n")
    found = score(folder, labels, config())
    assert (found.status, found.labelled_rows, found.unmatched_labels) == (
        "not enough labels",
        0,
        1,
    )


def write_window(folder: Path, rows: int) -> Path:
    made = binary()
    frame = pd.DataFrame(
        {
            "event_id": [f"e{number}" for number in range(rows)],
            "inference_id": None,
            "row": 0,
            "temp": 1.0,
            "label": made.label[:rows],
            "score": made.score[:rows],
        }
    )
    frame.to_parquet(folder / "window.parquet")
    pd.DataFrame({"event_id": frame["event_id"], "label": made.truth[:rows]}).to_csv(
        folder / "labels.csv", index=False
    )
    baseline: dict[str, Any] = {
        "model_package_arn": None,
        "task": "binary_classification",
        "target": "late",
        "rows": 1,
        "started_at": None,
        "ended_at": None,
        "input_columns": ("temp",),
        "output_columns": ("label", "score"),
        "bounds": (),
        "bound_method": "contiguous blocks",
        "false_alert_every_windows": 20,
        "held_out_rows": 0,
        "seed": 1,
        "quality": {"auc": 0.99},
    }
    write_contract(Baseline(**baseline), folder / "baseline" / "baseline.json")
    write_contract(SIGNATURE, folder / "baseline" / "signature.json")
    return folder


def config() -> MonitoringConfig:
    return load_config().monitoring


@pytest.mark.parametrize(
    ("rows", "status"),
    [
        pytest.param(199, "not enough labels", id="under"),
        pytest.param(200, "scored", id="exactly at"),
        pytest.param(201, "scored", id="over"),
    ],
)
def test_few_labels_are_not_scored(tmp_path: Path, rows: int, status: str) -> None:
    found = score(write_window(tmp_path, rows), tmp_path / "labels.csv", config())
    assert (found.status, found.labelled_rows) == (status, rows)
    assert bool(found.metrics) is (status == "scored")


def test_scores_are_compared_with_the_baseline_where_it_has_them(tmp_path: Path) -> None:
    found = score(write_window(tmp_path, 1_000), tmp_path / "labels.csv", config())
    scores = by_name(found.metrics)
    assert scores["auc"].decayed
    assert scores["auc"].baseline == 0.99
    assert scores["brier"].baseline is None


def test_no_labels_yet_is_an_answer(tmp_path: Path) -> None:
    found = score(write_window(tmp_path, 300), None, config())
    assert (found.status, found.metrics) == ("no labels", ())


def test_labels_may_be_keyed_by_a_column_of_the_model(tmp_path: Path) -> None:
    """Whatever the file makes of its type; a value that two rows share names neither."""
    window = pd.DataFrame(
        {"event_id": list("abcd"), "row": 0, "order": [17, 18, 19, 19], "score": 0.5}
    )
    path = tmp_path / "labels.csv"
    path.write_text("order,label\n17,1\n18,0\n18,1\n19,1\n20,0\n")
    joined = join(window, read_labels(path, ["order", "score"]))
    assert joined.rows[["event_id", "truth"]].to_numpy().tolist() == [["a", 1], ["b", 1]]
    assert joined.unmatched == 2
    pd.DataFrame({"order": [17.0, 18.0], "label": [1, 0]}).to_parquet(tmp_path / "labels.parquet")
    typed = join(window, read_labels(tmp_path / "labels.parquet", ["order"]))
    assert typed.rows["truth"].tolist() == [1, 0]


def test_labels_without_any_key_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("number,label\n17,1\n")
    with pytest.raises(InputError, match="a column of the model"):
        read_labels(path, ["order"])


def test_probabilities_promise_what_labels_then_contradict(tmp_path: Path) -> None:
    folder = write_window(tmp_path, 1_000)
    baseline = read_contract(Baseline, folder / "baseline" / "baseline.json")
    sure = ScoreCalibration(scores=(0.0, 1.0), rates=(0.99, 0.99))
    changed = baseline.model_copy(update={"score_calibration": sure})
    write_contract(changed, folder / "baseline" / "baseline.json")
    before = score(folder, None, config())
    assert (before.status, before.concept_drift) == ("no labels", ())
    assert {item.metric for item in before.estimates} >= {"accuracy", "brier"}
    after = score(folder, tmp_path / "labels.csv", config())
    assert "brier" in {item.metric for item in after.concept_drift}
