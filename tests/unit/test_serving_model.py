"""The model: columns by the signature into the graph's tensors, and its outputs into columns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from seatrial.serving.errors import PredictionError, RequestError, StartError
from seatrial.serving.model import Model

COLUMNS = [
    {"name": "carrier", "type": "string", "required": False, "onnx_input": "carrier"},
    {"name": "temp", "type": "double", "required": False, "onnx_input": "numbers"},
    {"name": "hour", "type": "long", "required": True, "onnx_input": "numbers"},
    {"name": "seats", "type": "long", "required": True, "onnx_input": "seats"},
]
OUTPUTS = [
    {"name": "code", "type": "long", "onnx_output": "code", "index": 0},
    {"name": "temp_again", "type": "double", "onnx_output": "numbers_again", "index": 0},
    {"name": "hour_again", "type": "double", "onnx_output": "numbers_again", "index": 1},
    {"name": "seats_again", "type": "long", "onnx_output": "flat", "index": None},
]
ROWS = {
    "carrier": np.array(["UA", None, "AA"], dtype=object),
    "temp": np.array([1.5, np.nan, 3.0]),
    "hour": np.array([7, 8, 9]),
    "seats": np.array([100, 2**53 + 1, 300]),
}


def graph() -> bytes:
    """carrier → code (UA 1, AA 2, "" 3, else 0); numbers and seats → themselves."""
    nodes = [
        helper.make_node(
            "LabelEncoder",
            ["carrier"],
            ["code"],
            domain="ai.onnx.ml",
            keys_strings=["UA", "AA", ""],
            values_int64s=[1, 2, 3],
            default_int64=0,
        ),
        helper.make_node("Identity", ["numbers"], ["numbers_again"]),
        helper.make_node("Reshape", ["seats", "all"], ["flat"]),
    ]
    text = helper.make_tensor_value_info
    made = helper.make_graph(
        nodes,
        "test",
        [
            text("carrier", TensorProto.STRING, [None, 1]),
            text("numbers", TensorProto.FLOAT, [None, 2]),
            text("seats", TensorProto.INT64, [None, 1]),
        ],
        [
            text("code", TensorProto.INT64, [None, 1]),
            text("numbers_again", TensorProto.FLOAT, [None, 2]),
            text("flat", TensorProto.INT64, [None]),
        ],
        [helper.make_tensor("all", TensorProto.INT64, [1], [-1])],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    content: bytes = onnx.ModelProto.SerializeToString(
        helper.make_model(made, opset_imports=opsets, ir_version=9)
    )
    return content


def model_folder(folder: Path, **changes: Any) -> Path:
    signature = {
        "schema_version": 1,
        "task": "regression",
        "model_file": "model.onnx",
        "inputs": COLUMNS,
        "outputs": OUTPUTS,
        "label": None,
        "score": None,
        "input_example": [{"carrier": "UA", "temp": 1.0, "hour": 1, "seats": 1}],
        **changes,
    }
    (folder / "signature.json").write_text(json.dumps(signature))
    (folder / "model.onnx").write_bytes(graph())
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return Model.load(model_folder(tmp_path), threads=1)


def test_columns_reach_their_tensors_and_come_back(model: Model) -> None:
    answer = model.predict(ROWS)
    assert list(answer) == ["code", "temp_again", "hour_again", "seats_again"]
    np.testing.assert_array_equal(answer["temp_again"], ROWS["temp"])
    np.testing.assert_array_equal(answer["hour_again"], [7.0, 8.0, 9.0])
    assert answer["temp_again"].dtype == np.float64
    assert answer["seats_again"].tolist() == [100, 2**53 + 1, 300]


def test_a_missing_text_is_the_empty_text(model: Model) -> None:
    assert model.predict(ROWS)["code"].tolist() == [1, 3, 2]
    without = {name: array for name, array in ROWS.items() if name != "carrier"}
    assert model.predict(without)["code"].tolist() == [3, 3, 3]
    nan = {**ROWS, "carrier": np.array(["UA", np.nan, "AA"], dtype=object)}
    assert model.predict(nan)["code"].tolist() == [1, 3, 2]


def test_a_missing_column_of_numbers_is_nan(model: Model) -> None:
    without = {name: array for name, array in ROWS.items() if name != "temp"}
    assert np.isnan(model.predict(without)["temp_again"]).all()


def test_numbers_of_any_kind_of_array_are_taken(model: Model) -> None:
    rows = {
        **ROWS,
        "temp": np.array([1.5, None, 3.0], dtype=object),
        "hour": np.array([True, False, True]),
        "seats": np.array([1.0, 2.0, 3.0]),
    }
    answer = model.predict(rows)
    np.testing.assert_array_equal(answer["temp_again"], [1.5, np.nan, 3.0])
    assert answer["hour_again"].tolist() == [1.0, 0.0, 1.0]
    assert answer["seats_again"].tolist() == [1, 2, 3]


def test_batches_give_the_same_answer(model: Model) -> None:
    whole = model.predict(ROWS)
    for size in (1, 2, 3, 4):
        parts = model.predict(ROWS, batch_rows=size)
        for name, array in whole.items():
            np.testing.assert_array_equal(parts[name], array)


@pytest.mark.parametrize(
    ("column", "values", "row", "allowed"),
    [
        ("seats", np.array([1.0, np.nan, 3.0]), 1, "a value: the graph takes int64"),
        ("seats", np.array([1.0, 2.0, 2.5]), 2, "int64"),
        ("seats", np.array([1e30, 2.0, 2.0]), 0, "int64"),
        ("temp", np.array([1.0, 1e39, 3.0]), 1, "float32"),
        ("temp", np.array([1.0, 2.0, -np.inf]), 2, "float32"),
        ("temp", np.array(["x", "y", "z"], dtype=object), None, "numbers"),
        ("carrier", np.array(["UA", 7, "AA"], dtype=object), 1, "text"),
    ],
)
def test_a_value_that_the_graph_cannot_hold_is_named(
    model: Model, column: str, values: Any, row: int | None, allowed: str
) -> None:
    with pytest.raises(RequestError) as caught:
        model.predict({**ROWS, column: values})
    assert (caught.value.column, caught.value.row) == (column, row)
    assert allowed in caught.value.allowed


def test_a_required_column_is_required_offline_too(model: Model) -> None:
    with pytest.raises(RequestError, match="no such column"):
        model.predict({name: array for name, array in ROWS.items() if name != "hour"})


@pytest.mark.parametrize("counts", [(0, 0), (1, 2)])
def test_columns_of_uneven_length_or_none_are_refused(
    model: Model, counts: tuple[int, int]
) -> None:
    first, second = counts
    with pytest.raises(RequestError, match="at least one"):
        model.predict({"hour": np.zeros(first), "seats": np.zeros(second)})


def test_a_failing_graph_is_a_prediction_error(tmp_path: Path) -> None:
    outputs = [{"name": "x", "type": "double", "onnx_output": "numbers_again", "index": 7}]
    with pytest.raises(PredictionError, match="the model failed"):
        Model.load(model_folder(tmp_path, outputs=outputs)).predict(ROWS)


def renamed(place: int, **changes: Any) -> list[dict[str, Any]]:
    return [{**item, **changes} if i == place else item for i, item in enumerate(COLUMNS)]


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"inputs": renamed(0, onnx_input="airline")}, "inputs"),
        ({"inputs": COLUMNS[:3]}, "inputs"),
        ({"inputs": [*COLUMNS, {**COLUMNS[1], "name": "dew"}]}, "input numbers"),
        ({"inputs": renamed(0, type="double")}, "input carrier"),
        ({"inputs": renamed(3, type="string")}, "input seats"),
        ({"outputs": [{**OUTPUTS[0], "onnx_output": "probability"}]}, "outputs"),
    ],
)
def test_a_signature_of_another_graph_is_found_at_the_start(
    tmp_path: Path, changes: dict[str, Any], where: str
) -> None:
    with pytest.raises(StartError, match=rf"disagree, at {where}: "):
        Model.load(model_folder(tmp_path, **changes))


@pytest.mark.parametrize("content", [None, b"", b"not a graph", graph()[:-60]])
def test_a_model_file_that_is_missing_or_broken_is_named(
    tmp_path: Path, content: bytes | None
) -> None:
    model_folder(tmp_path)
    (tmp_path / "model.onnx").unlink()
    if content is not None:
        (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(StartError, match=r"cannot be loaded: got model\.onnx: "):
        Model.load(tmp_path)


# Tensors of more than two dimensions, and models that are mapped instead of read.


def image_folder(folder: Path, shape: list[Any], columns: int, **changes: Any) -> Path:
    """image (rows, *shape) → the same, flat."""
    make = helper.make_tensor_value_info
    made = helper.make_graph(
        [helper.make_node("Flatten", ["image"], ["flat"])],
        "test",
        [make("image", TensorProto.FLOAT, [None, *shape])],
        [make("flat", TensorProto.FLOAT, [None, None])],
    )
    document = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    names = [f"p{number}" for number in range(columns)]
    model_folder(
        folder,
        inputs=[
            {"name": name, "type": "double", "required": True, "onnx_input": "image"}
            for name in names
        ],
        outputs=[
            {"name": f"q{number}", "type": "double", "onnx_output": "flat", "index": number}
            for number in range(columns)
        ],
        input_example=[dict.fromkeys(names, 0.0)],
        **changes,
    )
    onnx.save(document, folder / "model.onnx")
    return folder


@pytest.mark.parametrize(
    "shape", [[2, 3], [1, 2, 3], ["height", 3]], ids=["2x3", "1x2x3", "one size open"]
)
def test_columns_fill_a_tensor_of_more_dimensions_in_c_order(
    shape: list[Any], tmp_path: Path
) -> None:
    model = Model.load(image_folder(tmp_path, shape, 6), threads=1)
    rows = {f"p{number}": np.array([number, 10.0 + number]) for number in range(6)}
    answer = model.predict(rows)
    assert [answer[f"q{number}"].tolist() for number in range(6)] == [
        [number, 10.0 + number] for number in range(6)
    ]


@pytest.mark.parametrize(
    ("shape", "columns"),
    [([2, 3], 5), ([2, 3], 12), (["a", "b"], 6), ([4, "a"], 6), ([], 1)],
    ids=["too few", "too many", "two sizes open", "no multiple", "no dimension"],
)
def test_columns_that_do_not_fill_the_tensor_disagree(
    shape: list[Any], columns: int, tmp_path: Path
) -> None:
    with pytest.raises(StartError, match=f"{columns} columns"):
        Model.load(image_folder(tmp_path, shape, columns))


def test_a_value_that_a_tensor_of_floats_cannot_hold_is_told_by_its_column(
    tmp_path: Path,
) -> None:
    model = Model.load(image_folder(tmp_path, [2, 3], 6), threads=1)
    rows = {f"p{number}": np.array([1.0, 1.0]) for number in range(6)}
    rows["p4"] = np.array([1.0, 1e300])
    with pytest.raises(RequestError) as caught:
        model.predict(rows)
    assert (caught.value.column, caught.value.row) == ("p4", 1)


def test_a_mapped_model_predicts_as_the_one_that_is_read(tmp_path: Path) -> None:
    import onnxruntime

    read = model_folder(tmp_path)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "model.ort")
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(str(read / "model.onnx"), options)
    expected = Model.load(read, threads=1).predict(ROWS)
    (read / "model.onnx").unlink()
    mapped = Model.load(model_folder(tmp_path, model_file="model.ort"), threads=1).predict(ROWS)
    for name, values in expected.items():
        np.testing.assert_array_equal(mapped[name], values)
