"""Where a model comes from: an MLflow model directory, or a plain ONNX file with a signature."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from seatrial.contracts import ModelSignature, Task, read_contract
from seatrial.errors import InputError
from seatrial.optimization.flavors.original import Flavor, Inspection, Original
from seatrial.optimization.mlflow_model import MlflowModel, read_mlflow_model


class Source(Protocol):
    """A model that has been read about and not been loaded."""

    @property
    def flavor(self) -> str:
        """MLflow's name for the kind of model."""

    @property
    def folder(self) -> Path:
        """Where its files are."""

    def files(self) -> list[Path]:
        """The files it consists of."""

    def column_names(self) -> list[str]:
        """The columns it takes, in order."""

    def libraries(self) -> tuple[str, ...]:
        """The modules that loading it takes."""

    def inspect(self, *, trusted: bool) -> Inspection:
        """InputError if its files may run code and nobody vouches for them."""

    def load(self, task: Task, *, trusted: bool) -> Original:
        """Load it, after it was inspected."""


def open_source(path: Path) -> Source:
    """The model at `path`; InputError if there is none.

    A folder with an MLmodel file, a folder with signature.json and the ONNX file it names, or an
    ONNX file that signature.json is beside.
    """
    folder = path if path.is_dir() else path.parent
    if path.is_dir() and (folder / "MLmodel").exists():
        return MlflowSource(read_mlflow_model(folder))
    if (folder / "signature.json").exists():
        signature = read_contract(ModelSignature, folder / "signature.json")
        return OnnxSource(folder / signature.model_file if path.is_dir() else path, signature)
    raise InputError(
        "not a model",
        got=str(path),
        allowed="an MLflow model directory, or an ONNX file with signature.json beside it",
        do="Save the model with mlflow.<flavor>.save_model, or write its signature.json",
    )


@dataclass(frozen=True)
class MlflowSource:
    """An MLflow model directory."""

    model: MlflowModel

    @property
    def flavor(self) -> str:
        return self.model.flavor

    @property
    def folder(self) -> Path:
        return self.model.folder

    def files(self) -> list[Path]:
        return sorted(self.folder.rglob("*"))

    def column_names(self) -> list[str]:
        return [column.name for column in self.model.columns]

    def libraries(self) -> tuple[str, ...]:
        return self._module.libraries(self.model)

    def inspect(self, *, trusted: bool) -> Inspection:
        return self._module.inspect(self.model, trusted=trusted)

    def load(self, task: Task, *, trusted: bool) -> Original:
        return self._module.load(self.model, task, trusted=trusted)

    @property
    def _module(self) -> Flavor:
        module: Any = importlib.import_module(f"seatrial.optimization.flavors.{self.flavor}")
        return cast(Flavor, module)


@dataclass(frozen=True)
class OnnxSource:
    """A plain ONNX file with seatrial's own signature."""

    path: Path
    signature: ModelSignature

    @property
    def flavor(self) -> str:
        return "onnx"

    @property
    def folder(self) -> Path:
        return self.path.parent

    def files(self) -> list[Path]:
        """Not the whole folder, which may be anyone's downloads; weights beside it belong to it."""
        from seatrial.optimization.onnx_safety import check_onnx, external_files

        weights = external_files(check_onnx(self.path))
        return [self.path, self.folder / "signature.json", *(self.folder / n for n in weights)]

    def column_names(self) -> list[str]:
        return [column.name for column in self.signature.inputs]

    def libraries(self) -> tuple[str, ...]:
        return ("onnxruntime",)

    def inspect(self, *, trusted: bool) -> Inspection:  # noqa: ARG002 - data, no code
        from seatrial.optimization.flavors.onnx import inspect_file

        return inspect_file(self.path)

    def load(self, task: Task, *, trusted: bool) -> Original:  # noqa: ARG002
        import onnx

        from seatrial.optimization.flavors.onnx import Graph

        if task != self.signature.task:
            raise InputError(
                "the model's signature is of another task",
                got=self.signature.task,
                allowed=task,
                do="Correct signature.json, or the task",
            )
        return Graph(onnx.load(self.path), self.path, self.signature)
