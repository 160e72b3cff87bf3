"""One row through the graph without allocating: its input and outputs stay bound to the session.

A call of `session.run` converts and allocates for each input and output, which for one row of a
small model is half of its time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]


class BoundRow:
    """A session with the memory of one row; make one with `bind_row`."""

    def __init__(self, session: Any, row: Array, outputs: list[Array], names: list[str]) -> None:
        self._session, self._row, self._outputs = session, row, outputs
        self._binding = session.io_binding()
        [taken] = session.get_inputs()
        # ONNX Runtime keeps no copy of an array in the CPU's memory: it reads and writes ours.
        on_cpu = onnxruntime.OrtValue.ortvalue_from_numpy
        self._binding.bind_ortvalue_input(taken.name, on_cpu(row))
        for name, output in zip(names, outputs, strict=True):
            self._binding.bind_ortvalue_output(name, on_cpu(output))

    def run(self, row: Array) -> list[Array]:
        """The outputs for a row of the input's shape; overwritten by the next call."""
        self._row[...] = row
        self._session.run_with_iobinding(self._binding)
        return self._outputs


def bind_row(session: Any, row: Array, names: list[str]) -> BoundRow | None:
    """The session bound for rows like this one; None if it does not answer the same that way.

    Outputs that are no arrays of numbers cannot be bound, nor those of another size each time.
    """
    try:
        expected = session.run(names, {session.get_inputs()[0].name: row})
        if any(output.dtype.kind not in "fiub" for output in expected):
            return None
        bound = BoundRow(session, np.zeros_like(row), [np.zeros_like(o) for o in expected], names)
        found = bound.run(row)
    except Exception:  # onnxruntime's own errors have no common base
        return None
    same = all(np.array_equal(a, b, equal_nan=True) for a, b in zip(found, expected, strict=True))
    return bound if same else None
