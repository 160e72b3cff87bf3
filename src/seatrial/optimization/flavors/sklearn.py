"""scikit-learn estimators and pipelines, with LightGBM or XGBoost in them where they may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.contracts import InputColumn, Task
from seatrial.errors import InputError
from seatrial.guards import Predictions
from seatrial.optimization.flavors import boosters
from seatrial.optimization.flavors.estimators import inspect_object, load_object
from seatrial.optimization.flavors.original import (
    TARGET_ML_OPSET,
    TARGET_OPSET,
    Converted,
    Inspection,
    cannot_convert,
    class_predictions,
    classifier_signature,
    first_line,
    input_column,
    regressor_signature,
    stacked_inputs,
    value_predictions,
)
from seatrial.optimization.mlflow_model import Column, MlflowModel

if TYPE_CHECKING:
    import pandas as pd

# Part of the C library, and knows all letters. ONNX Runtime's own default, en_US, is a language
# pack that slim images lack, and without it a session does not load.
LOCALE = "C.UTF-8"
SUPPORTED = "estimators that skl2onnx has a converter for"


def libraries(model: MlflowModel) -> tuple[str, ...]:
    """Loading a skops file takes skops, too."""
    return ("skops.io", "sklearn") if _path(model).suffix == ".skops" else ("sklearn",)


def inspect(model: MlflowModel, *, trusted: bool) -> Inspection:
    """InputError for a file that may run code and that nobody vouches for."""
    return inspect_object(_path(model), trusted=trusted)


def load(model: MlflowModel, task: Task, *, trusted: bool) -> FittedEstimator:
    """Load it, after it was inspected."""
    loaded = load_object(_path(model), trusted=trusted)
    _require_task(loaded.model, task)
    return FittedEstimator(loaded.model, model, task, loaded.warnings)


def _require_task(fitted: Any, task: Task) -> None:
    """InputError for a regressor that is to classify, or a classifier that is not."""
    from sklearn.base import is_classifier, is_regressor

    final = _final(fitted)
    other = is_classifier if task == "regression" else is_regressor
    if other(final):
        raise InputError(
            "the model is not of the task",
            got=f"{type(final).__name__} for {task}",
            allowed="classifiers for a classification, regressors for regression",
            do="Give --task, or register the model with the task that it was trained for",
        )


def _path(model: MlflowModel) -> Path:
    return model.file("pickled_model")


@dataclass(frozen=True)
class FittedEstimator:
    """A fitted estimator or pipeline."""

    fitted: Any
    model: MlflowModel
    task: Task
    warnings: tuple[str, ...] = ()

    def predict(self, frame: pd.DataFrame) -> Predictions:
        """By predict_proba or, for a regression, predict."""
        if self.task == "regression":
            return value_predictions(self.fitted.predict(frame))
        if not hasattr(self.fitted, "predict_proba"):
            raise InputError(
                "the classifier gives no probabilities",
                got=f"{type(_final(self.fitted)).__name__} without predict_proba",
                allowed="classifiers with predict_proba",
                do="Wrap it in CalibratedClassifierCV, or turn its probabilities on",
            )
        return class_predictions(self.task, self.fitted.predict_proba(frame), self.fitted.classes_)

    def convert(self) -> Converted:
        """A model that starts with a ColumnTransformer gets one input per column.

        Any other takes one float tensor of shape (rows, columns).
        """
        import skl2onnx

        boosters.register(_final(self.fitted))
        inputs = _inputs(self.fitted, self.model.columns)
        classifies = self.task != "regression"
        try:
            onnx = skl2onnx.to_onnx(
                self.fitted,
                initial_types=_initial_types(inputs),
                options={id(_final(self.fitted)): {"zipmap": False}} if classifies else None,
                target_opset={"": TARGET_OPSET, "ai.onnx.ml": TARGET_ML_OPSET},
            )
        except Exception as error:  # skl2onnx raises a family of its own and plain RuntimeErrors
            raise cannot_convert(first_line(error), SUPPORTED) from error
        use_builtin_locale(onnx)
        names = [output.name for output in onnx.graph.output]
        example = self.model.input_example
        if not classifies:
            return Converted(onnx, regressor_signature(inputs, example, names[0]))
        classes = list(self.fitted.classes_)
        return Converted(onnx, classifier_signature(self.task, inputs, example, names, classes))


def use_builtin_locale(converted: Any) -> None:
    """Let text be lower-cased without a language pack."""
    from onnx.helper import make_attribute

    for node in converted.graph.node:
        if node.op_type == "StringNormalizer":
            others = [item for item in node.attribute if item.name != "locale"]
            del node.attribute[:]
            node.attribute.extend([*others, make_attribute("locale", LOCALE)])


def _final(fitted: Any) -> Any:
    return fitted.steps[-1][1] if hasattr(fitted, "steps") else fitted


def _inputs(fitted: Any, columns: Sequence[Column]) -> tuple[InputColumn, ...]:
    first = fitted.steps[0][1] if hasattr(fitted, "steps") else fitted
    if type(first).__name__ == "ColumnTransformer":
        return tuple(input_column(column, column.name) for column in columns)
    return stacked_inputs(columns)


def _initial_types(inputs: Sequence[InputColumn]) -> list[tuple[str, Any]]:
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    widths: dict[str, int] = {}
    kinds: dict[str, Any] = {}
    for column in inputs:
        widths[column.onnx_input] = widths.get(column.onnx_input, 0) + 1
        kinds[column.onnx_input] = StringTensorType if column.type == "string" else FloatTensorType
    return [(name, kinds[name]([None, width])) for name, width in widths.items()]
