"""Prediction records many at a time, and those that were read one by one as such a batch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from seatrial.monitoring.calls import Measures
from seatrial.monitoring.counts import microseconds
from seatrial.monitoring.decoding import Alike, Form
from seatrial.monitoring.events import Kind
from seatrial.monitoring.records import Body, Record

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]


class Batch(Protocol):
    """Records by number, 0 to n - 1."""

    event_ids: Sequence[str]
    times_us: Array
    weights: Array

    def kinds(self, model_version: str) -> Array:
        """What each record is to a window of this version."""

    def versions(self, numbers: Array) -> Iterable[str]:
        """The model versions of these records."""

    def measures(self, numbers: Array) -> Measures:
        """What these requests were like."""

    def ids(self, numbers: Array) -> Ids:
        """How these records are called."""

    def line(self, number: int) -> bytes:
        """The record's line."""

    def alike(self, numbers: Array) -> Iterator[Alike]:
        """The bodies of these records, those that can be read together side by side."""


class Ids(NamedTuple):
    """Arrow arrays: the endpoint's names of records, and their callers'."""

    event_ids: Any
    inference_ids: Any


class RecordBatch:
    """Records that were read one by one."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records
        self.event_ids: Sequence[str] = [record.event_id for record in records]
        self.times_us = np.array([microseconds(record.time) for record in records])
        self.weights = np.array([1 / record.sample_rate for record in records])

    def kinds(self, model_version: str) -> Array:
        return kinds_of(
            synthetic=np.array([record.synthetic for record in self._records]),
            foreign=np.array([record.model_version != model_version for record in self._records]),
            failed=np.array([record.status >= 400 for record in self._records]),
        )

    def versions(self, numbers: Array) -> Iterable[str]:
        return [self._records[number].model_version for number in numbers]

    def measures(self, numbers: Array) -> Measures:
        records = [self._records[number] for number in numbers]
        versions, version = np.unique([item.model_version for item in records], return_inverse=True)
        return Measures(
            synthetic=np.array([item.synthetic for item in records], dtype=bool),
            failed=np.array([item.status >= 400 for item in records], dtype=bool),
            request_bytes=_numbers(None if x.hidden else _size(x.request) for x in records),
            response_bytes=_numbers(_size(item.answer) for item in records),
            server_ms=_numbers(item.server_ms for item in records),
            rows=_numbers(item.rows for item in records),
            cold=_numbers(item.cold for item in records),
            version=version,
            versions=versions.tolist(),
        )

    def ids(self, numbers: Array) -> Ids:
        import pyarrow as pa

        records = [self._records[number] for number in numbers]
        return Ids(
            pa.array([record.event_id for record in records], pa.string()),
            pa.array([record.inference_id for record in records], pa.string()),
        )

    def line(self, number: int) -> bytes:
        return self._records[number].line

    def alike(self, numbers: Array) -> Iterator[Alike]:
        import pyarrow as pa

        found = defaultdict[object, list[int]](list)
        for number in numbers.tolist():
            record = self._records[number]
            # A body of nothing is that of a request whose every column was dropped.
            nothing = record.request is not None and not record.request.data
            found[_form(record), nothing].append(number)
        for members in found.values():
            records = [self._records[number] for number in members]
            asked = [record.request.data for record in records if record.request is not None]
            answers = [record.answer.data for record in records if record.answer is not None]
            yield Alike(
                _form(records[0]),
                np.array(members),
                pa.array(asked, pa.binary()),
                pa.array(answers, pa.binary()),
            )


def kinds_of(*, synthetic: Array, foreign: Array, failed: Array) -> Array:
    """The kind of each record; our own traffic is that whatever else it is."""
    kinds = np.where(failed, Kind.FAILED, Kind.PREDICTION)
    kinds[foreign] = Kind.FOREIGN
    kinds[synthetic] = Kind.SYNTHETIC
    return kinds.astype(np.uint8)


def _numbers(values: Iterable[float | None]) -> Array:
    """NaN for None."""
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _size(body: Body | None) -> int | None:
    return None if body is None else len(body.data)


def _form(record: Record) -> Form:
    asked, answer = record.request, record.answer
    return Form(
        None if asked is None else asked.content_type,
        None if answer is None else answer.content_type,
        record.dropped,
        record.hashed,
    )
