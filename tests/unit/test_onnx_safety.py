"""An ONNX file is looked over before it runs: where its data is, its operators, its sizes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from seatrial.errors import InputError
from seatrial.optimization import onnx_safety
from seatrial.optimization.onnx_safety import check_onnx, external_files


def model(change: Callable[[Any], None] = lambda _: None) -> Any:
    """y = x · w, after `change` went over it."""
    weights = numpy_helper.from_array(np.ones((4, 2), np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 2])],
        [weights],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    change(made)
    return made


def save(path: Path, change: Callable[[Any], None] = lambda _: None) -> Path:
    path.write_bytes(model(change).SerializeToString())
    return path


def external(location: str, **entries: str) -> Callable[[Any], None]:
    """Moves the weights to a file; the file is somebody else's business."""

    def change(made: Any) -> None:
        tensor = made.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in {"location": location, **entries}.items():
            tensor.external_data.add(key=key, value=value)

    return change


def test_a_model_with_its_weights_inside_passes(tmp_path: Path) -> None:
    assert external_files(check_onnx(save(tmp_path / "m.onnx"))) == ()


def test_weights_beside_it_pass(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(bytes(40))
    path = save(tmp_path / "m.onnx", external("weights", offset="8", length="32"))
    assert external_files(check_onnx(path)) == ("weights",)


@pytest.mark.parametrize(
    "location",
    ["../secret", "/etc/passwd", "a/../../secret", "C:\\secret", "\\\\host\\share", "", "a\0b"],
)
def test_data_elsewhere_is_refused(location: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(32))
    folder = tmp_path / "model"
    folder.mkdir()
    with pytest.raises(InputError, match="in the model's own folder"):
        check_onnx(save(folder / "m.onnx", external(location)))


@pytest.mark.parametrize("kind", ["a link", "a link to a folder", "a folder", "missing"])
def test_data_that_is_no_plain_file_is_refused(kind: str, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "weights").write_bytes(bytes(32))
    folder = tmp_path / "model"
    folder.mkdir()
    location = "weights"
    if kind == "a link":
        (folder / "weights").symlink_to(tmp_path / "secret" / "weights")
    elif kind == "a link to a folder":
        (folder / "inner").symlink_to(tmp_path / "secret")
        location = "inner/weights"
    elif kind == "a folder":
        (folder / "weights").mkdir()
    with pytest.raises(InputError, match="no plain file"):
        check_onnx(save(folder / "m.onnx", external(location)))


def test_a_link_to_a_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link.onnx").symlink_to(save(tmp_path / "m.onnx"))
    with pytest.raises(InputError, match="no plain file"):
        check_onnx(tmp_path / "link.onnx")


@pytest.mark.parametrize(
    ("entries", "passes"),
    [
        ({"offset": "0", "length": "32"}, True),
        ({"offset": "1", "length": "32"}, False),
        ({"offset": "0", "length": "31"}, False),
        ({"offset": "-1", "length": "32"}, False),
        ({"offset": "zero"}, False),
        ({"length": "99999999999"}, False),
        ({}, True),
    ],
)
def test_data_must_be_inside_its_file(
    entries: dict[str, str], passes: bool, tmp_path: Path
) -> None:
    (tmp_path / "weights").write_bytes(bytes(32))
    path = save(tmp_path / "m.onnx", external("weights", **entries))
    if passes:
        check_onnx(path)
    else:
        with pytest.raises(InputError, match="bytes"):
            check_onnx(path)


def with_operator(domain: str, name: str) -> Callable[[Any], None]:
    def change(made: Any) -> None:
        made.graph.node.append(helper.make_node(name, ["y"], ["z"], domain=domain))
        made.opset_import.append(helper.make_opsetid(domain, 1))

    return change


@pytest.mark.parametrize(
    ("domain", "name"),
    [
        ("ai.onnx.contrib", "PyOp"),
        ("evil", "Run"),
        ("com.microsoft", "EPContext"),
        ("com.microsoft.nchwc", "Conv"),
    ],
)
def test_an_operator_of_somebody_else_is_refused(domain: str, name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"the operator {domain}::{name}"):
        check_onnx(save(tmp_path / "m.onnx", with_operator(domain, name)))


def test_an_operator_of_onnx_runtime_passes(tmp_path: Path) -> None:
    check_onnx(save(tmp_path / "m.onnx", with_operator("com.microsoft", "Gelu")))


def nested(depth: int, last: Any) -> Callable[[Any], None]:
    """An If in an If in an If, with the node `last` at the bottom."""

    def change(made: Any) -> None:
        node = last
        for _ in range(depth):
            output = helper.make_tensor_value_info("z", TensorProto.FLOAT, None)
            branch = helper.make_graph([node], "b", [], [output])
            node = helper.make_node("If", ["c"], ["z"], then_branch=branch, else_branch=branch)
        made.graph.initializer.append(numpy_helper.from_array(np.array(True), "c"))
        made.graph.node.append(node)

    return change


def test_a_nested_graph_is_looked_over_too(tmp_path: Path) -> None:
    node = helper.make_node("Run", ["y"], ["z"], domain="evil")
    with pytest.raises(InputError, match="evil::Run"):
        check_onnx(save(tmp_path / "m.onnx", nested(3, node)))


def test_data_of_a_nested_constant_is_looked_over_too(tmp_path: Path) -> None:
    value = numpy_helper.from_array(np.ones((4, 2), np.float32), "w")
    value.ClearField("raw_data")
    value.data_location = TensorProto.EXTERNAL
    value.external_data.add(key="location", value="../secret")
    node = helper.make_node("Constant", [], ["z"], value=value)
    with pytest.raises(InputError, match=r"\.\./secret"):
        check_onnx(save(tmp_path / "m.onnx", nested(2, node)))


def test_graphs_too_deep_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_safety, "MAX_DEPTH", 2)
    node = helper.make_node("Identity", ["y"], ["z"])
    check_onnx(save(tmp_path / "m.onnx", nested(2, node)))
    with pytest.raises(InputError, match="graphs 3 deep"):
        check_onnx(save(tmp_path / "m.onnx", nested(3, node)))


