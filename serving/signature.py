"""What the server knows of its model: `signature.json`, beside the model file.

The same JSON as seatrial.contracts.ModelSignature, read without pydantic. `model_file`,
`onnx_input` and `onnx_output` may be left out where code/inference.py runs the model.

Whatever a model's start imports is paid for by every cold start. So this package has no pathlib,
and named tuples instead of dataclasses; orjson, too, comes with the first body only.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from seatrial.serving.errors import StartError

if TYPE_CHECKING:
    from pathlib import Path

TYPES = ("boolean", "integer", "long", "float", "double", "string")
SIGNATURE_FILE = "signature.json"
SCRIPT_FILE = "code/inference.py"


class Column(NamedTuple):
    """One column of a request, in the order of a CSV body without a header."""

    name: str
    type: str
    required: bool
    onnx_input: str


class Output(NamedTuple):
    """One column of the answer: `onnx_output`, of which `index` is taken along the second axis."""

    name: str
    type: str
    onnx_output: str
    index: int | None  # type: ignore[assignment]  # hides the tuple's method of that name

    @property
    def required(self) -> bool:
        """False: a model may answer NaN."""
        return False


class ExampleRequest(NamedTuple):
    """A request for a model whose input_fn reads something else than columns, an image say."""

    content_type: str
    body: bytes


class Signature(NamedTuple):
    """The columns in and out, and rows, or a whole request, that the model is known to take."""

    model_file: str
    inputs: tuple[Column, ...]
    outputs: tuple[Output, ...]
    input_example: tuple[Mapping[str, Any], ...]
    example_request: ExampleRequest | None = None

    @property
    def input_names(self) -> tuple[str, ...]:
        """The request's columns in order."""
        return tuple(column.name for column in self.inputs)


def has_code(folder: Path | str) -> bool:
    """True if the archive brings its own code, see script.py."""
    return os.path.isfile(os.path.join(folder, SCRIPT_FILE))


def read_signature(folder: Path | str) -> Signature:
    """The signature in `folder`; StartError if there is none, or if it is not one."""
    path = os.path.join(folder, SIGNATURE_FILE)
    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
    except (OSError, ValueError) as error:  # the latter: no JSON, or no UTF-8
        raise StartError(
            f"cannot read {SIGNATURE_FILE}",
            got=f"{path}: {error}",
            allowed="a JSON file beside the model",
            do="Set SEATRIAL_MODEL_DIR to a folder unpacked from an archive of optimize_model",
        ) from error
    return parse_signature(document)


def parse_signature(document: Any) -> Signature:
    """`document` as a Signature; StartError names the first thing that is wrong."""
    top = _mapping(document, SIGNATURE_FILE)
    if top.get("schema_version", 1) != 1:
        raise _wrong("schema_version", top["schema_version"], "1")
    request = top.get("example_request")
    least = 0 if request else 1
    signature = Signature(
        model_file=_text(top, "model_file", ""),
        inputs=_items(top, "inputs", _column, least),
        outputs=_items(top, "outputs", _output),
        input_example=_items(top, "input_example", _mapping, least),
        example_request=_example_request(request) if request else None,
    )
    if os.path.basename(signature.model_file) != signature.model_file:
        raise _wrong("model_file", signature.model_file, "a file name without a folder")
    for part, columns in (("inputs", signature.inputs), ("outputs", signature.outputs)):
        names = [column.name for column in columns]
        if len(set(names)) != len(names):
            raise _wrong(part, names, "each name once")
    return signature


Item = TypeVar("Item")


def _items(
    document: Mapping[str, Any], name: str, read: Callable[[Any, str], Item], least: int = 1
) -> tuple[Item, ...]:
    values = _field(document, name, list, "")
    if len(values) < least:
        raise _wrong(name, values, "at least one")
    return tuple(read(value, f"{name}[{index}]") for index, value in enumerate(values))


def _column(value: Any, where: str) -> Column:
    item = _mapping(value, where)
    return Column(
        name=_field(item, "name", str, where),
        type=_type(item, where),
        required=_field(item, "required", bool, where),
        onnx_input=_text(item, "onnx_input", where),
    )


def _output(value: Any, where: str) -> Output:
    item = _mapping(value, where)
    index = item.get("index")
    return Output(
        name=_field(item, "name", str, where),
        type=_type(item, where),
        onnx_output=_text(item, "onnx_output", where),
        index=None if index is None else _field(item, "index", int, where),
    )


def _example_request(value: Any) -> ExampleRequest:
    where = "example_request"
    item = _mapping(value, where)
    content_type = _field(item, "content_type", str, where)
    if item.get("body_base64") is None:
        return ExampleRequest(content_type, _field(item, "body", str, where).encode("utf-8"))
    import base64

    try:
        body = base64.b64decode(_field(item, "body_base64", str, where), validate=True)
    except ValueError as error:
        raise _wrong(f"{where}.body_base64", str(error), "base64") from error
    return ExampleRequest(content_type, body)


def _text(item: Mapping[str, Any], name: str, where: str) -> str:
    """The text of that name, empty if there is none."""
    return _field(item, name, str, where) if name in item else ""


def _type(item: Mapping[str, Any], where: str) -> str:
    value = _field(item, "type", str, where)
    if value not in TYPES:
        raise _wrong(f"{where}.type", value, ", ".join(TYPES))
    return value


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(where, value, "a JSON object")
    return value


Field = TypeVar("Field")


def _field(item: Mapping[str, Any], name: str, kind: type[Field], where: str) -> Field:
    value = item.get(name)
    if type(value) is not kind:
        raise _wrong(f"{where}.{name}".lstrip("."), value, f"a {kind.__name__}")
    return value


def _wrong(where: str, value: object, allowed: str) -> StartError:
    return StartError(
        f"{SIGNATURE_FILE} cannot be used, at {where}",
        got=value,
        allowed=allowed,
        do="Pack the model again with this version of seatrial",
    )
