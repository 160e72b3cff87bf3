"""PyTorch modules, where torch is installed: the extra `pytorch`.

Both of MLflow's formats hold pickles of classes that no list can know, so their source must be
trusted by name. Without that, export the module to ONNX where it was trained.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.contracts import Task
from seatrial.errors import InputError
from seatrial.guards import Predictions
from seatrial.optimization.confinement import is_confined
from seatrial.optimization.flavors.onnx import graph
from seatrial.optimization.flavors.original import (
    TARGET_OPSET,
    Converted,
    Inspection,
    cannot_convert,
    first_line,
)
from seatrial.optimization.mlflow_model import MlflowModel

if TYPE_CHECKING:
    import pandas as pd


def libraries(model: MlflowModel) -> tuple[str, ...]:
    """torch is optional: it is larger than everything else together."""
    return ("torch",)


def inspect(model: MlflowModel, *, trusted: bool) -> Inspection:
    """InputError unless the user vouches for the source."""
    if not (trusted and is_confined()):
        raise InputError(
            "a PyTorch module runs code when it is loaded",
            got=model.folder.name,
            allowed="sources that you trust by name, on a system that can confine a process",
            do="Export it with torch.onnx.export and hand that in, or trust its source: --trust, "
            "or optimization.trusted_sources",
        )
    return Inspection("pt2" if _exported(model) else "pickle", "user", ())


def load(model: MlflowModel, task: Task, *, trusted: bool) -> Module:
    """Load it, after it was inspected; the classes it needs come from the model's own `code`."""
    import torch

    code = model.options.get("code")
    if code:
        sys.path.insert(0, str(model.folder / str(code)))
    path = _file(model)
    try:
        if _exported(model):
            module: Any = torch.export.load(path).module()
        else:
            module = torch.load(path, map_location="cpu", weights_only=False).eval()
    except Exception as error:  # whatever the module's own code raises
        raise InputError(
            "cannot load the PyTorch module",
            got=first_line(error),
            allowed="a module whose classes are in the model's code_paths",
            do=f"Save it again with torch {torch.__version__}",
        ) from error
    return Module(module, model, task)


def _exported(model: MlflowModel) -> bool:
    return model.options.get("serialization_format") == "pt2" or _file(model).suffix == ".pt2"


def _file(model: MlflowModel) -> Path:
    folder = model.file("model_data")
    found = sorted(item for item in folder.glob("*") if item.suffix in (".pth", ".pt2", ".pt"))
    return found[0] if found else folder / "model.pth"


@dataclass(frozen=True)
class Module:
    """A module of one input tensor, float32."""

    module: Any
    model: MlflowModel
    task: Task
    warnings: tuple[str, ...] = ()

    def predict(self, frame: pd.DataFrame) -> Predictions:
        """By torch, without gradients; what the outputs are is told as for ONNX."""
        import numpy as np
        import torch

        rows = frame.to_numpy(np.float32).reshape(len(frame), *self._shape)
        with torch.no_grad():
            answer = self.module(torch.from_numpy(rows)).numpy().reshape(len(frame), -1)
        scores = np.asarray(answer, dtype=float)
        labels = None
        if self.task != "regression" and scores.shape[1] > 1:
            labels = scores.argmax(axis=1)
        if self.task == "binary_classification":
            scores = scores[:, -1:]
        return Predictions(labels, scores)

    def convert(self) -> Converted:
        """By torch.onnx.export, the first dimension left open."""
        import torch

        path = Path("exported.onnx")
        example = torch.zeros(2, *self._shape)
        try:
            torch.onnx.export(
                self.module,
                (example,),
                str(path),
                input_names=["input"],
                output_names=["output"],
                opset_version=TARGET_OPSET,
                dynamo=True,
                dynamic_shapes=({0: torch.export.Dim("rows")},),
                external_data=False,
            )
        except Exception as error:  # the exporter raises a family of its own
            raise cannot_convert(
                first_line(error), "modules that torch.onnx.export takes"
            ) from error
        columns, rows = self.model.columns, self.model.input_example
        return graph(path, columns, self.task, rows).convert()

    @property
    def _shape(self) -> tuple[int, ...]:
        return self.model.shape_of(self.model.columns[0].tensor)
