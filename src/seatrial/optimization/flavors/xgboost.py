"""XGBoost models in its own formats (UBJSON, JSON): data, no code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seatrial.contracts import Task
from seatrial.errors import InputError
from seatrial.guards import Predictions
from seatrial.optimization.flavors.boosters import convert_xgboost, xgboost_objective
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

NATIVE_SUFFIXES = (".ubj", ".json", ".xgb")


def libraries(model: MlflowModel) -> tuple[str, ...]:
    """XGBoost brings all that it needs."""
    return ("xgboost",)


def inspect(model: MlflowModel, *, trusted: bool) -> Inspection:
    """InputError for a format of Python objects, which MLflow no longer writes for XGBoost."""
    path = model.file("data")
    if path.suffix not in NATIVE_SUFFIXES:
        raise InputError(
            "the XGBoost model is not in a format of XGBoost's own",
            got=path.name,
            allowed=", ".join(NATIVE_SUFFIXES),
            do="Save it with mlflow.xgboost.save_model(model_format='ubj')",
        )
    return Inspection("native")


def load(model: MlflowModel, task: Task, *, trusted: bool) -> BoostedTrees:
    """Load it as MLflow does: a wrapper stops at its best iteration, a Booster does not."""
    import xgboost

    booster = xgboost.Booster()
    try:
        booster.load_model(model.file("data"))
    except xgboost.core.XGBoostError as error:
        raise InputError(
            "cannot load the XGBoost model",
            got=first_line(error),
            allowed="a file that this version of XGBoost wrote or reads",
            do=f"Save the model again with xgboost {xgboost.__version__}",
        ) from error
    best = booster.attr("best_iteration")
    if best is not None and not str(model.options.get("model_class")).endswith(".Booster"):
        booster = booster[: int(best) + 1]
    return BoostedTrees(booster, model, task)


@dataclass(frozen=True)
class BoostedTrees:
    """A Booster, cut where its predictions stop."""

    booster: Any
    model: MlflowModel
    task: Task
    warnings: tuple[str, ...] = ()

    def predict(self, frame: pd.DataFrame) -> Predictions:
        """Of the columns in the signature's order, which must be that of the training."""
        import numpy as np
        import xgboost

        names = self.booster.feature_names
        if names is not None and list(names) != list(frame.columns):
            raise InputError(
                "the model was trained with other columns than its signature has",
                got=", ".join(names),
                allowed=", ".join(frame.columns),
                do="Log the model with the signature of its training data",
            )
        stacked_inputs(self.model.columns)
        self._require_task()
        if self._objective == "multi:softmax":  # the same trees, with probabilities
            self.booster.set_param({"objective": "multi:softprob"})
        rows = xgboost.DMatrix(frame.to_numpy(np.float32), feature_names=names)
        answer = self.booster.predict(rows)
        if self.task == "regression":
            return value_predictions(answer)
        if answer.ndim == 1:
            answer = np.column_stack([1 - answer, answer])
        return class_predictions(self.task, answer, range(answer.shape[1]))

    def convert(self) -> Converted:
        """One float tensor in; a label and probabilities, or a value, out."""
        inputs = stacked_inputs(self.model.columns)
        self._require_task()
        booster = self.booster.copy()
        if self._objective == "multi:softmax":
            booster.set_param({"objective": "multi:softprob"})
        onnx = convert_xgboost(booster, len(inputs))
        names, example = [item.name for item in onnx.graph.output], self.model.input_example
        if self.task == "regression":
            return Converted(onnx, regressor_signature(inputs, example, names[0]))
        classes = list(range(self._class_count))
        return Converted(onnx, classifier_signature(self.task, inputs, example, names, classes))

    @property
    def _objective(self) -> str:
        return xgboost_objective(self.booster)

    @property
    def _class_count(self) -> int:
        import json

        learner = json.loads(self.booster.save_config())["learner"]
        return int(learner["learner_model_param"]["num_class"]) or 2

    def _require_task(self) -> None:
        classifies = self._objective.startswith(("binary:", "multi:"))
        if classifies is not (self.task != "regression"):
            raise InputError(
                "the model's objective is not of the task",
                got=f"{self._objective} for {self.task}",
                allowed="binary: and multi: for classification, the others for regression",
                do="Register the model with the task that it was trained for",
            )
        if self.task == "binary_classification":
            require_two(self._class_count)
