"""LightGBM models: a Booster in its own text format, or a wrapper in skops or a pickle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seatrial.contracts import Task
from seatrial.errors import InputError
from seatrial.guards import Predictions
from seatrial.optimization.flavors.boosters import convert_lightgbm, lightgbm_objective
from seatrial.optimization.flavors.estimators import inspect_object, load_object
from seatrial.optimization.flavors.original import (
    Converted,
    Inspection,
    class_predictions,
    classifier_signature,
    first_line,
    regressor_signature,
    require_two,
    stacked_inputs,
    value_predictions,
)
from seatrial.optimization.mlflow_model import MlflowModel

if TYPE_CHECKING:
    import pandas as pd

NATIVE_SUFFIXES = (".lgb", ".txt")


def libraries(model: MlflowModel) -> tuple[str, ...]:
    """Its wrappers in a skops file take skops, too."""
    return ("skops.io", "lightgbm") if model.file("data").suffix == ".skops" else ("lightgbm",)


def inspect(model: MlflowModel, *, trusted: bool) -> Inspection:
    """InputError for a file that may run code and that nobody vouches for."""
    path = model.file("data")
    if path.suffix in NATIVE_SUFFIXES:
        return Inspection("native")
    return inspect_object(path, trusted=trusted)


def load(model: MlflowModel, task: Task, *, trusted: bool) -> BoostedTrees:
    """Load it, after it was inspected."""
    import lightgbm

    path = model.file("data")
    if path.suffix not in NATIVE_SUFFIXES:
        loaded = load_object(path, trusted=trusted)
        return BoostedTrees(loaded.model, model, task, loaded.warnings)
    try:
        booster = lightgbm.Booster(model_file=path)
    except lightgbm.basic.LightGBMError as error:
        raise InputError(
            "cannot load the LightGBM model",
            got=first_line(error),
            allowed="a file that this version of LightGBM wrote or reads",
            do=f"Save the model again with lightgbm {lightgbm.__version__}",
        ) from error
    return BoostedTrees(booster, model, task)


@dataclass(frozen=True)
class BoostedTrees:
    """A Booster or a wrapper; either stops at its best iteration when it predicts."""

    fitted: Any
    model: MlflowModel
    task: Task
    warnings: tuple[str, ...] = ()

    def predict(self, frame: pd.DataFrame) -> Predictions:
        """Of the columns in the signature's order; LightGBM goes by position as well."""
        import numpy as np

        stacked_inputs(self.model.columns)
        self._require_task()
        answer = self._booster.predict(frame.to_numpy(np.float64))
        if self.task == "regression":
            return value_predictions(answer)
        if answer.ndim == 1:
            answer = np.column_stack([1 - answer, answer])
        return class_predictions(self.task, answer, self._classes)

    def convert(self) -> Converted:
        """One float tensor in; a label and probabilities, or a value, out."""
        inputs = stacked_inputs(self.model.columns)
        self._require_task()
        onnx = convert_lightgbm(self.fitted, len(inputs))
        names, example = [item.name for item in onnx.graph.output], self.model.input_example
        if self.task == "regression":
            return Converted(onnx, regressor_signature(inputs, example, names[0]))
        return Converted(
            onnx, classifier_signature(self.task, inputs, example, names, self._classes)
        )

    @property
    def _booster(self) -> Any:
        return getattr(self.fitted, "booster_", self.fitted)

    @property
    def _classes(self) -> list[Any]:
        named = getattr(self.fitted, "classes_", None)
        count = max(2, self._booster.num_model_per_iteration())
        return list(range(count)) if named is None else list(named)

    def _require_task(self) -> None:
        objective = lightgbm_objective(self._booster)
        classifies = objective in ("binary", "multiclass")
        if classifies is not (self.task != "regression"):
            raise InputError(
                "the model's objective is not of the task",
                got=f"{objective} for {self.task}",
                allowed="binary and multiclass for classification, the others for regression",
                do="Register the model with the task that it was trained for",
            )
        if self.task == "binary_classification":
            require_two(len(self._classes))
