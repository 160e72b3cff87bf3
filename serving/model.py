"""The model: an ONNX graph, and the signature that says what its columns are.

    model = Model.load(Path("/opt/ml/model"))
    answer = model.predict({"carrier": np.array(["UA"], object), "hour": np.array([17.0])})
    answer["score"]                                              # array([0.13])

The server asks with `answer`, whose columns are columns.py's and need no numpy.

A missing text is fed as "", which an encoder takes as an unknown category unless it was trained
with "" as one: ONNX has no missing text. A missing number is NaN; a graph whose input is of whole
numbers cannot take one.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from seatrial.serving.bound import BoundRow, bind_row
from seatrial.serving.columns import Values
from seatrial.serving.errors import PredictionError, StartError
from seatrial.serving.graph import feed_plan, require_outputs
from seatrial.serving.ort_library import OrtError
from seatrial.serving.session import Session
from seatrial.serving.signature import Output, Signature, read_signature
from seatrial.serving.tensors import Tensor
from seatrial.serving.threads import thread_count

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]


class Model:
    """Make one with `load`."""

    def __init__(self, session: Session, signature: Signature) -> None:
        self.signature = signature
        self.session = session
        self.feeds = feed_plan(session.inputs, signature)
        self.output_names = require_outputs(session.outputs, signature)
        self._outputs = [
            (item, self.output_names.index(item.onnx_output), *_CONVERTERS[item.type])
            for item in signature.outputs
        ]
        self._bound: BoundRow | None = None
        self._may_bind = True

    @classmethod
    def load(cls, folder: Path | str, *, threads: int | None = None) -> Model:
        """The model in `folder`; StartError if there is none that can be served.

        `threads` of computation, by default one for each CPU that this process may really use.
        """
        signature = read_signature(folder)
        path = os.path.join(folder, signature.model_file)
        try:
            session = Session(path, threads or thread_count())
        except OrtError as error:
            raise StartError(
                "the model cannot be loaded",
                got=f"{signature.model_file}: {error}",
                allowed="an ONNX file that this version of ONNX Runtime can run",
                do="Pack the model again, with this version of seatrial",
            ) from error
        return cls(session, signature)

    def predict(
        self, columns: Mapping[str, Array], *, batch_rows: int | None = None
    ) -> dict[str, Array]:
        """The answer's columns, in the signature's order, as numpy's arrays from such.

        RequestError for columns that do not fit the signature, PredictionError if the graph fails.
        `batch_rows` bounds how many rows go through the graph at once, and so its memory; the
        server never does, because a client's request is one batch.
        """
        from seatrial.serving.array_feeds import predict

        return predict(self, columns, batch_rows)

    def answer(self, columns: Mapping[str, Values]) -> dict[str, Values]:
        """As `predict`, for a request's columns as columns.py reads them."""
        rows = len(next(iter(columns.values())))
        return self.run([feed.fill(columns, rows) for feed in self.feeds])

    def run(self, tensors: Sequence[Tensor]) -> dict[str, Values]:
        """The answer's columns for a tensor for each of `feeds`; PredictionError if it fails."""
        try:
            return self._answer(self._outputs_of(tensors))
        except (OrtError, ValueError, IndexError) as error:
            raise failed(error) from error

    def run_raw(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """The outputs of `output_names`; OrtError if the graph fails."""
        feeds = {feed.name: tensor for feed, tensor in zip(self.feeds, tensors, strict=True)}
        return self.session.run(self.output_names, feeds)

    def _outputs_of(self, tensors: Sequence[Tensor]) -> Sequence[Tensor]:
        if tensors[0].shape[0] != 1:
            return self.run_raw(tensors)
        if self._bound is not None:
            try:
                return self._bound.run(tensors)
            except OrtError:  # the row fails, or its answer is of another size
                return self.run_raw(tensors)
        outputs = self.run_raw(tensors)
        if self._may_bind:
            self._may_bind = False
            feeds = {feed.name: tensor for feed, tensor in zip(self.feeds, tensors, strict=True)}
            found = dict(zip(self.output_names, outputs, strict=True))
            self._bound = bind_row(self.session, feeds, found)
        return outputs

    def _answer(self, raw: Sequence[Tensor]) -> dict[str, Values]:
        return {
            item.name: _column(item, raw[place], kept, convert)
            for item, place, kept, convert in self._outputs
        }


def failed(error: Exception) -> PredictionError:
    """What a graph's failure is to the caller."""
    return PredictionError(
        "the model failed",
        got=str(error),
        allowed="an answer for every row",
        do="Read the endpoint's log, and try the request on the model offline",
    )


def _column(
    item: Output, raw: Tensor, kept: frozenset[str], convert: Callable[[Any], Any]
) -> Values:
    """One column of the answer out of a tensor of shape (rows,) or (rows, columns)."""
    data, shape = raw.data, raw.shape
    if not shape:
        raise ValueError(f"output {item.onnx_output} is one value, not one for each row")
    if len(shape) > 1:
        width, index = math.prod(shape[1:]), item.index or 0
        if not -width <= index < width:
            raise IndexError(f"output {item.onnx_output} has {width} columns, and none is {index}")
        data = data[index % width :: width]
    if raw.element in kept:
        return data.tolist() if isinstance(data, memoryview) else list(data)
    return [convert(value) for value in data]


def _whole(value: Any) -> int:
    """As numpy's astype: the part before the point; what 64 bits do not hold becomes the least."""
    number = int(value) if not isinstance(value, float) or math.isfinite(value) else 2**63
    return number if -(2**63) <= number < 2**63 else -(2**63)


_FLOATS = frozenset({"float", "double", "float16"})
_WHOLE = frozenset({"int64", "int32", "int16", "int8", "uint8", "uint16", "uint32"})
_ANY = _FLOATS | _WHOLE | {"bool", "string", "uint64"}
# By the type of an output: the elements that are its values as they are, and what makes the others.
_CONVERTERS: dict[str, tuple[frozenset[str], Callable[[Any], Any]]] = {
    "boolean": (frozenset({"bool"}), bool),
    "integer": (_WHOLE, _whole),
    "long": (_WHOLE, _whole),
    "float": (_FLOATS, float),
    "double": (_FLOATS, float),
    "string": (_ANY, str),
}