def set_dims(*dims: int) -> Callable[[Any], None]:
    def change(made: Any) -> None:
        del made.graph.initializer[0].dims[:]
        made.graph.initializer[0].dims.extend(dims)

    return change


@pytest.mark.parametrize(
    ("dims", "said"),
    [
        ((2**20, 2**20), "elements"),
        ((2**62, 2**62), "elements"),
        ((-4, -2), "of shape"),
        ((4, 3), "with 32 bytes"),
        ((4, 1), "with 32 bytes"),
    ],
)
def test_a_tensor_must_bring_what_it_declares(
    dims: tuple[int, ...], said: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=said):
        check_onnx(save(tmp_path / "m.onnx", set_dims(*dims)))


def test_an_input_of_a_shape_that_cannot_be_is_refused(tmp_path: Path) -> None:
    def change(made: Any) -> None:
        made.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 2**40

    with pytest.raises(InputError, match="of shape"):
        check_onnx(save(tmp_path / "m.onnx", change))


def test_the_size_of_the_file_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "m.onnx")
    monkeypatch.setattr(onnx_safety, "MAX_FILE_MB", path.stat().st_size / 2**20)
    check_onnx(path)
    monkeypatch.setattr(onnx_safety, "MAX_FILE_MB", (path.stat().st_size - 1) / 2**20)
    with pytest.raises(InputError, match="is not to be run"):
        check_onnx(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x08"])
def test_a_file_that_is_no_model_is_told(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    with pytest.raises(InputError, match="Export the model again"):
        check_onnx(path)


def test_a_graph_that_does_not_add_up_is_told(tmp_path: Path) -> None:
    def change(made: Any) -> None:
        made.graph.node[0].input[0] = "nowhere"

    with pytest.raises(InputError, match=r"onnx\.checker"):
        check_onnx(save(tmp_path / "m.onnx", change))


def test_models_from_converters_pass(tmp_path: Path) -> None:
    import skl2onnx
    from sklearn.ensemble import HistGradientBoostingClassifier

    rows = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    fitted = HistGradientBoostingClassifier(max_iter=3).fit(rows, rows[:, 0] > 0)
    made = skl2onnx.to_onnx(fitted, rows[:1], options={"zipmap": False})
    onnx.save(made, tmp_path / "m.onnx")
    check_onnx(tmp_path / "m.onnx")
