"""What an MLflow model directory must bring, told where it does not; and its conversion."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from seatrial.contracts import ModelSignature, Origin, Task, read_contract
from seatrial.errors import InputError
from seatrial.optimization import mlflow_model
from seatrial.optimization.mlflow_model import read_mlflow_model
from seatrial.optimization.origin import read_predictions
from seatrial.optimization.origin_child import Request, prepare_here
from seatrial.serving.model import Model

BINARY, VALUE = "binary_classification", "regression"


def frame(rows: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(7)
    temp = np.where(rng.random(rows) < 0.1, np.nan, rng.normal(50, 20, rows))
    origin = rng.choice(["EWR", "JFK", "LGA"], rows)
    late = (np.nan_to_num(temp, nan=50) + 20 * (origin == "EWR") + rng.normal(0, 10, rows)) > 55
    return pd.DataFrame({"origin": origin, "temp": temp, "late": late.astype("int64")})


def numbers() -> pd.DataFrame:
    return frame().assign(temp=lambda d: d["temp"].fillna(0), twice=lambda d: 2 * d["temp"])


def save_model(folder: Path, model: Any, inputs: pd.DataFrame) -> Path:
    """The fitted model as an MLflow model directory, by mlflow itself."""
    import mlflow.sklearn
    from mlflow.models import infer_signature

    mlflow.sklearn.save_model(
        model,
        folder,
        signature=infer_signature(inputs, model.predict(inputs)),
        input_example=inputs.dropna().head(2),
        pip_requirements=[],
        skops_trusted_types=[
            "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
            "numpy.dtype",
        ],
    )
    return folder


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder

    rows = frame()
    columns = ColumnTransformer(
        [("o", OneHotEncoder(sparse_output=False), ["origin"]), ("t", "passthrough", ["temp"])]
    )
    model = Pipeline(
        [("c", columns), ("m", HistGradientBoostingClassifier(max_iter=10, random_state=0))]
    )
    model.fit(rows[["origin", "temp"]], rows["late"])
    folder = tmp_path_factory.mktemp("models") / "trees"
    return save_model(folder, model, rows[["origin", "temp"]])


def prepared(
    source: Path, out: Path, *, rows: pd.DataFrame | None = None, task: Task = BINARY
) -> Origin:
    out.mkdir(parents=True, exist_ok=True)
    (frame() if rows is None else rows).to_parquet(out / "rows.parquet")
    request = Request(
        source=source, rows=out / "rows.parquet", task=task, target="late", trusted=False
    )
    return prepare_here(request, out)


def deviation(out: Path, rows: pd.DataFrame) -> float:
    signature = read_contract(ModelSignature, out / "signature.json")
    columns = {item.name: rows[item.name].to_numpy() for item in signature.inputs}
    answer = Model.load(out).predict(columns)
    wanted = read_predictions(out / "predictions.npz")
    if wanted.labels is not None:
        assert list(answer["label"].astype(str)) == list(wanted.labels.astype(str))
    names = [item.name for item in signature.outputs if item.name != signature.label]
    found = np.column_stack([answer[name] for name in names])
    return float(np.abs(found - wanted.scores).max())


def edit(source: Path, folder: Path, change: Callable[[Any], Any]) -> Path:
    """A copy of the model whose MLmodel went through `change`."""
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
    found = prepared(trees, tmp_path)
    assert (found.flavor, found.source_format, found.trusted_by) == (
        "sklearn",
        "skops",
        "allow list",
    )
    assert found.rows == 400
    assert set(found.files) >= {"MLmodel", "model.skops"}
    assert deviation(tmp_path, frame()) < 1e-5


def test_numbers_alone_are_stacked_into_one_tensor(tmp_path: Path) -> None:
    from sklearn.linear_model import LogisticRegression

    rows = numbers()
    inputs = rows[["temp", "twice"]]
    model = LogisticRegression().fit(inputs, rows["late"])
    prepared(save_model(tmp_path / "model", model, inputs), tmp_path / "out", rows=rows)
    signature = read_contract(ModelSignature, tmp_path / "out" / "signature.json")
    assert {item.onnx_input for item in signature.inputs} == {"features"}
    assert deviation(tmp_path / "out", rows) < 1e-5


def test_a_regression_has_a_prediction_and_no_label(tmp_path: Path) -> None:
    from sklearn.linear_model import LinearRegression

    rows = numbers()
    inputs = rows[["temp"]]
    model = LinearRegression().fit(inputs, rows["late"])
    out = tmp_path / "out"
    prepared(save_model(tmp_path / "model", model, inputs), out, rows=rows, task=VALUE)
    assert read_predictions(out / "predictions.npz").labels is None
    assert deviation(out, rows) < 1e-5


def test_a_classifier_without_probabilities_is_told(tmp_path: Path) -> None:
    from sklearn.linear_model import RidgeClassifier

    rows = numbers()
    inputs = rows[["temp", "twice"]]
    model = RidgeClassifier().fit(inputs, rows["late"])
    with pytest.raises(InputError, match="RidgeClassifier without predict_proba"):
        prepared(save_model(tmp_path / "model", model, inputs), tmp_path / "out", rows=rows)


@pytest.mark.parametrize(("name", "task"), [("LinearRegression", None), ("RidgeClassifier", VALUE)])
def test_a_model_of_another_task_is_told(tmp_path: Path, name: str, task: Task | None) -> None:
    from sklearn import linear_model

    rows = numbers()
    inputs = rows[["temp", "twice"]]
    model = getattr(linear_model, name)().fit(inputs, rows["late"])
    folder, out = save_model(tmp_path / "model", model, inputs), tmp_path / "out"
    told = {} if task is None else {"task": task}
    with pytest.raises(InputError, match=rf"not of the task: got '{name} for .*Give --task"):
        prepared(folder, out, rows=rows, **told)


def test_a_part_without_converter_is_told(tmp_path: Path) -> None:
    from sklearn.kernel_approximation import PolynomialCountSketch
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    rows = numbers()
    inputs = rows[["temp", "twice"]]
    model = make_pipeline(PolynomialCountSketch(), LogisticRegression()).fit(inputs, rows["late"])
    with pytest.raises(InputError, match=r"cannot be converted.*PolynomialCountSketch"):
        prepared(save_model(tmp_path / "model", model, inputs), tmp_path / "out", rows=rows)


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
    with pytest.raises(InputError, match="got 'prophet', allowed sklearn, xgboost, lightgbm, onnx"):
        read_mlflow_model(model)


def test_a_folder_without_mlmodel_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="file named MLmodel"):
        read_mlflow_model(tmp_path)


@pytest.mark.parametrize(
    "inputs", ["not json", "[1]", '[{"type": "tensor"}]', '{"a": 1}', '[{"type": 3, "name": []}]']
)
def test_a_signature_that_mlflow_does_not_write_is_told(
    inputs: str, trees: Path, tmp_path: Path
) -> None:
    model = edit(trees, tmp_path / "m", lambda d: d["signature"].update(inputs=inputs))
    with pytest.raises(InputError, match=r"Log the model (again )?with"):
        read_mlflow_model(model)


@pytest.mark.parametrize("name", ["../trees/model.skops", "/etc/passwd", None, "missing"])
def test_a_file_that_is_not_the_models_own_is_refused(
    name: str | None, trees: Path, tmp_path: Path
) -> None:
    shutil.copytree(trees, tmp_path / "trees")
    model = edit(
        trees, tmp_path / "m", lambda d: d["flavors"]["sklearn"].update(pickled_model=name)
    )
    with pytest.raises(InputError, match="in the model's own folder"):
        read_mlflow_model(model).file("pickled_model")


def tensors(trees: Path, folder: Path, example: Any, **shapes: tuple[str, list[int]]) -> Path:
    """A copy of the model with tensors as its input; the name "" is that of one without name."""
    specs = [
        {
            "type": "tensor",
            "tensor-spec": {"dtype": dtype, "shape": shape},
            **({"name": name} if name != "unnamed" else {}),
        }
        for name, (dtype, shape) in shapes.items()
    ]
    model = edit(trees, folder, lambda d: d["signature"].update(inputs=json.dumps(specs)))
    (model / "input_example.json").write_text(json.dumps(example))
    return model


def test_a_tensor_becomes_a_column_for_each_value(trees: Path, tmp_path: Path) -> None:
    model = tensors(trees, tmp_path / "m", [[1.5, 2.5]] * 20, unnamed=("float32", [-1, 2]))
    found = read_mlflow_model(model)
    assert [(item.name, item.type) for item in found.columns] == [
        ("input_0", "float"),
        ("input_1", "float"),
    ]
    assert found.input_example == ({"input_0": 1.5, "input_1": 2.5},) * 10


def test_more_dimensions_are_columns_in_c_order(trees: Path, tmp_path: Path) -> None:
    example = {"inputs": {"a": [[[1, 2], [3, 4]]], "b": [[5]]}}
    model = tensors(trees, tmp_path / "m", example, a=("float64", [-1, 2, 2]), b=("int64", [-1, 1]))
    found = read_mlflow_model(model)
    assert found.input_example == ({"a_0": 1, "a_1": 2, "a_2": 3, "a_3": 4, "b_0": 5},)
    assert (found.shape_of("a"), found.shape_of("b")) == ((2, 2), (1,))


@pytest.mark.parametrize(
    ("dtype", "shape"),
    [
        ("float32", [-1]),
        ("float32", [-1, -1]),
        ("float32", [3, 4]),
        ("float32", [-1, 0]),
        ("complex64", [-1, 2]),
    ],
)
def test_a_tensor_that_cannot_be_served_is_told(
    dtype: str, shape: list[int], trees: Path, tmp_path: Path
) -> None:
    model = tensors(trees, tmp_path / "m", [[1]], unnamed=(dtype, shape))
    with pytest.raises(InputError, match="shape or type that cannot be served"):
        read_mlflow_model(model)


@pytest.mark.parametrize(("width", "fits"), [(7, True), (8, True), (9, False)])
def test_the_values_of_a_tensor_are_limited(
    width: int, fits: bool, trees: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mlflow_model, "MAX_COLUMNS", 8)
    model = tensors(trees, tmp_path / "m", [[0] * width], unnamed=("float32", [-1, width]))
    if fits:
        assert len(read_mlflow_model(model).columns) == width
    else:
        with pytest.raises(InputError, match="too many values to be columns: got 9"):
            read_mlflow_model(model)


def test_a_damaged_model_file_is_told(trees: Path, tmp_path: Path) -> None:
    model = edit(trees, tmp_path / "m", lambda _: None)
    (model / "model.skops").write_bytes(b"PK\x03\x04 and nothing more")
    with pytest.raises(InputError, match="cannot load the scikit-learn model"):
        prepared(model, tmp_path / "out")


def test_validation_data_without_a_column_is_told(trees: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="rows without temp"):
        prepared(trees, tmp_path, rows=frame().drop(columns="temp"))


def test_validation_data_that_the_model_cannot_take_is_told(trees: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"fails on the validation data.*unknown categories"):
        prepared(trees, tmp_path, rows=frame().assign(origin="nowhere"))


def test_a_target_among_the_inputs_is_told(trees: Path, tmp_path: Path) -> None:
    rows = frame()
    rows.to_parquet(tmp_path / "rows.parquet")
    request = Request(
        source=trees, rows=tmp_path / "rows.parquet", task=BINARY, target="temp", trusted=False
    )
    with pytest.raises(InputError, match="what it is to predict as an input"):
        prepare_here(request, tmp_path)
