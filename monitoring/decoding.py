"""The rows of prediction records, as far as the server was told to record them.

What was not recorded is null in every row and counts as unobserved: an input column that was
dropped or hashed, all inputs without the request, all outputs without the response. Hashes are kept
apart, as text, because nothing in the reference can be compared with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from seatrial.monitoring.bodies import Bodies, read_bodies
from seatrial.monitoring.columns import arrow_type
from seatrial.serving.arrays import decode, decode_answer
from seatrial.serving.columns import Typed
from seatrial.serving.errors import ServingError
from seatrial.serving.signature import Signature

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

Read = Callable[..., Bodies]
# So few bodies are as quickly read one by one.
FEW = 4


class Form(NamedTuple):
    """What records must share to be read together; a type is None where there is no body."""

    asked_type: str | None
    answer_type: str | None
    dropped: tuple[str, ...] = ()
    hashed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Alike:
    """Records of one form: their numbers, and, as Arrow arrays, the bodies that the form has."""

    form: Form
    numbers: Array
    asked: Any
    answers: Any

    def part(self, some: slice) -> Alike:
        """Some of the records."""
        return Alike(self.form, self.numbers[some], self.asked[some], self.answers[some])


@dataclass(frozen=True)
class Decoded:
    """The rows of some records: Arrow arrays by column, hashes by the name of their column.

    `counts` are the rows of each record, `unobserved` the columns that they do not hold.
    """

    numbers: Array
    counts: Array
    columns: dict[str, Any]
    hashes: dict[str, Any]
    unobserved: frozenset[str]

    def __len__(self) -> int:
        return int(self.counts.sum())


@dataclass(frozen=True)
class Refused:
    """A record that does not fit the model, and why."""

    number: int
    reason: str


def decode_alike(alike: Alike, signature: Signature) -> Iterator[Decoded | Refused]:
    """The records' rows, many records at once; each that does not fit the model by itself.

    Of records that cannot be read together each half is, until each is read alone.
    """
    import pyarrow as pa

    count = len(alike.numbers)
    if count > FEW:
        try:
            yield _decode(alike, signature, read_bodies)
        except (ServingError, ValueError, pa.ArrowInvalid):
            yield from decode_alike(alike.part(slice(None, count // 2)), signature)
            yield from decode_alike(alike.part(slice(count // 2, None)), signature)
        return
    for place, number in enumerate(alike.numbers):
        try:
            yield _decode(alike.part(slice(place, place + 1)), signature, _read_one)
        except (ServingError, ValueError, pa.ArrowException) as error:
            yield Refused(int(number), str(error))


def _read_one(bodies: Any, content_type: str, columns: Sequence[Any], *, answers: bool) -> Bodies:
    """One body, by the server's own codec."""
    import pyarrow as pa

    body, side = bodies[0].as_py(), tuple(columns)
    if answers:
        values = decode_answer(body, content_type, Signature("", (), side, ()))
    else:
        values = decode(body, content_type, Signature("", side, (), ()))
    arrays = {
        column.name: pa.array(values[column.name], type=arrow_type(column), from_pandas=True)
        for column in columns
    }
    return Bodies(arrays, np.array([len(next(iter(values.values())))]))


def _decode(alike: Alike, signature: Signature, read: Read) -> Decoded:
    """`read` reads the bodies of one side."""
    form, asked, answered = alike.form, None, None
    if form.asked_type is not None and (inputs := _recorded(form, signature)):
        asked = read(alike.asked, form.asked_type, inputs, answers=False)
    if form.answer_type is not None:
        answered = read(alike.answers, form.answer_type, signature.outputs, answers=True)
    return _joined(alike, asked, answered, signature)


def _recorded(form: Form, signature: Signature) -> tuple[Typed, ...]:
    """The columns that stand in the request; hashes are text."""
    return tuple(
        column._replace(type="string", required=False) if column.name in form.hashed else column
        for column in signature.inputs
        if column.name not in form.dropped
    )


def _joined(
    alike: Alike, asked: Bodies | None, answered: Bodies | None, signature: Signature
) -> Decoded:
    """Request and answer side by side; ValueError if they have not the same rows."""
    import pyarrow as pa

    sides = [side for side in (asked, answered) if side is not None]
    if not sides:
        raise ValueError("neither the request's columns nor the answer's are recorded")
    counts = sides[0].counts
    if not np.array_equal(counts, sides[-1].counts):
        raise ValueError(
            "the answer has not one row for each of the request's: "
            f"{counts.sum()} asked, {sides[-1].counts.sum()} answered"
        )
    present = (asked.columns if asked else {}) | (answered.columns if answered else {})
    columns: tuple[Typed, ...] = (*signature.inputs, *signature.outputs)
    hidden = (*alike.form.dropped, *alike.form.hashed)
    known = {
        column.name: present[column.name]
        for column in columns
        if column.name in present and column.name not in hidden
    }
    return Decoded(
        numbers=alike.numbers,
        counts=counts,
        columns={
            column.name: known[column.name]
            if column.name in known
            else pa.nulls(int(counts.sum()), arrow_type(column))
            for column in columns
        },
        hashes={name: present[name] for name in alike.form.hashed if name in present},
        unobserved=frozenset(column.name for column in columns) - known.keys(),
    )
