"""scikit-learn to ONNX, with a signature that serving understands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial.contracts import InputColumn, ModelSignature, OutputColumn, Task
from seatrial.errors import InputError
from seatrial.mlflow_model import Column, MlflowModel

# The newest operator set that skl2onnx 1.20 converts every scikit-learn model to.
TARGET_OPSET = 18
STACKED_INPUT = "features"


@dataclass(frozen=True)
class Converted:
    """An ONNX graph and what its inputs and outputs mean."""

    onnx: bytes
    signature: ModelSignature


def to_onnx(fitted: Any, model: MlflowModel, task: Task) -> Converted:
    """Convert the fitted scikit-learn model; InputError if a part of it has no converter.

    A model that starts with a ColumnTransformer gets one input per column; any other takes one
    float tensor of shape (rows, columns).
    """
    import skl2onnx

    inputs = _inputs(fitted, model.columns)
    options = {id(_final(fitted)): {"zipmap": False}} if task != "regression" else None
    try:
        graph = skl2onnx.to_onnx(
            fitted,
            initial_types=_initial_types(inputs),
            options=options,
            target_opset=TARGET_OPSET,
        )
    except Exception as error:  # skl2onnx raises a family of its own and plain RuntimeErrors
        raise InputError(
            "the model cannot be converted to ONNX",
            got=f"{type(error).__name__}: {str(error).splitlines()[0][:300]}",
            allowed="scikit-learn estimators that skl2onnx has a converter for",
            do="Replace that estimator, or move it out of the model",
        ) from error
    names = [output.name for output in graph.graph.output]
    outputs = _outputs(fitted, names, task)
    signature = ModelSignature(
        task=task,
        model_file="model.onnx",
        inputs=tuple(inputs),
        outputs=outputs,
        label=None if task == "regression" else "label",
        score=_score(task),
        input_example=model.input_example,
    )
    return Converted(graph.SerializeToString(), signature)


def optimize_graph(onnx: bytes, path: Path) -> None:
    """Write the graph as ONNX Runtime optimises it for any x86-64 or ARM CPU (level EXTENDED).

    The level above, ALL, picks memory layouts for the CPU at hand, and the serving CPU is unknown.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(path)
    onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])


def _final(fitted: Any) -> Any:
    return fitted.steps[-1][1] if hasattr(fitted, "steps") else fitted


def _inputs(fitted: Any, columns: Sequence[Column]) -> list[InputColumn]:
    first = fitted.steps[0][1] if hasattr(fitted, "steps") else fitted
    by_name = type(first).__name__ == "ColumnTransformer"
    texts = [column.name for column in columns if column.type == "string"]
    if texts and not by_name:
        raise InputError(
            "the model takes text columns but does not say what becomes of each column",
            got=", ".join(texts),
            allowed="text columns in a pipeline whose first step is a ColumnTransformer",
            do="Put the preprocessing into a ColumnTransformer",
        )
    return [
        InputColumn(
            name=column.name,
            type=column.type,
            required=column.required,
            onnx_input=column.name if by_name else STACKED_INPUT,
        )
        for column in columns
    ]


def _initial_types(inputs: Sequence[InputColumn]) -> list[tuple[str, Any]]:
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    widths: dict[str, int] = {}
    kinds: dict[str, Any] = {}
    for column in inputs:
        widths[column.onnx_input] = widths.get(column.onnx_input, 0) + 1
        kinds[column.onnx_input] = StringTensorType if column.type == "string" else FloatTensorType
    return [(name, kinds[name]([None, width])) for name, width in widths.items()]


def _outputs(fitted: Any, names: Sequence[str], task: Task) -> tuple[OutputColumn, ...]:
    if task == "regression":
        return (OutputColumn(name="prediction", type="double", onnx_output=names[0], index=0),)
    classes = list(_final(fitted).classes_)
    label = OutputColumn(
        name="label",
        type="string" if isinstance(classes[0], str) else "long",
        onnx_output=names[0],
    )
    if task == "binary_classification":
        if len(classes) != 2:
            raise InputError(
                "the model is not a binary classifier",
                got=f"{len(classes)} classes",
                allowed="2 classes",
                do="Register it with task multiclass_classification",
            )
        return label, OutputColumn(name="score", type="double", onnx_output=names[1], index=1)
    scores = (
        OutputColumn(name=f"score_{name}", type="double", onnx_output=names[1], index=index)
        for index, name in enumerate(classes)
    )
    return label, *scores


def _score(task: Task) -> str | None:
    return {"binary_classification": "score", "regression": "prediction"}.get(task)
