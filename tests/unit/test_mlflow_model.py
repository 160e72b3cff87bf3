"""What an MLflow model directory must bring, told where it does not; and its conversion."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from seatrial.config import load_config
from seatrial.contracts import Agreement, ModelSignature, Optimization, read_contract
from seatrial.errors import InputError
from seatrial.guards import rejection
from seatrial.mlflow_model import load_sklearn, read_mlflow_model
from seatrial.steps.optimize_model import ValidationData, optimize

GUARDS = load_config().guards


def frame(rows: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(7)
    temp = np.where(rng.random(rows) < 0.1, np.nan, rng.normal(50, 20, rows))
    origin = rng.choice(["EWR", "JFK", "LGA"], rows)
    late = (np.nan_to_num(temp, nan=50) + 20 * (origin == "EWR") + rng.normal(0, 10, rows)) > 55
    return pd.DataFrame({"origin": origin, "temp": temp, "late": late.astype("int64")})


def save_model(folder: Path, *, kind: str = "trees", **options: Any) -> Path:
    """A small model of its own kind as an MLflow model directory, by mlflow itself."""
    import mlflow.sklearn
    from mlflow.models import infer_signature
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder

    rows = frame()
    numbers = rows[["temp"]].fillna(0).assign(twice=lambda d: 2 * d["temp"])
    if kind == "trees":
        columns = ColumnTransformer(
            [("o", OneHotEncoder(sparse_output=False), ["origin"]), ("t", "passthrough", ["temp"])]
        )
        model: Any = Pipeline(
            [("c", columns), ("m", HistGradientBoostingClassifier(max_iter=10, random_state=0))]
        )
        inputs = rows[["origin", "temp"]]
    else:
        model = LogisticRegression() if kind == "logistic" else LinearRegression()
        inputs = numbers
    model.fit(inputs, rows["late"])
    given = {
        "signature": infer_signature(inputs, model.predict(inputs)),
        "input_example": inputs.dropna().head(2),
        "pip_requirements": [],
        "skops_trusted_types": [
            "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
            "numpy.dtype",
        ],
        **options,
    }
    mlflow.sklearn.save_model(model, folder, **given)
    return folder


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("models") / "trees")


def edit(source: Path, folder: Path, change: Any) -> Path:
    """A copy of the model whose MLmodel went through `change`."""
    import shutil

    shutil.copytree(source, folder)
    description = yaml.safe_load((folder / "MLmodel").read_text())
    change(description)
    (folder / "MLmodel").write_text(yaml.safe_dump(description))
    return folder


def test_columns_with_gaps_are_optional(trees: Path) -> None:
    model = read_mlflow_model(trees)
    assert [(item.name, item.type, item.required) for item in model.columns] == [
        ("origin", "string", True),
        ("temp", "double", False),
    ]


def test_trees_with_text_and_gaps_predict_the_same(trees: Path, tmp_path: Path) -> None:
    validation = ValidationData("binary_classification", frame(), "late")
    found = optimize(trees, validation, GUARDS, tmp_path, model_package_arn=None)
    (candidate,) = found.survivors
    assert candidate.agreement.max_deviation < 1e-5
    assert candidate.quality["auc"] == pytest.approx(found.original_quality["auc"], abs=1e-4)
    assert (tmp_path / candidate.archive).is_file()
    assert read_contract(Optimization, tmp_path / "optimization.json") == found


def test_numbers_alone_are_stacked_into_one_tensor(tmp_path: Path) -> None:
    from seatrial.archives import unpack

    rows = frame().assign(temp=lambda d: d["temp"].fillna(0), twice=lambda d: 2 * d["temp"])
    model = save_model(tmp_path / "model", kind="logistic")
    validation = ValidationData("binary_classification", rows, "late")
    found = optimize(model, validation, GUARDS, tmp_path / "out", model_package_arn=None)
    folder = unpack(tmp_path / "out" / found.candidates[0].archive, tmp_path / "m", max_mb=10)
    signature = read_contract(ModelSignature, folder / "signature.json")
    assert {item.onnx_input for item in signature.inputs} == {"features"}


def test_a_regression_has_a_prediction_and_no_label(tmp_path: Path) -> None:
    rows = frame().assign(temp=lambda d: d["temp"].fillna(0), twice=lambda d: 2 * d["temp"])
    model = save_model(tmp_path / "model", kind="linear")
    found = optimize(
        model,
        ValidationData("regression", rows, "late"),
        GUARDS,
        tmp_path / "out",
        model_package_arn=None,
    )
    assert set(found.candidates[0].quality) == {"rmse", "mae"}
    assert found.survivors


def test_the_same_model_packs_to_the_same_archive(trees: Path, tmp_path: Path) -> None:
    validation = ValidationData("binary_classification", frame(), "late")
    first, second = (
        optimize(trees, validation, GUARDS, tmp_path / name, model_package_arn=None)
        for name in "ab"
    )
    assert first.candidates[0].archive_sha256 == second.candidates[0].archive_sha256


def test_a_model_without_signature_is_told(trees: Path, tmp_path: Path) -> None:
    model = edit(trees, tmp_path / "m", lambda d: d.pop("signature"))
    with pytest.raises(InputError, match=r"no signature.*infer_signature"):
        read_mlflow_model(model)


def test_a_model_without_input_example_is_told(trees: Path, tmp_path: Path) -> None:
    model = edit(trees, tmp_path / "m", lambda d: d.pop("saved_input_example_info"))
    with pytest.raises(InputError, match=r"no input example.*head\(3\)"):
        read_mlflow_model(model)


def test_a_flavor_without_converter_is_told(trees: Path, tmp_path: Path) -> None:
    model = edit(
        trees, tmp_path / "m", lambda d: d.update(flavors={"prophet": {}, "python_function": {}})
    )
    with pytest.raises(InputError, match="got 'prophet', allowed sklearn"):
        read_mlflow_model(model)


def test_a_folder_without_mlmodel_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="file named MLmodel"):
        read_mlflow_model(tmp_path)


def test_an_input_that_is_no_column_is_told(trees: Path, tmp_path: Path) -> None:
    tensor = json.dumps([{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1]}}])
    model = edit(trees, tmp_path / "m", lambda d: d["signature"].update(inputs=tensor))
    with pytest.raises(InputError, match="data frame as its input"):
        read_mlflow_model(model)


def test_a_pickle_is_not_loaded(trees: Path, tmp_path: Path) -> None:
    model = edit(
        trees,
        tmp_path / "m",
        lambda d: d["flavors"]["sklearn"].update(serialization_format="cloudpickle"),
    )
    with pytest.raises(InputError, match=r"can run code.*skops"):
        load_sklearn(read_mlflow_model(model))


def test_types_of_other_packages_are_not_loaded(trees: Path, tmp_path: Path) -> None:
    model = edit(
        trees,
        tmp_path / "m",
        lambda d: d["flavors"]["sklearn"].update(skops_trusted_types=["os.system"]),
    )
    with pytest.raises(InputError, match=r"got 'os\.system'"):
        load_sklearn(read_mlflow_model(model))


def test_a_damaged_model_file_is_told(trees: Path, tmp_path: Path) -> None:
    model = edit(trees, tmp_path / "m", lambda _: None)
    (model / "model.skops").write_bytes(b"PK\x03\x04 and nothing more")
    with pytest.raises(InputError, match="cannot load the scikit-learn model"):
        load_sklearn(read_mlflow_model(model))


def test_validation_data_without_a_column_is_told(trees: Path, tmp_path: Path) -> None:
    validation = ValidationData("binary_classification", frame().drop(columns="temp"), "late")
    with pytest.raises(InputError, match="rows without temp"):
        optimize(trees, validation, GUARDS, tmp_path, model_package_arn=None)


@pytest.mark.parametrize(
    ("mean", "same", "auc", "said"),
    [
        pytest.param(0.001, 1.0, 0.75, None, id="exactly at the deviation guard"),
        pytest.param(0.0011, 1.0, 0.75, "mean deviation", id="over it"),
        pytest.param(float("nan"), 1.0, 0.75, "mean deviation", id="not a number"),
        pytest.param(0.0, 0.999, 0.75, None, id="exactly at the label guard"),
        pytest.param(0.0, 0.998, 0.75, "label agreement", id="under it"),
        pytest.param(0.0, 1.0, 0.745, None, id="exactly at the quality guard"),
        pytest.param(0.0, 1.0, 0.744, "auc falls", id="beyond it"),
        pytest.param(0.0, 1.0, 0.9, None, id="better than the original"),
    ],
)
def test_a_candidate_outside_a_guard_is_rejected(
    mean: float, same: float, auc: float, said: str | None
) -> None:
    found = Agreement.model_construct(
        rows=10, max_deviation=mean, mean_deviation=mean, label_agreement_ratio=same
    )
    reason = rejection(found, {"auc": auc}, {"auc": 0.75}, GUARDS)
    assert (reason is None) if said is None else (reason is not None and said in reason)


def test_an_error_that_grows_is_a_drop_in_quality() -> None:
    found = Agreement(rows=1, max_deviation=0, mean_deviation=0, label_agreement_ratio=None)
    reason = rejection(found, {"rmse": 1.1}, {"rmse": 1.0}, GUARDS)
    assert reason is not None
    assert "rmse falls" in reason
