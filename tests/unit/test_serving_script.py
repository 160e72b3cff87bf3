"""Archives that bring code/inference.py: each function, its default, and who is to blame."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from seatrial.serving.__main__ import load, try_example
from seatrial.serving.errors import StartError
from seatrial.serving.invocation import Answer, Request, answer

SIGNATURE: dict[str, Any] = {
    "schema_version": 1,
    "inputs": [{"name": "x", "type": "double", "required": True}],
    "outputs": [{"name": "y", "type": "double"}],
    "input_example": [{"x": 1.0}],
}
DOUBLING = (
    "def model_fn(model_dir): return 2\ndef predict_fn(data, model): return data['x'] * model\n"
)


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Writes an archive's folder: code/inference.py, and a signature."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def write(code: str, signature: dict[str, Any] = SIGNATURE, **files: str) -> Path:
        (tmp_path / "code").mkdir()
        (tmp_path / "code" / "inference.py").write_text(code)
        (tmp_path / "signature.json").write_text(json.dumps(signature))
        for name, text in files.items():
            (tmp_path / "code" / f"{name}.py").write_text(text)
        return tmp_path

    yield write
    sys.modules.pop("inference", None)


def ask(
    folder: Path, body: bytes = b"1\n2\n", content_type: str = "text/csv", accept: str = ""
) -> Answer:
    return answer(load(folder, threads=1)[1], Request(content_type, accept, body))


def test_what_is_not_defined_is_done_by_the_signature(archive: Callable[..., Path]) -> None:
    found = ask(archive(DOUBLING))
    assert (found.status, found.body, found.rows) == (200, b"2.0\n4.0\n", 2)
    assert found.content_type == "text/csv; charset=utf-8"
    assert found.asked is not None and found.asked["x"] == [1, 2]


@pytest.mark.parametrize(
    ("content_type", "accept", "expected"),
    [
        ("text/csv", "application/json", b'{"predictions":[{"y":2.0}]}'),
        ("text/csv", "*/*", b"2.0\n"),
        ("text/csv", "application/jsonlines", b'{"y":2.0}\n'),
    ],
)
def test_the_default_answer_is_in_what_is_accepted(
    archive: Callable[..., Path], content_type: str, accept: str, expected: bytes
) -> None:
    assert ask(archive(DOUBLING), b"1\n", content_type, accept).body == expected


def test_an_onnx_model_can_have_only_its_output_rewritten(archive: Callable[..., Path]) -> None:
    described = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1]) for name in ("x", "y")
    ]
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["y"])], "g", described[:1], described[1:]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    signature = {
        **SIGNATURE,
        "model_file": "model.onnx",
        "inputs": [{**SIGNATURE["inputs"][0], "onnx_input": "x"}],
        "outputs": [{**SIGNATURE["outputs"][0], "onnx_output": "y"}],
    }
    folder = archive(
        "def output_fn(prediction, accept):\n"
        "    return ','.join(f'{value:.0f}' for value in prediction['y'])\n",
        signature,
    )
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    found = ask(folder)
    assert (found.body, found.content_type, found.encoding, found.rows) == (
        b"2,4",
        "text/csv",
        "CSV",
        2,
    )


IMAGE = """
import helper_beside
def model_fn(model_dir): return len(model_dir) > 0
def input_fn(body, content_type):
    if content_type != "image/png": raise Unsupported(content_type)
    return body
