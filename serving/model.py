"""The model: an ONNX graph, and the signature that says what its columns are.

    model = Model.load(Path("/opt/ml/model"))
    answer = model.predict({"carrier": np.array(["UA"], object), "hour": np.array([17.0])})
    answer["score"]                                              # array([0.13])

A missing text is fed as "", which an encoder takes as an unknown category unless it was trained
with "" as one: ONNX has no missing text. A missing number is NaN; a graph whose input is of whole
numbers cannot take one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime

from seatrial.serving.bound import BoundRow, bind_row
from seatrial.serving.errors import PredictionError, RequestError, StartError
from seatrial.serving.graph import feed_plan, require_outputs
from seatrial.serving.signature import Output, Signature, read_signature
from seatrial.serving.threads import thread_count

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

MAPPED_SUFFIX = ".ort"

ANSWER_TYPES: dict[str, Any] = {
    "boolean": np.bool_,
    "integer": np.int64,
    "long": np.int64,
    "float": np.float64,
    "double": np.float64,
    "string": object,
}


class Model:
    """Make one with `load`."""

    def __init__(self, session: Any, signature: Signature) -> None:
        self.signature = signature
        self._session = session
        self.tensors = feed_plan(session, signature)
        self._bound: BoundRow | None = None
        self._output_names = require_outputs(session, signature)
        self._outputs = [
            (item, self._output_names.index(item.onnx_output)) for item in signature.outputs
        ]

    @classmethod
    def load(cls, folder: Path, *, threads: int | None = None) -> Model:
        """The model in `folder`; StartError if there is none that can be served.

        `threads` of computation, by default one for each CPU that this process may really use.
        """
        signature = read_signature(folder)
        path = folder / signature.model_file
        try:
            session = onnxruntime.InferenceSession(
                str(path),
                _options(threads or thread_count(), mapped=path.suffix == MAPPED_SUFFIX),
                providers=["CPUExecutionProvider"],
            )
        except Exception as error:  # onnxruntime's own errors have no common base
            raise StartError(
                "the model cannot be loaded",
                got=f"{path.name}: {error}",
                allowed="an ONNX file that this version of ONNX Runtime can run",
                do="Pack the model again, with this version of seatrial",
            ) from error
        return cls(session, signature)

    def predict(
        self, columns: Mapping[str, Array], *, batch_rows: int | None = None
    ) -> dict[str, Array]:
        """The answer's columns, in the signature's order.

        RequestError for columns that do not fit the signature, PredictionError if the graph fails.
        `batch_rows` bounds how many rows go through the graph at once, and so its memory; the
        server never sets it, because a client's request is one batch.
        """
        rows = _count_rows(columns)
        if batch_rows is None or rows <= batch_rows:
            return self._predict(columns)
        parts = [
            self._predict(
                {name: array[start : start + batch_rows] for name, array in columns.items()}
            )
            for start in range(0, rows, batch_rows)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _predict(self, columns: Mapping[str, Array]) -> dict[str, Array]:
        rows = len(next(iter(columns.values())))
        return self.run({tensor.name: tensor.fill(columns, rows) for tensor in self.tensors})

    def bind_row(self, row: Array) -> None:
        """Let `run_one` be quick for rows like this one, if the graph allows that."""
        self._bound = bind_row(self._session, row, self._output_names)

    def run_one(self, tensor: Array) -> dict[str, Array]:
        """As `run`, for a graph's only input, in any type of numbers that it holds.

        The answer is overwritten by the next call.
        """
        if self._bound is not None and len(tensor) == 1:
            try:
                return self._answer(self._bound.run(tensor))
            except Exception:  # noqa: S110 - `run` says what it is, or knows another size of answer
                pass
        [only] = self.tensors
        return self.run({only.name: tensor.astype(only.element, copy=False)})

    def run(self, feeds: dict[str, Array]) -> dict[str, Array]:
        """The answer's columns for what the graph is fed; PredictionError if it fails."""
        try:
            return self._answer(self._session.run(self._output_names, feeds))
        except Exception as error:  # onnxruntime's own errors have no common base
            raise PredictionError(
                "the model failed",
                got=str(error),
                allowed="an answer for every row",
                do="Read the endpoint's log, and try the request on the model offline",
            ) from error

    def _answer(self, raw: Sequence[Array]) -> dict[str, Array]:
        return {item.name: _output(item, raw[place]) for item, place in self._outputs}


def _count_rows(columns: Mapping[str, Array]) -> int:
    counts = {name: len(array) for name, array in columns.items()}
    if len(set(counts.values())) != 1 or 0 in counts.values():
        raise RequestError(
            "the columns are not of one length",
            got=counts,
            allowed="the same number of rows, at least one, in each",
            do="Send every column with a value for every row",
        )
    return next(iter(counts.values()))


def _options(threads: int, *, mapped: bool) -> Any:
    """Few surprises for a sandbox that has a share of a CPU and is frozen between requests.

    Threads that spin for work burn that share. The arena keeps the largest request's memory for
    good and rounds it up; without it, 8000 rows against 57 000 neighbours peak at 1826 MB
    and fall back to 81, with it 1882 and stay. It costs time only where single tensors are large.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    if mapped:  # the weights are used where the file is mapped, instead of being read and copied
        options.add_session_config_entry("session.use_memory_mapped_ort_model", "1")
        options.add_session_config_entry("session.use_ort_model_bytes_for_initializers", "1")
    return options


def _output(item: Output, raw: Array) -> Array:
    """One column of the answer out of a tensor of shape (rows,) or (rows, columns)."""
    if raw.ndim == 1:
        values = raw
    else:
        flat = raw if raw.ndim == 2 else raw.reshape(len(raw), -1)
        values = flat[:, item.index or 0]
    return values.astype(ANSWER_TYPES[item.type], copy=False)
