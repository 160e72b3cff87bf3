"""Models and data for benchmarks/optimize.py, made here: nothing is downloaded.

Weights are random with the variance that keeps activations in range from layer to layer (He,
Glorot), convolutions as if a batch normalisation had been folded into them. Only the last layer is
fitted: it reads the direction in which the rows' features vary most, as a trained one would, and
its scores spread over (0, 1). Truth is drawn from the fp32 model's own scores, so that quality is
real: what predicts otherwise predicts worse.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pandas as pd
from onnx import TensorProto, helper, numpy_helper

OPSET, IR_VERSION = 17, 8
TARGET = "truth"
KINDS = 20
SAMPLE_ROWS = 32
LOGIT_SPREAD = 2.0

Array = np.ndarray[Any, Any]


@dataclass
class Graph:
    """Nodes and weights as they are added; every `add` returns the name of its output."""

    rng: np.random.Generator
    sample: Array
    nodes: list[Any] = field(default_factory=list)
    weights: list[Any] = field(default_factory=list)

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        output = f"{operator}-{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], output, **attributes))
        return output

    def constant(self, values: Array) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def normal(self, *shape: int, std: float) -> str:
        return self.constant(self.rng.normal(0, std, shape).astype(np.float32))

    def zeros(self, *shape: int) -> str:
        return self.constant(np.zeros(shape, np.float32))

    def dense(self, name: str, width_in: int, width_out: int, *, gain: float = 1.0) -> str:
        weights = self.normal(width_in, width_out, std=float(np.sqrt(gain / width_in)))
        return self.add("Add", self.add("MatMul", name, weights), self.zeros(width_out))

    def convolution(self, name: str, channels: tuple[int, int], kernel: int, stride: int) -> str:
        """Its channels have mean 0 and variance 1 on the sample: without that, what differs
        between rows drowns in what they share, from layer to layer.
        """
        weights = self.normal(channels[1], channels[0], kernel, kernel, std=1.0)
        pads, size = [kernel // 2] * 4, [kernel, kernel]
        bias = self.zeros(channels[1])
        strides = [stride, stride]
        output = self.add(
            "Conv", name, weights, bias, kernel_shape=size, strides=strides, pads=pads
        )
        seen = _run(self, self.sample, output)
        mean, std = seen.mean(axis=(0, 2, 3)), seen.std(axis=(0, 2, 3))
        random = numpy_helper.to_array(self.weights[-2]) / std[:, None, None, None]
        self.weights[-2] = numpy_helper.from_array(random, weights)
        self.weights[-1] = numpy_helper.from_array(-mean / std, bias)
        return output

    def normalised(self, name: str, width: int) -> str:
        scale = self.constant(np.ones(width, np.float32))
        return self.add("LayerNormalization", name, scale, self.zeros(width), axis=-1)


@dataclass(frozen=True)
class Made:
    """A model in a folder (model.onnx, signature.json), and rows with truth for it."""

    name: str
    folder: Path
    frame: pd.DataFrame

    @property
    def columns(self) -> dict[str, Array]:
        """The input columns of the rows."""
        return {name: self.frame[name].to_numpy() for name in self.frame if name != TARGET}


def convolutional_net(folder: Path, rows: int) -> Made:
    """A ResNet for images of 3 × 32 × 32: four stages of two blocks each, 64 to 512 channels."""
    # Smooth images of a few kinds, since photographs are neither white noise nor all different.
    rng = np.random.default_rng(1)
    kinds = rng.normal(size=(KINDS, 3, 8, 8)).repeat(4, axis=2).repeat(4, axis=3)
    kinds *= rng.uniform(0.5, 1.5, size=(KINDS, 1, 1, 1))
    images = kinds[rng.integers(0, KINDS, rows)] + 0.3 * rng.normal(size=(rows, 3, 32, 32))
    images = images.astype(np.float32)
    graph = Graph(np.random.default_rng(0), images[:SAMPLE_ROWS])
    last = graph.add("Relu", graph.convolution("x", (3, 64), 3, 1))
    width = 64
    for stage, wider in enumerate((64, 128, 256, 512)):
        for block in range(2):
            stride = 2 if stage and not block else 1
            shortcut = last
            if stride > 1:
                shortcut = graph.convolution(last, (width, wider), 1, stride)
            inner = graph.add("Relu", graph.convolution(last, (width, wider), 3, stride))
            inner = graph.convolution(inner, (wider, wider), 3, 1)
            halved = graph.constant(np.array(0.7071, np.float32))  # or the sums grow by block
            last = graph.add("Relu", graph.add("Mul", graph.add("Add", inner, shortcut), halved))
            width = wider
    pooled = graph.add("Flatten", graph.add("GlobalAveragePool", last))
    return finish("convolutional net", folder, graph, pooled, images)


def transformer(folder: Path, rows: int, *, words: int = 30_522, tokens: int = 64) -> Made:
    """An encoder like MiniLM: six layers of width 384, twelve heads; 90 MB with its vocabulary."""
    # Texts about one of a few subjects: words are drawn from a part of the vocabulary.
    rng = np.random.default_rng(1)
    subjects = rng.integers(0, KINDS, size=(rows, 1)) * (words // KINDS)
    ids = (subjects + rng.integers(0, 50, size=(rows, tokens))).astype(np.int64)
    graph, width, heads = Graph(np.random.default_rng(0), ids[:SAMPLE_ROWS]), 384, 12
    size = width // heads
    embedded = graph.add("Gather", graph.normal(words, width, std=1.0), "x")
    last = graph.normalised(graph.add("Add", embedded, graph.normal(tokens, width, std=0.3)), width)
    split = graph.constant(np.array([0, tokens, heads, size], np.int64))
    joined = graph.constant(np.array([0, tokens, width], np.int64))
    scale = graph.constant(np.array(size**-0.5, np.float32))
    for _ in range(6):
        query, key, value = (
            graph.add(
                "Transpose",
                graph.add("Reshape", graph.dense(last, width, width), split),
                perm=order,
            )
            for order in ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3])
        )
        products = graph.add("Mul", graph.add("MatMul", query, key), scale)
        heard = graph.add("MatMul", graph.add("Softmax", products, axis=-1), value)
        heard = graph.add("Transpose", heard, perm=[0, 2, 1, 3])
        heard = graph.dense(graph.add("Reshape", heard, joined), width, width)
        last = graph.normalised(graph.add("Add", last, heard), width)
        inner = graph.add("Relu", graph.dense(last, width, 4 * width, gain=2.0))
        inner = graph.dense(inner, 4 * width, width)
        last = graph.normalised(graph.add("Add", last, inner), width)
    pooled = graph.add("ReduceMean", last, axes=[1], keepdims=0)
    return finish("transformer encoder", folder, graph, pooled, ids)


def narrow_net(folder: Path, rows: int) -> Made:
    """Thirty residual layers of 16: quantising the activations costs more than the products do."""
    data = np.random.default_rng(1).normal(size=(rows, 16)).astype(np.float32)
    graph, last = Graph(np.random.default_rng(0), data[:SAMPLE_ROWS]), "x"
    for _ in range(30):
        step = graph.add("Relu", graph.dense(last, 16, 16, gain=0.01))
        last = graph.add("Add", last, step)
    return finish("narrow net", folder, graph, last, data)


def unscaled_net(folder: Path, rows: int) -> Made:
    """A net whose inputs nobody scaled: one column is in the thousands and means next to nothing.

    The range of the tensor is that column's, and in 256 steps of it the other columns are all zero.
    """
    data = np.random.default_rng(1).normal(size=(rows, 256)).astype(np.float32)
    data[:, 0] *= 5000

    def forget(weights: Array) -> None:
        weights[0] /= 5000

    return dense_net("net with an unscaled input", folder, data, width=2048, change=forget)


def dense_net(
    name: str,
    folder: Path,
    data: Array,
    *,
    width: int,
    change: Callable[[Array], None] = lambda _: None,
) -> Made:
    """Three layers; `change` is done to the weights of the first."""
    graph = Graph(np.random.default_rng(0), data[:SAMPLE_ROWS])
    last, width_in = "x", data.shape[1]
    for _ in range(3):
        last, width_in = graph.add("Relu", graph.dense(last, width_in, width, gain=2.0)), width
    first = numpy_helper.to_array(graph.weights[0]).copy()
    change(first)
    graph.weights[0] = numpy_helper.from_array(first, graph.weights[0].name)
    return finish(name, folder, graph, last, data)


def finish(name: str, folder: Path, graph: Graph, pooled: str, data: Array) -> Made:
    """Write the model and its signature, with scores that spread; and the rows with truth."""
    weights, bias = _fitted_head(_run(graph, data, pooled))
    product = graph.add("MatMul", pooled, graph.constant(weights))
    logits = graph.add("Add", product, graph.constant(bias))
    scores = graph.add("Softmax", logits, axis=-1)
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(_model(graph, data, scores, ["rows", 2]), str(folder / "model.onnx"))
    probabilities = _run(graph, data, scores)[:, 1]
    truth = np.random.default_rng(2).random(len(data)) < probabilities
    flat = data.reshape(len(data), -1)
    names = [f"x{index}" for index in range(flat.shape[1])]
    kind = "long" if data.dtype == np.int64 else "float"
    _write_signature(folder, names, kind, scores, flat[0])
    frame = pd.DataFrame(flat, columns=names).assign(**{TARGET: truth.astype(int)})
    return Made(name, folder, frame)


def _fitted_head(features: Array) -> tuple[Array, Array]:
    """Weights and bias of two classes: along the first principal component, and no other."""
    mean = features.mean(axis=0)
    _, _, components = np.linalg.svd(features - mean, full_matrices=False)
    common = mean / np.linalg.norm(mean)
    direction = components[0] - (components[0] @ common) * common
    direction *= LOGIT_SPREAD / (features @ direction).std()
    weights = np.stack([-direction / 2, direction / 2], axis=1)
    return weights.astype(np.float32), -(mean @ weights).astype(np.float32)


def _model(graph: Graph, data: Array, output: str, shape: list[Any] | None = None) -> Any:
    kind = helper.np_dtype_to_tensor_dtype(data.dtype)
    taken = helper.make_tensor_value_info("x", kind, ["rows", *data.shape[1:]])
    given = helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)
    made = helper.make_graph(graph.nodes, "made", [taken], [given], graph.weights)
    return helper.make_model(
        made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )


def _run(graph: Graph, data: Array, output: str) -> Array:
    session = onnxruntime.InferenceSession(
        _model(graph, data, output).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    parts = [session.run([output], {"x": data[at : at + 16]})[0] for at in range(0, len(data), 16)]
    return np.concatenate(parts)


def _write_signature(
    folder: Path, names: Sequence[str], kind: str, scores: str, example: Array
) -> None:
    inputs = [{"name": name, "type": kind, "required": True, "onnx_input": "x"} for name in names]
    output = {"name": "score", "type": "double", "onnx_output": scores, "index": 1}
    signature = {
        "schema_version": 1,
        "task": "binary_classification",
        "model_file": "model.onnx",
        "inputs": inputs,
        "outputs": [output],
        "label": None,
        "score": "score",
        "input_example": [dict(zip(names, example.tolist(), strict=True))],
    }
    (folder / "signature.json").write_text(json.dumps(signature), encoding="utf-8")
