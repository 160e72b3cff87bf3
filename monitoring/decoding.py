"""A prediction record's columns, as far as the server was told to record them.

What was not recorded is null in every row and counts as unobserved: an input column that was
dropped or hashed, all inputs without the request, all outputs without the response. Hashes are kept
apart, as text, because nothing in the reference can be compared with them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.monitoring.records import Record

if TYPE_CHECKING:
    from seatrial.serving.signature import Signature

    Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Decoded:
    """Every column of the model, the hashes by the name of their column, and what is not known."""

    columns: Mapping[str, Array]
    hashes: Mapping[str, Array]
    unobserved: frozenset[str]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))


def decode_record(record: Record, signature: Signature) -> Decoded:
    """The record's columns by the server's own codec; ServingError or ValueError if unfit."""
    from seatrial.serving.codec import decode_answer

    asked = _asked(record, signature)
    given = {}
    if record.answer is not None:
        given = decode_answer(record.answer.data, record.answer.content_type, signature)
    rows = _rows({**asked, **given})
    known = {name: asked[name] for name in asked if name not in record.hidden} | given
    kinds = {column.name: column.type for column in signature.inputs}
    kinds |= {column.name: column.type for column in signature.outputs}
    return Decoded(
        columns={
            name: known[name] if name in known else missing(rows, text=kind == "string")
            for name, kind in kinds.items()
        },
        hashes={name: asked[name] for name in record.hashed if name in asked},
        unobserved=frozenset(kinds.keys() - known.keys()),
    )


def missing(rows: int, *, text: bool) -> Array:
    """A column without a value."""
    return np.full(rows, None, dtype=object) if text else np.full(rows, np.nan)


def _asked(record: Record, signature: Signature) -> dict[str, Array]:
    """The columns of the request that stand in the record, hashes among them."""
    from seatrial.serving.codec import decode

    inputs = tuple(
        replace(column, type="string", required=False) if column.name in record.hashed else column
        for column in signature.inputs
        if column.name not in record.dropped
    )
    if record.request is None or not inputs:
        return {}
    recorded = replace(signature, inputs=inputs)
    return decode(record.request.data, record.request.content_type, recorded)


def _rows(columns: Mapping[str, Array]) -> int:
    lengths = Counter(len(values) for values in columns.values())
    if len(lengths) != 1:
        raise ValueError(f"the answer has not one row for each of the request's: {dict(lengths)}")
    return next(iter(lengths))
