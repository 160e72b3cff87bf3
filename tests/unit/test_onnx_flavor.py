"""An ONNX model comes with a signature, or gets one from what its inputs and outputs are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto, helper, numpy_helper

from seatrial.contracts import ModelSignature, Task, read_contract, write_contract
from seatrial.errors import InputError
from seatrial.optimization import origin_child
from seatrial.optimization.flavors.onnx import graph
from seatrial.optimization.mlflow_model import Column
from seatrial.optimization.origin import read_predictions
from seatrial.optimization.origin_child import Request, prepare_here, write_converted
from seatrial.optimization.sources import open_source
from seatrial.serving.model import Model

BINARY: Task = "binary_classification"
MULTI: Task = "multiclass_classification"
VALUE: Task = "regression"
X = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)


def linear(path: Path, width: int, *, shape: tuple[int, ...] = (4,), last: str = "Softmax") -> Path:
    """y = last(flatten(x) · w)."""
    weights = np.random.default_rng(1).normal(size=(4, width)).astype(np.float32)
    made = helper.make_graph(
        [
            helper.make_node("Flatten", ["x"], ["flat"]),
            helper.make_node("MatMul", ["flat", "w"], ["raw"]),
            helper.make_node(last, ["raw"], ["y"]),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", *shape])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", width])],
        [numpy_helper.from_array(weights, "w")],
    )
    onnx.save(
        helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path
    )
    return path


def columns(shape: tuple[int, ...] = (4,), tensor: str = "") -> tuple[Column, ...]:
    return tuple(Column(f"input_{i}", "float", True, tensor) for i in range(4))


FRAME = pd.DataFrame(X, columns=[item.name for item in columns()])
EXAMPLE = (dict.fromkeys(FRAME.columns, 0.0),)


def same(found: Any, folder: Path) -> ModelSignature:
    """Assert that the served model says what ONNX Runtime said; the signature it is served with."""
    wanted = found.predict(FRAME)
    write_converted(found.convert(), folder)
    answer = Model.load(folder).predict({name: FRAME[name].to_numpy() for name in FRAME})
    signature: ModelSignature = found.signature
    names = [item.name for item in signature.outputs if item.name != signature.label]
    assert np.allclose(np.column_stack([answer[name] for name in names]), wanted.scores, atol=1e-6)
    if wanted.labels is not None:
        assert list(answer["label"]) == list(wanted.labels)
    return signature


def test_scores_of_classes_get_a_label(tmp_path: Path) -> None:
    path = linear(tmp_path / "m.onnx", 3)
    (tmp_path / "out").mkdir()
    signature = same(graph(path, columns(), MULTI, EXAMPLE), tmp_path / "out")
    assert [item.name for item in signature.outputs] == ["label", "score_0", "score_1", "score_2"]


def test_two_scores_are_a_binary_classifier(tmp_path: Path) -> None:
    path = linear(tmp_path / "m.onnx", 2)
    (tmp_path / "out").mkdir()
    found = graph(path, columns(), BINARY, EXAMPLE)
    assert found.predict(FRAME).scores.shape == (30, 1)
    assert same(found, tmp_path / "out").score == "score"


def test_one_score_has_no_label(tmp_path: Path) -> None:
    path = linear(tmp_path / "m.onnx", 1, last="Sigmoid")
    (tmp_path / "out").mkdir()
    signature = same(graph(path, columns(), BINARY, EXAMPLE), tmp_path / "out")
    assert (signature.label, signature.score) == (None, "score")


def test_several_values_are_several_columns(tmp_path: Path) -> None:
    path = linear(tmp_path / "m.onnx", 3, last="Identity")
    (tmp_path / "out").mkdir()
    signature = same(graph(path, columns(), VALUE, EXAMPLE), tmp_path / "out")
    assert [item.name for item in signature.outputs] == [f"prediction_{i}" for i in range(3)]


def test_an_image_is_taken_as_columns(tmp_path: Path) -> None:
    path = linear(tmp_path / "m.onnx", 3, shape=(1, 2, 2))
    (tmp_path / "out").mkdir()
    same(graph(path, columns(), MULTI, EXAMPLE), tmp_path / "out")


def test_a_binary_task_with_three_scores_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="3 scores"):
        graph(linear(tmp_path / "m.onnx", 3), columns(), BINARY, EXAMPLE)


def test_inputs_of_other_names_are_told(tmp_path: Path) -> None:
    path = linear(tmp_path / "m.onnx", 3)
    two = (*columns(tensor="a"), Column("more", "float", True, "b"))
    with pytest.raises(InputError, match="different inputs"):
        graph(path, two, MULTI, EXAMPLE)


def test_a_zip_map_is_told(tmp_path: Path) -> None:
    import skl2onnx
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression().fit(X, X[:, 0] > 0)
    onnx.save(skl2onnx.to_onnx(fitted, X[:1]), tmp_path / "m.onnx")
    with pytest.raises(InputError, match="zipmap=False"):
        graph(tmp_path / "m.onnx", columns(), BINARY, EXAMPLE)


def plain(folder: Path) -> Path:
    """A plain ONNX file with the signature of a binary classifier."""
    folder.mkdir()
    path = linear(folder / "net.onnx", 2)
    found = graph(path, columns(), BINARY, EXAMPLE)
    onnx.save(found.convert().onnx, path)
    served = found.signature.model_copy(update={"model_file": "net.onnx"})
    write_contract(served, folder / "signature.json")
    return path


@pytest.mark.parametrize("given", ["the folder", "the file"])
def test_a_plain_file_with_its_signature_is_prepared(given: str, tmp_path: Path) -> None:
    path = plain(tmp_path / "model")
    out = tmp_path / "out"
    out.mkdir()
    FRAME.to_parquet(tmp_path / "rows.parquet")
    request = Request(
        source=path if given == "the file" else path.parent,
        rows=tmp_path / "rows.parquet",
        task=BINARY,
        target="late",
        trusted=False,
    )
    found = prepare_here(request, out)
    assert (found.flavor, found.source_format, found.trusted_by) == ("onnx", "onnx", None)
    assert set(found.files) == {"net.onnx", "signature.json"}
    assert read_contract(ModelSignature, out / "signature.json").model_file == "model.onnx"
    assert read_predictions(out / "predictions.npz").scores.shape == (30, 1)


def test_a_signature_of_another_task_is_told(tmp_path: Path) -> None:
    source = open_source(plain(tmp_path / "model"))
    with pytest.raises(InputError, match="another task"):
        source.load(MULTI, trusted=False)


def test_what_is_no_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"an ONNX file with signature\.json beside it"):
        open_source(tmp_path)


def test_a_shape_that_is_not_the_columns_is_told(tmp_path: Path) -> None:
    path = linear(tmp_path / "m.onnx", 3)
    found = graph(path, columns()[:3], MULTI, EXAMPLE)
    with pytest.raises(Exception, match="3 columns"):
        found.predict(FRAME)


def test_weights_in_a_file_of_their_own_come_along(tmp_path: Path) -> None:
    path = plain(tmp_path / "model")
    onnx.save(
        onnx.load(path), path, save_as_external_data=True, location="weights", size_threshold=0
    )
    (tmp_path / "out").mkdir()
    source = open_source(path)
    assert source.inspect(trusted=False).findings == ("has data in weights",)
    assert [item.name for item in source.files()] == ["net.onnx", "signature.json", "weights"]
    same(source.load(BINARY, trusted=False), tmp_path / "out")
    assert sorted(item.name for item in (tmp_path / "out").iterdir()) == [
        "model.onnx",
        "signature.json",
    ]


def test_weights_too_large_for_one_file_get_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(origin_child, "LARGEST_PROTOBUF", 8)
    found = graph(linear(tmp_path / "m.onnx", 300), columns(), MULTI, EXAMPLE)
    (tmp_path / "out").mkdir()
    same(found, tmp_path / "out")
    assert (tmp_path / "out" / "model.onnx.data").stat().st_size >= 4 * 300 * 4
