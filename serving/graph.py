"""How a signature's columns become the graph's input tensors."""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple, Protocol

from seatrial.serving.columns import Values, no_values
from seatrial.serving.errors import RequestError, StartError
from seatrial.serving.signature import Column, Signature
from seatrial.serving.tensors import LETTERS, Tensor

# What an input may be of, and what that is called in messages.
ELEMENT_NAMES = {
    "float": "float32",
    "double": "float64",
    "int32": "int32",
    "int64": "int64",
    "bool": "bool",
    "string": "text",
}
# From here on a column at a time is quicker than a row at a time; for one row of an image it takes
# seven times as long.
_MANY_ROWS = 16
_ARRAY_LETTERS = {"?": "B"}
_BEYOND = {"int32": 2**31, "int64": 2**63, "bool": 2}
_FLOATS = ("float", "double")


class Node(Protocol):
    """An input or an output, as ONNX Runtime describes it."""

    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def shape(self) -> Sequence[object]: ...


class Feed(NamedTuple):
    """One input of the graph: of shape (rows, columns), or (rows, *shape) in C order."""

    name: str
    element: str
    columns: tuple[Column, ...]
    shape: tuple[int, ...]

    def fill(self, columns: Mapping[str, Values], rows: int) -> Tensor:
        """The tensor of these columns; RequestError for a value that its elements cannot hold."""
        values = [self._values(column, columns, rows) for column in self.columns]
        data = _interleaved(values) if self.element == "string" else self._packed(values, rows)
        return Tensor(self.element, (rows, *self.shape), data)

    def _values(self, column: Column, columns: Mapping[str, Values], rows: int) -> Values:
        values = columns.get(column.name)
        if values is None:
            if column.required:
                raise cannot_hold(column, None, "no such column", "a column of this name")
            values = no_values(rows, text=self.element == "string")
        if self.element == "string":
            return ["" if value is None else value for value in values]
        return values if self.element in _FLOATS else _whole(column, values, self.element)

    def _packed(self, values: Sequence[Values], rows: int) -> Any:
        letter = LETTERS[self.element]
        if self.element == "float" and all(type(numbers[0]) is not float for numbers in values):
            values = [[_rounded_once(number) for number in numbers] for numbers in values]
        try:
            if len(values) > 1 and rows >= _MANY_ROWS:
                return _packed_by_column(letter, values, rows)
            numbers = (
                values[0] if len(values) == 1 else chain.from_iterable(zip(*values, strict=True))
            )
            return bytearray(struct.pack(f"<{rows * len(values)}{letter}", *numbers))
        except (OverflowError, struct.error) as error:
            raise self._too_large(values) from error

    def _too_large(self, values: Sequence[Values]) -> RequestError:
        """The error for the first number that an element cannot hold."""
        letter = LETTERS[self.element]
        column, row = next(
            (place, row)
            for place, numbers in enumerate(values)
            for row, number in enumerate(numbers)
            if not _fits(letter, number)
        )
        allowed = f"a number that {ELEMENT_NAMES[self.element]} holds"
        return cannot_hold(self.columns[column], row, values[column][row], allowed)


def feed_plan(inputs: Sequence[Node], signature: Signature) -> tuple[Feed, ...]:
    """What to fill each input of the graph with; StartError if graph and signature disagree."""
    wanted: dict[str, list[Column]] = {}
    for column in signature.inputs:
        wanted.setdefault(column.onnx_input, []).append(column)
    found = {item.name: item for item in inputs}
    if set(wanted) != set(found):
        raise _disagree("inputs", sorted(wanted), sorted(found))
    return tuple(_feed(found[name], tuple(columns)) for name, columns in wanted.items())


def _feed(node: Node, columns: tuple[Column, ...]) -> Feed:
    element = node.type.removeprefix("tensor(").removesuffix(")")
    if element not in ELEMENT_NAMES or node.type == element:
        allowed = ", ".join(f"tensor({name})" for name in ELEMENT_NAMES)
        raise _disagree(f"input {node.name}", node.type, allowed)
    if {column.type == "string" for column in columns} != {element == "string"}:
        raise _disagree(f"input {node.name}", [column.type for column in columns], node.type)
    shape = _row_shape(node.shape, len(columns))
    if shape is None:
        raise _disagree(f"input {node.name}", f"{len(columns)} columns", f"shape {node.shape}")
    return Feed(node.name, element, columns, shape)


def _row_shape(shape: Sequence[object], columns: int) -> tuple[int, ...] | None:
    """The shape of one row that `columns` values fill; None if they cannot.

    One dimension may be open: the columns then say its size.
    """
    sizes = [size if isinstance(size, int) and size > 0 else None for size in shape[1:]]
    known = math.prod(size for size in sizes if size is not None)
    if not sizes or sizes.count(None) > 1 or columns % known:
        return None
    row = tuple(columns // known if size is None else size for size in sizes)
    return row if math.prod(row) == columns else None


def require_outputs(outputs: Sequence[Node], signature: Signature) -> list[str]:
    """The graph's outputs that the signature wants; StartError if one is not there."""
    tensors = [item.name for item in outputs if item.type.startswith("tensor(")]
    names = list(dict.fromkeys(item.onnx_output for item in signature.outputs))
    for name in names:
        if name not in tensors:
            raise _disagree("outputs", name, tensors)
    return names


def _interleaved(values: Sequence[Values]) -> Values:
    if len(values) == 1:
        return values[0]
    return [text for line in zip(*values, strict=True) for text in line]


def _whole(column: Column, values: Values, element: str) -> Values:
    """The values as whole numbers, or booleans; RequestError for one that is none."""
    name, largest = ELEMENT_NAMES[element], _BEYOND[element]
    if any(value != value for value in values):
        row = next(row for row, value in enumerate(values) if value != value)
        raise cannot_hold(column, row, "no value", f"a value: the graph takes {name}")
    for row, value in enumerate(values):
        held = value in (0, 1) if element == "bool" else -largest <= value < largest
        if not held or value != int(value):
            raise cannot_hold(column, row, value, f"a number that {name} holds")
    return [int(value) for value in values]


def _rounded_once(number: int) -> int:
    """A number that makes the same 32-bit float, and is exact as a double on the way there."""
    if -(2**53) <= number <= 2**53:
        return number
    return number & ~0x7FF | bool(number & 0x7FF) << 11


def _packed_by_column(letter: str, values: Sequence[Values], rows: int) -> array[Any]:
    column = struct.Struct(f"<{rows}{letter}")
    kind = _ARRAY_LETTERS.get(letter, letter)
    packed = array(kind, bytes(column.size * len(values)))
    for place, numbers in enumerate(values):
        packed[place :: len(values)] = array(kind, column.pack(*numbers))
    return packed


def _fits(letter: str, number: Any) -> bool:
    try:
        struct.pack(f"<{letter}", number)
    except (OverflowError, struct.error):
        return False
    return True


def cannot_hold(column: Column, row: int | None, got: object, allowed: str) -> RequestError:
    """The error for a value that does not go into the graph."""
    return RequestError(
        "the model cannot take a column's values",
        got=str(got),
        allowed=allowed,
        do="Correct the value",
        row=row,
        column=column.name,
    )


def _disagree(where: str, signature: object, graph: object) -> StartError:
    return StartError(
        f"signature.json and the model disagree, at {where}",
        got=f"{signature} in signature.json",
        allowed=f"{graph}, as the graph has it",
        do="Pack the model again, with this version of seatrial",
    )
