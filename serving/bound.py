"""One row through the graph without allocating: its inputs and outputs stay bound to the session.

A run that makes a tensor for each input and output spends most of its time on that, for one row of
a small model.
"""

from __future__ import annotations

from collections.abc import Sequence
from ctypes import c_void_p
from typing import Any

from seatrial.serving.ort_library import OrtError
from seatrial.serving.session import Session
from seatrial.serving.tensors import LETTERS, Tensor, fill_texts, make_value


class BoundRow:
    """A session with the memory of one row, in as `inputs` and out as `outputs`."""

    def __init__(
        self, session: Session, inputs: dict[str, Tensor], outputs: dict[str, Tensor]
    ) -> None:
        self._session, self._library = session, session.runtime.library
        self._binding = self._library.made("CreateIoBinding", session.handle)
        self._values: list[c_void_p] = []
        self._inputs = [self._bound("BindInput", *item) for item in inputs.items()]
        self._outputs = [self._bound("BindOutput", *item) for item in outputs.items()]
        self._run = self._library.function("RunWithBinding")

    def run(self, row: Sequence[Tensor]) -> list[Tensor]:
        """The outputs for a row of the inputs' shapes; overwritten by the next call.

        OrtError if the graph fails, or gives outputs of another size.
        """
        for bound, value, given in zip(self._inputs, self._values, row, strict=False):
            if bound.element == "string":
                fill_texts(self._library, value, given.data)
            else:
                bound.data[:] = given.data
        status = self._run(self._session.handle, None, self._binding)
        if status is not None:
            self._library.check(status)
        return self._outputs

    def _bound(self, how: str, name: str, like: Tensor) -> Tensor:
        tensor = like
        if like.element != "string":
            kept = memoryview(bytearray(like.data))
            letter: Any = "B" if how == "BindInput" else LETTERS[like.element]
            tensor = like._replace(data=kept.cast(letter))
        value = make_value(self._session.runtime, tensor)
        self._values.append(value)
        self._library.call(how, self._binding, name.encode("utf-8"), value)
        return tensor

    def __del__(self) -> None:
        for value in getattr(self, "_values", ()):
            self._library.release("ReleaseValue", value)
        if hasattr(self, "_binding"):
            self._library.release("ReleaseIoBinding", self._binding)


def bind_row(
    session: Session, inputs: dict[str, Tensor], outputs: dict[str, Tensor]
) -> BoundRow | None:
    """The session bound for rows like this one; None if that cannot be.

    An output has to be numbers that Python's memoryview knows, and at least one of them.
    """
    if any(
        not isinstance(tensor.data, memoryview) or not tensor.data for tensor in outputs.values()
    ):
        return None
    try:
        return BoundRow(session, inputs, outputs)
    except OrtError:
        return None