def predict_fn(data, model): return [helper_beside.brightness(data)]
def output_fn(prediction, accept): return bytes(prediction), "application/octet-stream"
class Unsupported(Exception): status_code = 415
"""


def test_a_body_of_any_type_goes_to_input_fn_as_bytes(archive: Callable[..., Path]) -> None:
    signature = {
        **SIGNATURE,
        "inputs": [],
        "input_example": [],
        "example_request": {"content_type": "image/png", "body_base64": "AAEC/w=="},
    }
    folder = archive(IMAGE, signature, helper_beside="def brightness(data): return max(data)\n")
    read, respond = load(folder, threads=1)
    try_example(respond, read)
    found = answer(respond, Request("image/png", "", b"\x01\xff"))
    assert (found.status, found.body, found.encoding) == (200, b"\xff", "BASE64")
    assert (found.rows, found.asked) == (1, None)
    refused = answer(respond, Request("image/gif", "", b"\x01"))
    assert refused.status == 415
    assert b"image/gif" in refused.body


def test_json_and_csv_come_to_input_fn_as_text(archive: Callable[..., Path]) -> None:
    code = (
        "import json\n"
        "def model_fn(model_dir): return None\n"
        "def input_fn(body, content_type): return json.loads(body)\n"
        "def predict_fn(data, model): return data['x'] + [isinstance(data, dict)]\n"
        "def output_fn(prediction, accept): return json.dumps(prediction)\n"
    )
    folder = archive(code)
    found = ask(folder, b'{"x": [1, 2]}', "application/json")
    assert (found.body, found.content_type, found.rows) == (b"[1, 2, true]", "application/json", 3)


@pytest.mark.parametrize(
    ("body", "what"),
    [(b"{", "Expecting"), (b"\xff", "utf-8")],
    ids=["not JSON", "not UTF-8"],
)
def test_a_value_error_of_input_fn_is_the_caller_s_mistake(
    archive: Callable[..., Path], body: bytes, what: str
) -> None:
    code = DOUBLING + "import json\ndef input_fn(body, content_type): return json.loads(body)\n"
    found = ask(archive(code), body, "application/json")
    assert found.status == 400
    assert what in json.loads(found.body)["error"]["got"]


@pytest.mark.parametrize(
    ("code", "what", "got"),
    [
        ("def predict_fn(data, model): raise ValueError('no')\n", "predict_fn failed", "no"),
        ("def input_fn(body, content_type): raise KeyError('k')\n", "input_fn failed", "KeyError"),
        (
            "def predict_fn(data, model): return 5\ndef output_fn(prediction, accept): return 5\n",
            "output_fn failed",
            "int",
        ),
        ("", "predict_fn failed", "'int' object has no attribute 'predict'"),
        ("def predict_fn(data, model): return 5\n", "output_fn failed", "columns: y"),
        ("def predict_fn(data, model): return [[1, 2]]\n", "output_fn failed", "columns: y"),
        ("def predict_fn(data, model): return {'z': [1]}\n", "output_fn failed", "columns: y"),
    ],
)
def test_any_other_failure_is_the_model_s_and_in_the_log(
    archive: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
    code: str,
    what: str,
    got: str,
) -> None:
    found = ask(archive("def model_fn(model_dir): return 2\n" + code))
    assert found.status == 500
    error = json.loads(found.body)["error"]
    assert error["what"] == what
    assert got in error["got"]
    assert "Traceback" in capsys.readouterr().err


def test_a_refusal_of_the_defaults_is_told_as_ever(archive: Callable[..., Path]) -> None:
    found = ask(archive(DOUBLING), b"one\n")
    assert found.status == 400
    assert json.loads(found.body)["error"]["where"] == {"row": 0, "column": "x"}


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("import not_in_this_image\n", "requirements.txt is not installed"),
        ("def model_fn(model_dir): raise OSError('weights gone')\n", "weights gone"),
        ("def transform(): pass\n", "none of the functions"),
        ("def model_fn(): pass\n", "1 arguments"),
        ("def predict_fn(data): pass\n", "2 arguments"),
        ("def predict_fn(data, model): pass\n", "the model cannot be loaded"),
        ("def model_fn(:\n", "SyntaxError"),
    ],
)
def test_a_script_that_cannot_serve_says_why_at_start(
    archive: Callable[..., Path], code: str, what: str
) -> None:
    with pytest.raises(StartError, match=what):
        load(archive(code), threads=1)


def test_an_example_that_the_script_cannot_answer_keeps_it_from_starting(
    archive: Callable[..., Path],
) -> None:
    signature, respond = load(
        archive("def model_fn(model_dir): return 1\ndef predict_fn(data, model): return 1 / 0\n"),
        threads=1,
    )
    with pytest.raises(StartError, match="ZeroDivisionError"):
        try_example(respond, signature)


def test_thread_pools_are_sized_before_the_script_is_imported(archive: Callable[..., Path]) -> None:
    code = DOUBLING + "import os\nTHREADS = os.environ['OMP_NUM_THREADS']\n"
    load(archive(code), threads=3)
    assert sys.modules["inference"].THREADS == "3"
    assert os.environ["MKL_NUM_THREADS"] == "3"


def test_a_matrix_is_the_output_columns_in_order(archive: Callable[..., Path]) -> None:
    outputs = [{"name": "label", "type": "long"}, {"name": "score", "type": "double"}]
    code = (
        "import numpy as np\n"
        "def model_fn(model_dir): return None\n"
        "def predict_fn(data, model): return np.stack([data['x'] > 1, data['x'] / 4], axis=1)\n"
    )
    found = ask(archive(code, {**SIGNATURE, "outputs": outputs}))
    assert found.body == b"0,0.25\n1,0.5\n"
    assert np.isclose(found.rows, 2)
