"""ONNX Runtime through its C API: every function of the table does what its name says."""

from __future__ import annotations

import ctypes
import json
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from seatrial.serving.arrays import as_arrays
from seatrial.serving.bound import bind_row
from seatrial.serving.errors import RequestError, StartError
from seatrial.serving.model import Model
from seatrial.serving.ort_library import Library, OrtError, find_library, runtime
from seatrial.serving.session import Session
from seatrial.serving.signature import Column, Output, Signature
from seatrial.serving.tensors import ELEMENTS, Tensor

TYPES = {name: getattr(TensorProto, name.upper()) for name, _ in ELEMENTS.values()}
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a graph of these nodes, inputs and outputs: {name: (element, shape)}."""

    def to(nodes: Sequence[Any], inputs: dict[str, Any], outputs: dict[str, Any]) -> Path:
        sides = [
            [
                helper.make_tensor_value_info(name, TYPES[kind], shape)
                for name, (kind, shape) in side
            ]
            for side in (inputs.items(), outputs.items())
        ]
        opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
        made = helper.make_model(
            helper.make_graph(list(nodes), "made", *sides), opset_imports=opsets, ir_version=9
        )
        path = tmp_path / "made.onnx"
        path.write_bytes(onnx.ModelProto.SerializeToString(made))
        return path

    return to


def node(kind: str, *names: str, **attributes: Any) -> Any:
    return helper.make_node(kind, [names[0]], [names[1]], **attributes)


def echo(write: Write, element: str, shape: Sequence[Any] = ("rows", None)) -> Session:
    path = write([node("Identity", "x", "y")], {"x": (element, shape)}, {"y": (element, shape)})
    return Session(path, threads=1)


def numbers(element: str, *values: Any) -> Tensor:
    letter = dict(ELEMENTS.values())[element]
    data = bytearray(struct.pack(f"<{len(values)}{letter}", *values))
    return Tensor(element, (len(values), 1), data)


def resident_kb() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4


def test_a_session_describes_its_graph_as_the_python_module_does(write: Write) -> None:
    path = write(
        [node("Identity", "x", "y"), node("Identity", "t", "u")],
        {"x": ("float", ["rows", None, 3]), "t": ("string", [2])},
        {"y": ("float", ["rows", None, 3]), "u": ("string", [2])},
    )
    ours, theirs = Session(path, threads=1), onnxruntime.InferenceSession(str(path))
    for found, known in ((ours.inputs, theirs.get_inputs()), (ours.outputs, theirs.get_outputs())):
        assert [tuple(item) for item in found] == [(one.name, one.type, one.shape) for one in known]


@pytest.mark.parametrize("element", [name for name in TYPES if name != "string"])
def test_numbers_of_every_type_come_back(write: Write, element: str) -> None:
    values = [True, False, True] if element == "bool" else [0, 1, 100]
    [found] = echo(write, element).run(["y"], {"x": numbers(element, *values)})
    assert (found.element, found.shape, list(found.data)) == (element, (3, 1), values)


@pytest.mark.parametrize(
    "texts",
    [["Zoë 温 🙂", "", "plain"], ["", ""], ["a\0b", "c", "\0", "é\0"], ["x" * 70_000], ["é", "ab"]],
    ids=["unicode", "empty", "zero-bytes", "long", "longer-in-bytes"],
)
def test_texts_come_back(write: Write, texts: list[str]) -> None:
    [found] = echo(write, "string").run(["y"], {"x": Tensor("string", (len(texts), 1), texts)})
    assert found == Tensor("string", (len(texts), 1), texts)


def test_a_single_value_and_an_empty_tensor_are_read(write: Write) -> None:
    size = helper.make_node("Shape", ["x"], ["y"], start=0, end=0)
    path = write([size], {"x": ("float", [None, 1])}, {"y": ("int64", [0])})
    [empty] = Session(path, threads=1).run(["y"], {"x": numbers("float", 1.0)})
    assert (empty.shape, list(empty.data)) == ((0,), [])
    size = helper.make_node("Size", ["x"], ["y"])
    path = write([size], {"x": ("float", [None, 1])}, {"y": ("int64", [])})
    [single] = Session(path, threads=1).run(["y"], {"x": numbers("float", 1.0, 2.0)})
    assert (single.shape, list(single.data)) == ((), [2])


@pytest.mark.parametrize(
    ("feed", "said"),
    [
        (numbers("double", 1.0), "INVALID_ARGUMENT : Unexpected input data type"),
        (Tensor("float", (1, 1, 1), bytearray(4)), "INVALID_ARGUMENT : Invalid rank for input: x"),
    ],
    ids=["type", "rank"],
)
def test_what_does_not_fit_is_said_as_the_python_module_says_it(
    write: Write, tmp_path: Path, feed: Tensor, said: str
) -> None:
    with pytest.raises(OrtError, match=said) as ours:
        echo(write, "float").run(["y"], {"x": feed})
    session = onnxruntime.InferenceSession(str(tmp_path / "made.onnx"))
    kind = np.float64 if feed.element == "double" else np.float32
    with pytest.raises(Exception, match=said) as theirs:
        session.run(["y"], {"x": np.zeros(feed.shape, kind)})
    assert str(ours.value) == str(theirs.value)


def test_a_file_that_is_no_model_is_said(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(OrtError, match=r"\[ONNXRuntimeError\] : 7 : INVALID_PROTOBUF"):
        Session(tmp_path / "bad.onnx", threads=1)
    with pytest.raises(OrtError, match="NO_SUCHFILE"):
        Session(tmp_path / "none.onnx", threads=1)


def test_without_the_package_the_server_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(StartError, match=r"onnxruntime, 1\.24 or later"):
        find_library()


def test_a_library_without_our_version_of_the_api_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    # as a library answers that is older than the version asked for
    monkeypatch.setattr("seatrial.serving.ort_library._API_VERSION", 9999)
    with pytest.raises(StartError, match=r"too old.*Install onnxruntime 1\.24"):
        Library(find_library())


def test_a_bound_row_answers_as_a_run_and_refuses_another_size(write: Write) -> None:
    path = write(
        [node("Identity", "x", "y"), node("NonZero", "x", "places")],
        {"x": ("float", [1, 2])},
        {"y": ("float", [1, 2]), "places": ("int64", [2, None])},
    )
    session = Session(path, threads=1)

    def row(*values: float) -> Tensor:
        return Tensor("float", (1, 2), bytearray(struct.pack("<2f", *values)))

    first = dict(zip(["y", "places"], session.run(["y", "places"], {"x": row(0, 5)}), strict=True))
    bound = bind_row(session, {"x": row(0, 5)}, first)
    assert bound is not None
    for values in ((0.0, 7.5), (-1.5, 0.0)):
        assert list(bound.run([row(*values)])[0].data) == list(values)
    with pytest.raises(OrtError):
        bound.run([row(1, 1)])


def test_memory_does_not_grow_over_20_000_runs(write: Write) -> None:
    path = write(
        [node("Identity", "x", "y"), node("Identity", "t", "u")],
        {"x": ("float", [None, 1]), "t": ("string", [None, 1])},
        {"y": ("float", [None, 1]), "u": ("string", [None, 1])},
    )
    session = Session(path, threads=1)

    def run(times: int) -> None:
        for number in range(times):
            rows = 1 + number % 10
            feeds = {
                "x": numbers("float", *[1.0] * rows),
                "t": Tensor("string", (rows, 1), ["some text"] * rows),
            }
            outputs = session.run(["y", "u"], feeds)
            if number % 100 == 0:
                bind_row(session, {"x": feeds["x"]}, {"y": outputs[0]})
                with pytest.raises(OrtError):
                    session.run(["y", "u"], {"x": feeds["x"], "t": numbers("float", 1.0)})

    run(1000)
    before_kb = resident_kb()
    run(20_000)
    assert resident_kb() - before_kb < 2048


def test_sessions_are_given_back(write: Write) -> None:
    path = write([node("Identity", "x", "y")], {"x": ("float", [None])}, {"y": ("float", [None])})
    for _ in range(20):
        Session(path, threads=1)
    before_kb = resident_kb()
    for _ in range(200):
        Session(path, threads=1)
    assert resident_kb() - before_kb < 4096


def test_the_library_is_of_the_version_that_the_package_has() -> None:
    library = ctypes.CDLL(find_library())
    library.OrtGetApiBase.restype = ctypes.POINTER(ctypes.c_void_p)
    version = ctypes.CFUNCTYPE(ctypes.c_char_p)(library.OrtGetApiBase()[1] or 0)()
    assert version.decode() == onnxruntime.__version__
    assert runtime() is runtime()


IMPORTED = """
import sys
from seatrial.serving.__main__ import load, try_example
signature, respond = load({folder!r}, threads=1, keep_columns=False)
try_example(respond, signature)
print(*sorted(sys.modules))
"""


def test_a_start_imports_nothing_heavy(served_folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED.format(folder=str(served_folder))],
        check=True,
        capture_output=True,
        text=True,
    )
    heavy = {"numpy", "onnxruntime", "pathlib", "asyncio", "email", "hashlib", "traceback"}
    assert heavy.isdisjoint(done.stdout.split())


@pytest.fixture
def served_folder(write: Write) -> Path:
    shape = [None, 2]
    path = write([node("Identity", "x", "y")], {"x": ("float", shape)}, {"y": ("float", shape)})
    column = {"type": "double", "required": True, "onnx_input": "x"}
    signature = {
        "model_file": path.name,
        "inputs": [{"name": name, **column} for name in "ab"],
        "outputs": [{"name": "y", "type": "double", "onnx_output": "y", "index": 1}],
        "input_example": [{"a": 1.5, "b": 2}],
    }
    (path.parent / "signature.json").write_text(json.dumps(signature))
    return path.parent


cells: dict[str, Any] = {
    "string": st.none() | st.text(max_size=3),
    "double": st.just(float("nan")) | st.floats(allow_nan=False, allow_infinity=False),
    "long": st.integers(-(2**63), 2**63 - 1),
    "boolean": st.booleans(),
}
GRAPHS = [
    ("double", "float"),
    ("double", "double"),
    ("double", "int64"),
    ("double", "bool"),
    ("long", "float"),
    ("long", "int32"),
    ("long", "int64"),
    ("long", "bool"),
    ("boolean", "float"),
    ("boolean", "bool"),
    ("boolean", "int64"),
    ("string", "string"),
]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Model]:
    """For each kind of column and element, a model that gives two columns back."""
    found = {}
    for kind, element in GRAPHS:
        folder = tmp_path_factory.mktemp(f"{kind}-{element}")
        sides = [
            [helper.make_tensor_value_info(name, TYPES[element], [None, 2])] for name in ("x", "y")
        ]
        made = helper.make_model(
            helper.make_graph([node("Identity", "x", "y")], "two", *sides),
            opset_imports=[helper.make_opsetid("", 18)],
            ir_version=9,
        )
        (folder / "two.onnx").write_bytes(onnx.ModelProto.SerializeToString(made))
        inputs = tuple(Column(name, kind, False, "x") for name in "ab")
        outputs = tuple(Output(name, kind, "y", index) for index, name in enumerate("ab"))
        signature = Signature("", inputs, outputs, ())
        found[kind, element] = Model(Session(folder / "two.onnx", threads=1), signature)
    return found


@settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_lists_and_numpys_arrays_get_the_same_answer(
    models: dict[tuple[str, str], Model], data: st.DataObject
) -> None:
    kind, element = data.draw(st.sampled_from(GRAPHS))
    model, rows = models[kind, element], data.draw(st.integers(1, 20))
    columns = {
        name: data.draw(st.lists(cells[kind], min_size=rows, max_size=rows)) for name in "ab"
    }
    answers: list[Any] = []
    for predict, asked in (
        (model.answer, columns),
        (model.predict, as_arrays(columns, model.signature.inputs)),
    ):
        try:
            answers.append({name: list(values) for name, values in predict(asked).items()})
        except RequestError as error:
            answers.append((error.what, error.allowed, error.row, error.column))
    if isinstance(answers[0], dict):
        for name in "ab":
            np.testing.assert_array_equal(answers[0][name], answers[1][name])
    else:
        assert answers[0] == answers[1]
