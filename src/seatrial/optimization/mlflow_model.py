"""Read an MLflow model directory without importing mlflow and without running anything in it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import yaml

from seatrial.contracts import ColumnType
from seatrial.errors import InputError

CONVERTIBLE = ("sklearn", "xgboost", "lightgbm", "onnx", "pytorch")
# Each value of a tensor is a column of requests, records and monitoring.
MAX_COLUMNS = 4096
EXAMPLE_ROWS = 10
MAX_DESCRIPTION_BYTES = 2**22

TENSOR_TYPES: dict[str, ColumnType] = {
    "float32": "float",
    "float64": "double",
    "int32": "integer",
    "int64": "long",
    "bool": "boolean",
    "str": "string",
}


@dataclass(frozen=True)
class Column:
    """One input column, as the model's signature names it; `tensor` is the one it is a value of.

    A tensor without a name has the name "".
    """

    name: str
    type: ColumnType
    required: bool
    tensor: str | None = None


@dataclass(frozen=True)
class MlflowModel:
    """What an MLmodel file says."""

    folder: Path
    flavor: str
    options: dict[str, Any]
    columns: tuple[Column, ...]
    input_example: tuple[dict[str, Any], ...]
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def shape_of(self, tensor: str | None) -> tuple[int, ...]:
        """The shape of one row of the tensor, or of all columns as one."""
        return self.shapes.get(tensor or "", (len(self.columns),))

    def file(self, option: str) -> Path:
        """The file that the flavor's `option` names; InputError if it is none of this folder's."""
        return _inside(self.folder, self.options.get(option))


def read_mlflow_model(folder: Path) -> MlflowModel:
    """Read `folder`/MLmodel.

    InputError without one, without a signature, without an input example, or if no flavor of it can
    be converted.
    """
    description = _read_description(folder)
    flavors = [name for name in description.get("flavors") or {} if name != "python_function"]
    flavor = next((name for name in CONVERTIBLE if name in flavors), None)
    if flavor is None:
        raise InputError(
            "this model's flavor cannot be converted to ONNX",
            got=", ".join(flavors) or "no flavor",
            allowed=", ".join(CONVERTIBLE),
            do="Log the model with one of these flavors",
        )
    try:
        columns = tuple(_columns(folder, description))
        example = _input_example(folder, description, columns)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise InputError(
            "the model's signature or input example is not what MLflow writes",
            got=f"{type(error).__name__}: {error}",
            allowed="an MLmodel file as mlflow wrote it",
            do="Log the model again with signature and input_example",
        ) from error
    options = description["flavors"][flavor]
    return MlflowModel(folder, flavor, options, columns, example, _shapes(description))


def _read_description(folder: Path) -> dict[str, Any]:
    try:
        with (folder / "MLmodel").open("rb") as file:
            description = yaml.safe_load(file.read(MAX_DESCRIPTION_BYTES))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(
            "not an MLflow model directory",
            got=str(folder),
            allowed="a folder with a readable file named MLmodel at its top level",
            do="Save the model with mlflow.<flavor>.save_model",
        ) from error
    return description if isinstance(description, dict) else {}


def _inside(folder: Path, name: Any) -> Path:
    path = (folder / str(name)).resolve()
    if not name or not path.is_relative_to(folder.resolve()) or not path.exists():
        raise InputError(
            "the MLmodel file names a file that the model does not have",
            got=name,
            allowed="files in the model's own folder",
            do="Save the model again with mlflow",
        )
    return path


def _columns(folder: Path, description: dict[str, Any]) -> Iterator[Column]:
    text = (description.get("signature") or {}).get("inputs")
    if not text:
        raise InputError(
            "the model has no signature",
            got=str(folder / "MLmodel"),
            allowed="a signature with the name and type of each input column",
            do="Log the model with signature=infer_signature(inputs, predictions)",
        )
    for item in json.loads(text):
        if item.get("type") == "tensor":
            yield from _columns_of_tensor(item)
        elif "name" in item and item["type"] in get_args(ColumnType):
            yield Column(str(item["name"]), item["type"], bool(item.get("required", True)))
        else:
            raise InputError(
                "the model's signature has an input that cannot be served as a column",
                got=item,
                allowed=f"named columns of {', '.join(get_args(ColumnType))}, or tensors",
                do="Log the model with a data frame or an array as its input",
            )


def _shapes(description: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    return {
        item.get("name", ""): tuple(item["tensor-spec"]["shape"][1:])
        for item in json.loads(description["signature"]["inputs"])
        if item.get("type") == "tensor"
    }


def _columns_of_tensor(item: dict[str, Any]) -> Iterator[Column]:
    """The values of one row in C order, `<name>_<i>`."""
    dtype, (rows, *shape) = item["tensor-spec"]["dtype"], item["tensor-spec"]["shape"]
    name = item.get("name", "")
    if rows != -1 or not shape or any(size < 1 for size in shape) or dtype not in TENSOR_TYPES:
        raise InputError(
            f"the model's input tensor {name!r} has a shape or type that cannot be served",
            got=f"{dtype} of shape {[rows, *shape]}",
            allowed=f"(-1, n, …), fixed but for the rows, of {', '.join(TENSOR_TYPES)}",
            do="Export the model with a free first dimension and every other fixed",
        )
    width = math.prod(shape)
    if width > MAX_COLUMNS:
        raise InputError(
            f"the model's input tensor {name!r} has too many values to be columns",
            got=width,
            allowed=f"at most {MAX_COLUMNS} values in a row",
            do="Make the input smaller, or move the first layers' work to the client",
        )
    for index in range(width):
        yield Column(f"{name or 'input'}_{index}", TENSOR_TYPES[dtype], True, name)


def _input_example(
    folder: Path, description: dict[str, Any], columns: tuple[Column, ...]
) -> tuple[dict[str, Any], ...]:
    name = (description.get("saved_input_example_info") or {}).get("artifact_path")
    if not name:
        raise InputError(
            "the model has no input example",
            got=str(folder / "MLmodel"),
            allowed="an input example; the server counts as ready after a prediction with it",
            do="Log the model with input_example=inputs.head(3)",
        )
    saved = json.loads(_inside(folder, name).read_text(encoding="utf-8"))
    if isinstance(saved, dict) and "columns" in saved:
        rows = [dict(zip(saved["columns"], row, strict=True)) for row in saved["data"]]
        return tuple(rows[:EXAMPLE_ROWS])
    return tuple(_rows_of_tensors(saved, columns))


def _rows_of_tensors(saved: Any, columns: tuple[Column, ...]) -> Iterator[dict[str, Any]]:
    import numpy as np

    if isinstance(saved, dict):
        saved = saved.get("inputs", saved)
    tensors = saved if isinstance(saved, dict) else {columns[0].tensor: saved}
    for row in range(min(EXAMPLE_ROWS, *(len(values) for values in tensors.values()))):
        cells = {
            name: iter(np.asarray(values[row]).ravel().tolist()) for name, values in tensors.items()
        }
        yield {column.name: next(cells[column.tensor]) for column in columns}
