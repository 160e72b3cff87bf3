"""signature.json without pydantic: the same files are good, and a wrong one says where."""

from __future__ import annotations

import ast
import copy
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

import seatrial.serving
from seatrial.contracts import ModelSignature
from seatrial.serving.errors import StartError
from seatrial.serving.signature import TYPES, parse_signature, read_signature

DOCUMENT: dict[str, Any] = {
    "schema_version": 1,
    "task": "binary_classification",
    "model_file": "model.onnx",
    "inputs": [
        {"name": "carrier", "type": "string", "required": True, "onnx_input": "carrier"},
        {"name": "hour", "type": "double", "required": False, "onnx_input": "numbers"},
    ],
    "outputs": [
        {"name": "label", "type": "long", "onnx_output": "label", "index": None},
        {"name": "score", "type": "double", "onnx_output": "scores", "index": 1},
    ],
    "label": "label",
    "score": "score",
    "input_example": [{"carrier": "UA", "hour": 17.0}],
}
ALLOWED_IMPORTS = {"numpy", "onnxruntime", "httptools", "orjson"}


def changed(path: str, value: object) -> dict[str, Any]:
    document = copy.deepcopy(DOCUMENT)
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place: Any = document
    for part in parents:
        place = place[part]
    place[last] = value
    return document


def test_a_signature_of_the_contract_is_read_as_it_is() -> None:
    contract = ModelSignature.model_validate(DOCUMENT)
    signature = parse_signature(orjson.loads(contract.model_dump_json()))
    assert signature.input_names == ("carrier", "hour")
    assert [column.required for column in signature.inputs] == [True, False]
    assert [output.index for output in signature.outputs] == [None, 1]
    assert signature.input_example == ({"carrier": "UA", "hour": 17.0},)


def test_the_column_types_are_the_contract_s() -> None:
    from typing import get_args

    from seatrial.contracts import ColumnType

    assert set(TYPES) == set(get_args(ColumnType))


@pytest.mark.parametrize(
    ("path", "value", "where", "allowed"),
    [
        ("schema_version", 2, "schema_version", "1"),
        ("model_file", None, "model_file", "a str"),
        ("model_file", "../model.onnx", "model_file", "without a folder"),
        ("inputs", [], "inputs", "at least one"),
        ("inputs", {}, "inputs", "a list"),
        ("inputs.1", "hour", "inputs[1]", "a JSON object"),
        ("inputs.1.name", 7, "inputs[1].name", "a str"),
        ("inputs.1.name", "carrier", "inputs", "each name once"),
        ("inputs.0.type", "datetime", "inputs[0].type", "string"),
        ("inputs.0.required", "yes", "inputs[0].required", "a bool"),
        ("outputs.1.index", "1", "outputs[1].index", "a int"),
        ("outputs.1.index", True, "outputs[1].index", "a int"),
        ("input_example", [], "input_example", "at least one"),
    ],
)
def test_a_malformed_signature_says_where_and_what_is_allowed(
    path: str, value: object, where: str, allowed: str
) -> None:
    with pytest.raises(StartError) as caught:
        parse_signature(changed(path, value))
    assert caught.value.what.endswith(f"at {where}")
    assert allowed in caught.value.allowed


@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff"])
def test_a_file_that_is_not_json_is_named(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "signature.json").write_bytes(content)
    with pytest.raises(StartError, match=r"cannot read signature\.json"):
        read_signature(tmp_path)


def test_the_server_imports_nothing_that_its_image_does_not_hold() -> None:
    folder = Path(str(seatrial.serving.__file__)).parent
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [str(node.module)]
            for name in names:
                top = name.split(".")[0]
                own = name.startswith("seatrial.serving")
                assert own or top in sys.stdlib_module_names | ALLOWED_IMPORTS, (path.name, name)
