"""What all flavors have in common: an original model that predicts and becomes an ONNX graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from seatrial.contracts import InputColumn, ModelSignature, OutputColumn, SourceFormat, Task
from seatrial.errors import InputError
from seatrial.guards import Predictions
from seatrial.optimization.mlflow_model import Column, MlflowModel

if TYPE_CHECKING:
    import pandas as pd

# The newest operator sets that skl2onnx 1.20 and onnxmltools 1.16 convert every model to.
TARGET_OPSET = 18
TARGET_ML_OPSET = 3
STACKED_INPUT = "features"


@dataclass(frozen=True)
class Inspection:
    """What is known of a model's files before one is loaded."""

    source_format: SourceFormat
    trusted_by: Literal["allow list", "user"] | None = None
    findings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Converted:
    """An ONNX model (protobuf) and what its inputs and outputs mean."""

    onnx: Any
    signature: ModelSignature


class Original(Protocol):
    """The model in its own library."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the library said while it loaded."""

    def predict(self, frame: pd.DataFrame) -> Predictions:
        """What the library predicts for rows of the model's columns."""

    def convert(self) -> Converted:
        """The same as ONNX; InputError if a part of it has no converter."""


class Flavor(Protocol):
    """A module of this package."""

    def libraries(self, model: MlflowModel) -> tuple[str, ...]:
        """The modules that loading it takes."""

    def inspect(self, model: MlflowModel, *, trusted: bool) -> Inspection:
        """InputError if its files may run code and nobody vouches for them."""

    def load(self, model: MlflowModel, task: Task, *, trusted: bool) -> Original:
        """Load it, after it was inspected."""


def stacked_inputs(columns: Sequence[Column]) -> tuple[InputColumn, ...]:
    """All columns in one float tensor; InputError for text among them."""
    texts = [column.name for column in columns if column.type == "string"]
    if texts:
        raise InputError(
            "the model takes text columns but does not say what becomes of each column",
            got=", ".join(texts),
            allowed="numbers, or text in a pipeline whose first step is a ColumnTransformer",
            do="Put the preprocessing into a scikit-learn Pipeline with a ColumnTransformer",
        )
    return tuple(input_column(column, STACKED_INPUT) for column in columns)


def input_column(column: Column, onnx_input: str) -> InputColumn:
    """The column as serving knows it."""
    return InputColumn(
        name=column.name, type=column.type, required=column.required, onnx_input=onnx_input
    )


def classifier_signature(
    task: Task,
    inputs: Sequence[InputColumn],
    example: tuple[dict[str, Any], ...],
    names: Sequence[str],
    classes: Sequence[Any],
) -> ModelSignature:
    """The signature of a graph whose outputs `names` are a label and a tensor of probabilities."""
    label = OutputColumn(
        name="label",
        type="string" if isinstance(classes[0], str) else "long",
        onnx_output=names[0],
    )
    if task == "binary_classification":
        require_two(len(classes))
        scores = [OutputColumn(name="score", type="double", onnx_output=names[1], index=1)]
    else:
        scores = [
            OutputColumn(name=f"score_{name}", type="double", onnx_output=names[1], index=index)
            for index, name in enumerate(classes)
        ]
    return ModelSignature(
        task=task,
        model_file="model.onnx",
        inputs=tuple(inputs),
        outputs=(label, *scores),
        label="label",
        score="score" if task == "binary_classification" else None,
        input_example=example,
    )


def regressor_signature(
    inputs: Sequence[InputColumn], example: tuple[dict[str, Any], ...], onnx_output: str
) -> ModelSignature:
    """The signature of a graph with one predicted value a row."""
    return ModelSignature(
        task="regression",
        model_file="model.onnx",
        inputs=tuple(inputs),
        outputs=(OutputColumn(name="prediction", type="double", onnx_output=onnx_output, index=0),),
        label=None,
        score="prediction",
        input_example=example,
    )


def class_predictions(task: Task, probabilities: Any, classes: Sequence[Any]) -> Predictions:
    """Labels and scores of a classifier, from probabilities of shape (rows, classes)."""
    import numpy as np

    scores = np.asarray(probabilities, dtype=float)
    labels = np.asarray(classes)[scores.argmax(axis=1)]
    return Predictions(labels, scores[:, 1:] if task == "binary_classification" else scores)


def value_predictions(values: Any) -> Predictions:
    """Scores of a regression, from its values."""
    import numpy as np

    array = np.asarray(values, dtype=float)
    return Predictions(None, array.reshape(len(array), -1))


def require_two(classes: int) -> None:
    """InputError for a binary task with another number of classes."""
    if classes != 2:
        raise InputError(
            "the model is not a binary classifier",
            got=f"{classes} classes",
            allowed="2 classes",
            do="Register it with task multiclass_classification",
        )


def cannot_convert(reason: object, allowed: str) -> InputError:
    """The error for a model, or a part of one, that has no converter."""
    return InputError(
        "the model cannot be converted to ONNX",
        got=str(reason),
        allowed=allowed,
        do="Replace that part, or move it out of the model",
    )


def first_line(error: BaseException) -> str:
    """Its type and what it says first; converters say a lot."""
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[0][:300] if said else 'no reason given'}"
