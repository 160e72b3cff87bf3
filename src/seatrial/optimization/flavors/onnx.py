"""ONNX models: MLflow's onnx flavor, whose signature is completed, or one with signature.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.contracts import InputColumn, ModelSignature, OutputColumn, Task
from seatrial.errors import InputError
from seatrial.guards import Predictions
from seatrial.optimization.flavors.original import (
    Converted,
    Inspection,
    first_line,
    input_column,
)
from seatrial.optimization.mlflow_model import MAX_COLUMNS, Column, MlflowModel
from seatrial.optimization.onnx_safety import check_onnx, external_files

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]


def libraries(model: MlflowModel) -> tuple[str, ...]:
    """ONNX Runtime is the library of an ONNX model."""
    return ("onnxruntime",)


def inspect(model: MlflowModel, *, trusted: bool) -> Inspection:
    """InputError for a file that reaches out of its folder, or needs operators of its own."""
    return inspect_file(onnx_path(model))


def inspect_file(path: Path) -> Inspection:
    """InputError for a file that reaches out of its folder, or needs operators of its own."""
    found = external_files(check_onnx(path))
    return Inspection("onnx", None, tuple(f"has data in {name}" for name in found))


def onnx_path(model: MlflowModel) -> Path:
    """The model's file; MLflow names the folder where the weights have files of their own."""
    path = model.file("data")
    return path / "model.onnx" if path.is_dir() else path


def load(model: MlflowModel, task: Task, *, trusted: bool) -> Graph:
    """Load it, after it was inspected; its signature is completed with what its outputs are."""
    return graph(onnx_path(model), model.columns, task, model.input_example)


def graph(
    path: Path, columns: Sequence[Column], task: Task, example: tuple[dict[str, Any], ...]
) -> Graph:
    """The graph in `path`, with a signature made from the columns and the graph's outputs."""
    import onnx

    protobuf = onnx.load(path)
    inputs = _inputs(protobuf, columns)
    outputs, label = _outputs(protobuf, task)
    score = {"binary_classification": "score", "regression": "prediction"}.get(task)
    signature = ModelSignature(
        task=task,
        model_file="model.onnx",
        inputs=inputs,
        outputs=tuple(outputs),
        label=label,
        score=score if score in {item.name for item in outputs} else None,
        input_example=example,
    )
    return Graph(protobuf, path, signature)


@dataclass(frozen=True)
class Graph:
    """An ONNX model and its signature; `path` is the file it came from, with its weights."""

    onnx: Any
    path: Path
    signature: ModelSignature
    warnings: tuple[str, ...] = ()

    def predict(self, frame: pd.DataFrame) -> Predictions:
        """By ONNX Runtime as it comes, of the file as it came."""
        import numpy as np

        session = _session(self.path)
        scores = [item for item in self.signature.outputs if item.name != self.signature.label]
        brought = [item.name for item in session.get_outputs()]
        answers = session.run(brought, _feeds(session, self.signature, frame))
        found = dict(zip(brought, answers, strict=True))
        columns = [_column(found[item.onnx_output], item.index) for item in scores]
        values = np.column_stack([np.asarray(column, dtype=float) for column in columns])
        return Predictions(self._labels(found, scores[0].onnx_output), values)

    def convert(self) -> Converted:
        """It is ONNX; an ArgMax may have been added for the label."""
        return Converted(self.onnx, self.signature)

    def _labels(self, found: dict[str, Array], scores: str) -> Array | None:
        """The file's own, or what ArgMax adds to it."""
        label = next(
            (item for item in self.signature.outputs if item.name == self.signature.label), None
        )
        if label is None:
            return None
        if label.onnx_output not in found:
            labels: Array = found[scores].argmax(axis=1)
            return labels
        labels = _column(found[label.onnx_output], label.index)
        return labels.astype(str) if labels.dtype == object else labels


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own errors have no common base
        raise InputError(
            "ONNX Runtime cannot load the model",
            got=first_line(error),
            allowed=f"ONNX that onnxruntime {onnxruntime.__version__} runs on a CPU",
            do="Export the model again, with an older operator set if need be",
        ) from error


def _feeds(session: Any, signature: ModelSignature, frame: pd.DataFrame) -> dict[str, Array]:
    """The tensors, filled by the server's own code, so that both take the same rows."""
    from seatrial.serving.array_feeds import fill
    from seatrial.serving.graph import feed_plan
    from seatrial.serving.signature import parse_signature

    plan = feed_plan(session.get_inputs(), parse_signature(signature.model_dump(mode="json")))
    columns = {column.name: frame[column.name].to_numpy() for column in signature.inputs}
    return {feed.name: fill(feed, columns, len(frame)) for feed in plan}


