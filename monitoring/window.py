"""The rows that an endpoint predicted in a window of time, out of the lines of its log.

A record counts by its inference time, whenever it arrived. Lines that cannot be read are put aside
and counted, never dropped in silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.contracts import ModelSignature
from seatrial.monitoring.columns import arrow_type, model_columns
from seatrial.monitoring.decoding import Decoded, decode_record, missing
from seatrial.monitoring.parts import Parts
from seatrial.monitoring.records import (
    BrokenRecordError,
    Part,
    Record,
    read_line,
    split_documents,
)

if TYPE_CHECKING:
    from seatrial.serving.signature import Signature

    Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Span:
    """A half-open span of time, [start, end), in UTC."""

    start: datetime
    end: datetime

    def holds(self, time: datetime) -> bool:
        """True if the time is in the span."""
        return self.start <= time < self.end


@dataclass(frozen=True)
class BrokenLine:
    """A line that was put aside, and why."""

    line: bytes
    reason: str


@dataclass
class Sorted:
    """The window's predictions in order of time, and what was left out of them.

    `unsampled` estimates the requests of which the sample rate left no record.
    """

    records: list[Record] = field(default_factory=list)
    broken: list[BrokenLine] = field(default_factory=list)
    synthetic: int = 0
    duplicate: int = 0
    foreign: int = 0
    failed: int = 0
    unsampled: float = 0.0


def sort_lines(lines: Iterable[bytes], *, model_version: str, span: Span) -> Sorted:
    """Sort the lines into predictions of this model version within the span, and all others.

    A record delivered twice counts once. Records outside the span count nowhere. Parts of a record
    may come in any order; a record of which a part never came is one broken line.
    """
    found, seen, parts = Sorted(), set[str](), Parts()
    for document in (part for line in lines for part in split_documents(line)):
        try:
            item = read_line(document)
            if not span.holds(item.time):
                continue
            record = parts.join(item) if isinstance(item, Part) else item
        except BrokenRecordError as error:
            found.broken.append(BrokenLine(document, str(error)))
            continue
        if record is None:
            continue
        if record.event_id in seen:
            found.duplicate += 1
        else:
            seen.add(record.event_id)
            _count(record, found, model_version)
    found.duplicate += parts.duplicates
    found.broken += [BrokenLine(line, reason) for line, reason in parts.incomplete()]
    found.records.sort(key=lambda record: (record.time, record.event_id))
    return found


def _count(record: Record, found: Sorted, model_version: str) -> None:
    if record.synthetic:
        found.synthetic += 1
        return
    found.unsampled += 1 / record.sample_rate - 1
    if record.model_version != model_version:
        found.foreign += 1
    elif record.status >= 400:
        found.failed += 1
    else:
        found.records.append(record)


@dataclass(frozen=True)
class WindowRows:
    """Typed columns of all rows, and which record each row is of.

    `unobserved` columns are null in the rows of at least one record, because it does not hold them.
    """

    records: Sequence[Record]
    record_of_row: Array
    row_in_request: Array
    columns: Mapping[str, Array]
    hashes: Mapping[str, Array]
    unobserved: frozenset[str]

    def __len__(self) -> int:
        return len(self.record_of_row)


def decode_rows(found: Sorted, signature: Signature) -> WindowRows:
    """Decode the records with the server's own codec; one that does not fit is put aside."""
    from seatrial.serving.errors import ServingError

    records: list[Record] = []
    parts: list[Decoded] = []
    for record in found.records:
        try:
            parts.append(decode_record(record, signature))
        except (ServingError, ValueError) as error:
            found.broken.append(BrokenLine(record.line, str(error)))
            continue
        records.append(record)
    counts = [len(part) for part in parts]
    hashed = sorted({name for part in parts for name in part.hashes})
    none = {count: missing(count, text=True) for count in set(counts)}
    return WindowRows(
        records=records,
        record_of_row=np.repeat(np.arange(len(records)), counts),
        row_in_request=np.concatenate([np.arange(0), *(np.arange(count) for count in counts)]),
        columns={
            name: np.concatenate([part.columns[name] for part in parts])
            for name in (parts[0].columns if parts else ())
        },
        hashes={
            name: np.concatenate([part.hashes.get(name, none[len(part)]) for part in parts])
            for name in hashed
        },
        unobserved=frozenset().union(*(part.unobserved for part in parts)),
    )


def write_window(rows: WindowRows, signature: ModelSignature, path: Path) -> None:
    """Write window.parquet, see contracts.Window for its columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    def per_row(values: Sequence[Any], kind: Any) -> Any:
        return pa.array(values, type=kind).take(pa.array(rows.record_of_row))

    arrays = {
        "event_id": per_row([item.event_id for item in rows.records], pa.string()),
        "inference_id": per_row([item.inference_id for item in rows.records], pa.string()),
        "row": pa.array(rows.row_in_request, type=pa.int64()),
        "inference_time": per_row(
            [item.time for item in rows.records], pa.timestamp("us", tz="UTC")
        ),
    }
    for column in model_columns(signature):
        values = rows.columns.get(column.name, np.empty(0, dtype=object))
        arrays[column.name] = pa.array(values, type=arrow_type(column), from_pandas=True)
    for name, values in rows.hashes.items():
        arrays[f"hash:{name}"] = pa.array(values, type=pa.string())
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(arrays), path)


def completeness(found: Sorted, invocations: int | None) -> float | None:
    """The share of invocations that are in the log, our own traffic left out of both."""
    if invocations is None or invocations <= found.synthetic:
        return None
    logged = len(found.records) + found.foreign + found.failed + found.unsampled
    return logged / (invocations - found.synthetic)
