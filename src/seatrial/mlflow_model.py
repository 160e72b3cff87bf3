"""Read an MLflow model directory without importing mlflow, and load its model without pickle."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import yaml

from seatrial.contracts import ColumnType
from seatrial.errors import InputError

CONVERTIBLE = ("sklearn",)
# Loading these runs no code of the file's choosing; any other module might.
TRUSTED_PACKAGES = ("sklearn.", "numpy.", "scipy.")


@dataclass(frozen=True)
class Column:
    """One input column, as the model's signature names it."""

    name: str
    type: ColumnType
    required: bool


@dataclass(frozen=True)
class MlflowModel:
    """What an MLmodel file says."""

    folder: Path
    flavor: str
    options: dict[str, Any]
    columns: tuple[Column, ...]
    input_example: tuple[dict[str, Any], ...]


def read_mlflow_model(folder: Path) -> MlflowModel:
    """Read `folder`/MLmodel.

    InputError without one, without a signature of named columns, without an input example, or if no
    flavor of it can be converted.
    """
    description = _read_description(folder)
    flavors = [name for name in description.get("flavors", {}) if name != "python_function"]
    flavor = next((name for name in CONVERTIBLE if name in flavors), None)
    if flavor is None:
        raise InputError(
            "this model's flavor cannot be converted to ONNX",
            got=", ".join(flavors) or "no flavor",
            allowed=", ".join(CONVERTIBLE),
            do="Log the model with one of these flavors",
        )
    return MlflowModel(
        folder=folder,
        flavor=flavor,
        options=description["flavors"][flavor],
        columns=_columns(folder, description),
        input_example=_input_example(folder, description),
    )


def load_sklearn(model: MlflowModel) -> Any:
    """The fitted scikit-learn model; InputError for a pickle, or for types not to be trusted."""
    saved_as = model.options.get("serialization_format")
    if saved_as != "skops":
        raise InputError(
            "the model is saved in a format that can run code when it is loaded",
            got=saved_as,
            allowed="skops",
            do="Save it with mlflow.sklearn.save_model(serialization_format='skops')",
        )
    import skops.io

    path = model.folder / model.options["pickled_model"]
    declared = model.options.get("skops_trusted_types") or []
    unknown = [name for name in declared if not name.startswith(TRUSTED_PACKAGES)]
    if unknown:
        raise InputError(
            "the model asks to load types of packages that are not trusted",
            got=", ".join(unknown),
            allowed=", ".join(f"{name}*" for name in TRUSTED_PACKAGES),
            do="Build the model from scikit-learn's own estimators",
        )
    try:
        return skops.io.load(path, trusted=declared)
    except Exception as error:  # skops raises whatever the broken part of the file makes it raise
        raise InputError(
            "cannot load the scikit-learn model",
            got=f"{type(error).__name__}: {error}",
            allowed="a file written by skops with the scikit-learn version installed here",
            do="Save the model again and register it again",
        ) from error


def _read_description(folder: Path) -> dict[str, Any]:
    try:
        description = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(
            "not an MLflow model directory",
            got=str(folder),
            allowed="a folder with a readable file named MLmodel at its top level",
            do="Save the model with mlflow.<flavor>.save_model",
        ) from error
    return description if isinstance(description, dict) else {}


def _columns(folder: Path, description: dict[str, Any]) -> tuple[Column, ...]:
    text = (description.get("signature") or {}).get("inputs")
    if not text:
        raise InputError(
            "the model has no signature",
            got=str(folder / "MLmodel"),
            allowed="a signature with the name and type of each input column",
            do="Log the model with signature=infer_signature(inputs, predictions)",
        )
    known = get_args(ColumnType)
    columns = json.loads(text)
    for column in columns:
        if "name" not in column or column["type"] not in known:
            raise InputError(
                "the model's signature has an input that cannot be served as a column",
                got=column,
                allowed=f"named columns of {', '.join(known)}",
                do="Log the model with a data frame as its input",
            )
    return tuple(Column(c["name"], c["type"], bool(c.get("required", True))) for c in columns)


def _input_example(folder: Path, description: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    path = (description.get("saved_input_example_info") or {}).get("artifact_path")
    if not path:
        raise InputError(
            "the model has no input example",
            got=str(folder / "MLmodel"),
            allowed="an input example; the server counts as ready after a prediction with it",
            do="Log the model with input_example=inputs.head(3)",
        )
    split = json.loads((folder / path).read_text(encoding="utf-8"))
    return tuple(dict(zip(split["columns"], row, strict=True)) for row in split["data"])