def _column(values: Array, index: int | None) -> Array:
    return values if values.ndim == 1 else values.reshape(len(values), -1)[:, index or 0]


def _inputs(protobuf: Any, columns: Sequence[Column]) -> tuple[InputColumn, ...]:
    """Which of the graph's inputs each column goes to."""
    weights = {item.name for item in protobuf.graph.initializer}
    names = [item.name for item in protobuf.graph.input if item.name not in weights]
    tensors = {column.tensor or "" for column in columns}
    if len(names) == 1 and len(tensors) == 1:
        return tuple(input_column(column, names[0]) for column in columns)
    wanted = [column.tensor or column.name for column in columns]
    if set(wanted) != set(names):
        raise InputError(
            "the model's signature and its graph have different inputs",
            got=", ".join(dict.fromkeys(wanted)),
            allowed=", ".join(names),
            do="Log the model with a signature whose names are those of the graph's inputs",
        )
    return tuple(input_column(column, name) for column, name in zip(columns, wanted, strict=True))


def _outputs(protobuf: Any, task: Task) -> tuple[list[OutputColumn], str | None]:
    """What the graph's outputs are by type: whole numbers or text a label, floats the scores."""
    from onnx import TensorProto

    floats = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16)
    outputs = [item for item in protobuf.graph.output if item.type.HasField("tensor_type")]
    scores = [item for item in outputs if item.type.tensor_type.elem_type in floats]
    labels = [item for item in outputs if item not in scores]
    if len(scores) != 1 or len(labels) > 1 or len(outputs) != len(protobuf.graph.output):
        raise InputError(
            "it cannot be told what the model's outputs are",
            got=", ".join(item.name for item in protobuf.graph.output),
            allowed="one tensor of floats and at most one of labels",
            do="Hand it in with a signature.json, or export it without ZipMap (zipmap=False)",
        )
    width = _width(scores[0])
    if task == "regression":
        names = ["prediction"] if width == 1 else [f"prediction_{i}" for i in range(width)]
        return [_score(name, scores[0].name, i) for i, name in enumerate(names)], None
    label = labels[0] if labels else _argmax(protobuf, scores[0].name, width)
    columns = _class_scores(task, scores[0].name, width)
    if label is None:
        return columns, None
    text = label.type.tensor_type.elem_type == TensorProto.STRING
    kind: Any = "string" if text else "long"
    return [OutputColumn(name="label", type=kind, onnx_output=label.name), *columns], "label"


def _class_scores(task: Task, output: str, width: int) -> list[OutputColumn]:
    if task == "multiclass_classification":
        return [_score(f"score_{index}", output, index) for index in range(width)]
    if width > 2:
        raise InputError(
            "the model is not a binary classifier",
            got=f"{width} scores",
            allowed="1 or 2",
            do="Register it with task multiclass_classification",
        )
    return [_score("score", output, width - 1)]


def _score(name: str, output: str, index: int) -> OutputColumn:
    return OutputColumn(name=name, type="double", onnx_output=output, index=index)


def _width(output: Any) -> int:
    """How many values a row of it has; InputError if the graph does not say."""
    sizes = [item.dim_value for item in output.type.tensor_type.shape.dim][1:]
    width = 1
    for size in sizes:
        width *= size
    if not 1 <= width <= MAX_COLUMNS:
        raise InputError(
            f"the model's output {output.name!r} has a shape that cannot be served",
            got=["rows", *sizes],
            allowed=f"1 to {MAX_COLUMNS} values in a row, their number fixed",
            do="Export the model with fixed dimensions but for the first",
        )
    return width


def _argmax(protobuf: Any, scores: str, width: int) -> Any:
    """A label where the graph has scores of several classes only; None where it has one score."""
    from onnx import TensorProto, helper

    opset = next((item.version for item in protobuf.opset_import if item.domain == ""), 0)
    if width < 2 or opset < 1:
        return None
    node = helper.make_node("ArgMax", [scores], ["seatrial_label"], axis=1, keepdims=0)
    protobuf.graph.node.append(node)
    label = helper.make_tensor_value_info("seatrial_label", TensorProto.INT64, ["rows"])
    protobuf.graph.output.append(label)
    return label
