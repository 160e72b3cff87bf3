"""What onnxmltools makes of boosted trees predicts as their own library does, or is refused."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from packaging.version import Version

from seatrial.contracts import Task
from seatrial.errors import InputError
from seatrial.optimization.flavors import lightgbm as lightgbm_flavor
from seatrial.optimization.flavors import xgboost as xgboost_flavor
from seatrial.optimization.mlflow_model import Column, MlflowModel
from seatrial.optimization.origin_child import write_converted
from seatrial.serving.model import Model

ROWS = 400
NAMES = list("abcdef")
BINARY, MULTI, VALUE = "binary_classification", "multiclass_classification", "regression"


def data() -> tuple[Any, dict[str, Any]]:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(ROWS, 6)).astype(np.float32)
    full = rows[:, 0] + rows[:, 1] * rows[:, 2]
    rows[rng.random(rows.shape) < 0.1] = np.nan
    return rows, {
        BINARY: (full > 0).astype(int),
        MULTI: np.digitize(full, [-0.5, 0.5]),
        VALUE: full * 3 + 20,
    }


X, Y = data()
COLUMNS = tuple(Column(name, "double", False) for name in NAMES)
FRAME = pd.DataFrame(X, columns=NAMES)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


def described(**options: Any) -> MlflowModel:
    return MlflowModel(Path(), "", options, COLUMNS, (dict.fromkeys(NAMES, 0.0),))


def deviation(original: Any, folder: Path) -> float:
    """The largest one of the served graph, relative to values over 1; labels must be the same."""
    wanted = original.predict(FRAME)
    converted = original.convert()
    write_converted(converted, folder)
    signature = converted.signature
    found = Model.load(folder).predict({name: X[:, i] for i, name in enumerate(NAMES)})
    if wanted.labels is not None:
        assert list(found["label"].astype(str)) == list(wanted.labels.astype(str))
    scores = [item.name for item in signature.outputs if item.name != signature.label]
    difference = np.column_stack([found[name] for name in scores]) - wanted.scores
    return float(np.max(np.abs(difference) / np.maximum(1, np.abs(wanted.scores))))


HALF = ROWS // 2


def early_xgboost() -> Any:
    model = xgboost.XGBClassifier(n_estimators=100, early_stopping_rounds=2, learning_rate=0.6)
    truth = Y[BINARY]
    return model.fit(X[:HALF], truth[:HALF], eval_set=[(X[HALF:], truth[HALF:])], verbose=False)


def early_lightgbm() -> Any:
    truth = Y[BINARY]
    return lightgbm.train(
        {"objective": "binary", "learning_rate": 0.6, "verbose": -1},
        lightgbm.Dataset(X[:HALF], truth[:HALF]),
        100,
        valid_sets=[lightgbm.Dataset(X[HALF:], truth[HALF:])],
        callbacks=[lightgbm.early_stopping(2, verbose=False)],
    )


def xgb(task: Task, **options: Any) -> Any:
    kind = xgboost.XGBRegressor if task == VALUE else xgboost.XGBClassifier
    return kind(n_estimators=8, **options).fit(FRAME, options.pop("y", Y[task]))


XGBOOST: list[Any] = [
    pytest.param(BINARY, {}, id="binary"),
    pytest.param(BINARY, {"base_score": 0.2}, id="binary-base-score"),
    pytest.param(BINARY, {"num_parallel_tree": 3, "subsample": 0.5}, id="binary-forest"),
    pytest.param(MULTI, {}, id="multiclass"),
    pytest.param(MULTI, {"objective": "multi:softmax"}, id="multiclass-softmax"),
    pytest.param(VALUE, {}, id="regression"),
    pytest.param(VALUE, {"base_score": 7.0}, id="regression-base-score"),
    pytest.param(VALUE, {"objective": "reg:absoluteerror"}, id="absolute-error"),
    pytest.param(VALUE, {"objective": "reg:pseudohubererror"}, id="pseudo-huber"),
    pytest.param(VALUE, {"objective": "count:poisson"}, id="poisson"),
    pytest.param(VALUE, {"objective": "reg:tweedie"}, id="tweedie"),
    pytest.param(VALUE, {"objective": "reg:gamma"}, id="gamma"),
]


@pytest.mark.parametrize(("task", "options"), XGBOOST)
def test_xgboost_predicts_the_same(task: Task, options: dict[str, Any], tmp_path: Path) -> None:
    model = xgb(task, **options)
    model.save_model(tmp_path / "model.ubj")
    described_model = MlflowModel(
        tmp_path,
        "xgboost",
        {"data": "model.ubj", "model_class": "xgboost.sklearn.X"},
        COLUMNS,
        (dict.fromkeys(NAMES, 0.0),),
    )
    original = xgboost_flavor.load(described_model, task, trusted=False)
    own = model.predict(FRAME) if task == VALUE else model.predict_proba(FRAME)
    scores = original.predict(FRAME).scores
    assert np.allclose(scores[:, -1], own if own.ndim == 1 else own[:, -1], atol=1e-6)
    assert deviation(original, tmp_path) <= 1e-5


def test_a_wrapper_stops_at_its_best_iteration_and_a_booster_does_not(tmp_path: Path) -> None:
    model = early_xgboost()
    model.save_model(tmp_path / "model.json")
    found = {}
    for name in ("xgboost.sklearn.XGBClassifier", "xgboost.core.Booster"):
        options = {"data": "model.json", "model_class": name}
        described_model = MlflowModel(
            tmp_path, "xgboost", options, COLUMNS, (dict.fromkeys(NAMES, 0.0),)
        )
        original = xgboost_flavor.load(described_model, BINARY, trusted=False)
        found[name] = original.predict(FRAME).scores[:, 0]
        assert deviation(original, tmp_path) <= 1e-5
    wrapper, booster = found.values()
    assert np.allclose(wrapper, model.predict_proba(X)[:, 1], atol=1e-6)
    rows = xgboost.DMatrix(X)
    assert np.allclose(booster, model.get_booster().predict(rows), atol=1e-6)
    assert not np.allclose(wrapper, booster, atol=1e-3)


# XGBoost 3.4 has dropout in its ordinary booster, and warns of the name for it.
DROPOUT: dict[str, Any] = {"rate_drop": 0.5, "one_drop": 1}
if Version(xgboost.__version__) < Version("3.4"):
    DROPOUT["booster"] = "dart"


@pytest.mark.parametrize(
    ("task", "options", "said"),
    [
        (BINARY, DROPOUT, "dart"),
        (VALUE, {"objective": "reg:logistic", "y": Y[BINARY]}, "reg:logistic"),
        (MULTI, {"num_parallel_tree": 3}, "num_parallel_tree=3 with several classes"),
    ],
)
def test_what_xgboost_has_and_onnx_would_get_wrong_is_refused(
    task: Task, options: dict[str, Any], said: str
) -> None:
    truth = options.pop("y", Y[task])
    kind = xgboost.XGBRegressor if task == VALUE else xgboost.XGBClassifier
    booster = kind(n_estimators=3, **options).fit(X, truth).get_booster()
    with pytest.raises(InputError, match=said):
        xgboost_flavor.BoostedTrees(booster, described(), task).convert()


def test_categories_of_xgboost_are_refused() -> None:
    frame = FRAME.assign(a=pd.Categorical(["u", "v"] * (ROWS // 2)))
    model = xgboost.XGBClassifier(n_estimators=3, enable_categorical=True).fit(frame, Y[BINARY])
    with pytest.raises(InputError, match="categorical features"):
        xgboost_flavor.BoostedTrees(model.get_booster(), described(), BINARY).convert()


def test_a_model_of_another_task_is_refused() -> None:
    booster = xgb(VALUE).get_booster()
    with pytest.raises(InputError, match=r"reg:squarederror for binary_classification"):
        xgboost_flavor.BoostedTrees(booster, described(), BINARY).convert()


def test_columns_in_another_order_than_in_training_are_refused() -> None:
    booster = xgb(BINARY).get_booster()
    with pytest.raises(InputError, match="trained with other columns"):
        xgboost_flavor.BoostedTrees(booster, described(), BINARY).predict(FRAME[NAMES[::-1]])


LIGHTGBM: list[Any] = [
    pytest.param(BINARY, {}, id="binary"),
    pytest.param(BINARY, {"boosting_type": "dart"}, id="dart"),
    pytest.param(BINARY, {"zero_as_missing": True}, id="zero-as-missing"),
    pytest.param(BINARY, {"is_unbalance": True}, id="unbalanced"),
    pytest.param(MULTI, {}, id="multiclass"),
    *(
        pytest.param(VALUE, {"objective": name}, id=name)
        for name in (
            *("regression", "regression_l1", "huber", "quantile", "poisson", "tweedie", "gamma"),
        )
    ),
]


@pytest.mark.parametrize(("task", "options"), LIGHTGBM)
def test_lightgbm_predicts_the_same(task: Task, options: dict[str, Any], tmp_path: Path) -> None:
    kind = lightgbm.LGBMRegressor if task == VALUE else lightgbm.LGBMClassifier
    model = kind(n_estimators=8, verbose=-1, **options).fit(X, Y[task])
    original = lightgbm_flavor.BoostedTrees(model, described(), task)
    own = model.booster_.predict(X)
    assert np.allclose(original.predict(FRAME).scores[:, -1], own if own.ndim == 1 else own[:, -1])
    assert deviation(original, tmp_path) <= 1e-5


def test_class_names_of_lightgbm_are_kept(tmp_path: Path) -> None:
    names = np.array(["early", "late", "never"])[Y[MULTI]]
    model = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1).fit(X, names)
    original = lightgbm_flavor.BoostedTrees(model, described(), MULTI)
    assert set(np.asarray(original.predict(FRAME).labels)) <= {"early", "late", "never"}
    assert deviation(original, tmp_path) <= 1e-5
    outputs = [item.name for item in original.convert().signature.outputs]
    assert outputs == ["label", "score_early", "score_late", "score_never"]


def test_a_booster_in_a_file_stops_at_its_best_iteration(tmp_path: Path) -> None:
    model = early_lightgbm()
    model.save_model(tmp_path / "model.lgb")
    described_model = MlflowModel(
        tmp_path, "lightgbm", {"data": "model.lgb"}, COLUMNS, (dict.fromkeys(NAMES, 0.0),)
    )
    original = lightgbm_flavor.load(described_model, BINARY, trusted=False)
    assert np.allclose(original.predict(FRAME).scores[:, 0], model.predict(X))
    assert model.best_iteration < 100
    assert deviation(original, tmp_path) <= 1e-5


@pytest.mark.parametrize(
    ("task", "options", "said"),
    [
        (BINARY, {"boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}, "rf"),
        (BINARY, {"sigmoid": 2.0}, "sigmoid:2"),
        (MULTI, {"objective": "multiclassova"}, "multiclassova"),
        (VALUE, {"objective": "regression", "reg_sqrt": True}, "sqrt"),
        (VALUE, {"linear_tree": True}, "linear trees"),
    ],
)
def test_what_lightgbm_has_and_onnx_would_get_wrong_is_refused(
    task: Task, options: dict[str, Any], said: str
) -> None:
    kind = lightgbm.LGBMRegressor if task == VALUE else lightgbm.LGBMClassifier
    rows = np.nan_to_num(X) if "linear_tree" in options else X
    model = kind(n_estimators=4, verbose=-1, **options).fit(rows, Y[task])
    with pytest.raises(InputError, match=said):
        lightgbm_flavor.BoostedTrees(model, described(), task).convert()


def test_categories_of_lightgbm_are_refused() -> None:
    rows = X.copy()
    rows[:, 0] = np.arange(ROWS) % 8
    truth = (np.arange(ROWS) % 8 % 3 == 0).astype(int)
    booster = lightgbm.train(
        {"objective": "binary", "verbose": -1},
        lightgbm.Dataset(rows, truth, categorical_feature=[0]),
        4,
    )
    with pytest.raises(InputError, match="categorical features"):
        lightgbm_flavor.BoostedTrees(booster, described(), BINARY).convert()


@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_boosted_trees_at_the_end_of_a_pipeline_predict_the_same(
    library: str, tmp_path: Path
) -> None:
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline

    from seatrial.optimization.flavors.sklearn import FittedEstimator

    model: Any = (
        xgboost.XGBClassifier(n_estimators=5)
        if library == "xgboost"
        else lightgbm.LGBMClassifier(n_estimators=5, verbose=-1)
    )
    fitted = make_pipeline(SimpleImputer(), model).fit(FRAME, Y[BINARY])
    assert deviation(FittedEstimator(fitted, described(), BINARY), tmp_path) <= 1e-5
