"""Lines of the log read by Arrow, thousands at once.

Reading a line and making a Record of it costs 5 µs; Arrow's JSON reader does the same for 2 µs.
It takes the lines of a block that are complete records with both bodies as text; all other lines
of the block are left to be read one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.monitoring.arrivals import Block
from seatrial.monitoring.batches import Ids, kinds_of
from seatrial.monitoring.calls import Measures
from seatrial.monitoring.decoding import Alike, Form
from seatrial.monitoring.envelope_table import read_table

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

# What Arrow refuses is halved down to this size, some dozens of lines.
LEAST_BYTES = 32 * 2**10


class EnvelopeBatch:
    """Records that Arrow has read; `places` are their lines in the block."""

    def __init__(self, block: Block, table: Any, places: Array) -> None:
        self._block, self._table, self._places = block, table, places
        self.event_ids: Sequence[str] = table["eventId"].to_pylist()
        self.times_us: Array = table["time"].cast("int64").to_numpy()
        self.weights = np.ones(len(self.event_ids))

    def kinds(self, model_version: str) -> Array:
        import pyarrow.compute as pc

        table = self._table
        return kinds_of(
            synthetic=table["synthetic"].to_numpy(zero_copy_only=False),
            foreign=pc.not_equal(table["model_version"], model_version).to_numpy(
                zero_copy_only=False
            ),
            failed=table["status"].to_numpy() >= 400,
        )

    def versions(self, numbers: Array) -> Iterable[str]:
        found: list[str] = self._table["model_version"].take(_indices(numbers)).to_pylist()
        return found

    def measures(self, numbers: Array) -> Measures:
        import pyarrow.compute as pc

        table = self._table.take(_indices(numbers)).combine_chunks()
        versions = table["model_version"].combine_chunks().dictionary_encode()
        return Measures(
            synthetic=table["synthetic"].to_numpy(zero_copy_only=False),
            failed=table["status"].to_numpy() >= 400,
            request_bytes=_floats(pc.binary_length(table["asked"])),
            response_bytes=_floats(pc.binary_length(table["answer"])),
            server_ms=_floats(table["latency_ms"]),
            rows=_floats(table["rows"]),
            cold=_floats(table["cold"].cast("int8")),
            version=versions.indices.to_numpy(),
            versions=versions.dictionary.to_pylist(),
        )

    def ids(self, numbers: Array) -> Ids:
        found = self._table.select(["eventId", "inferenceId"]).take(_indices(numbers))
        return Ids(*(column.combine_chunks() for column in found.columns))

    def line(self, number: int) -> bytes:
        return self._block.lines[int(self._places[number])]

    def alike(self, numbers: Array) -> Iterator[Alike]:
        import pyarrow as pa
        import pyarrow.compute as pc

        names = ["asked_type", "answer_type", "asked", "answer"]
        table = self._table.select(names).take(_indices(numbers)).combine_chunks()
        pairs = table.select(names[:2]).group_by(names[:2]).aggregate([]).to_pylist()
        for pair in pairs:
            chosen, members = table, numbers
            if len(pairs) > 1:
                mask = pc.and_(*(pc.equal(table[name], pair[name]) for name in names[:2]))
                chosen, members = table.filter(mask), numbers[mask.to_numpy()]
            bodies = [chosen[name].combine_chunks().cast(pa.binary()) for name in names[2:]]
            yield Alike(Form(pair["asked_type"], pair["answer_type"]), members, *bodies)


def read_envelopes(
    block: Block, latest_us: int | None
) -> Iterator[tuple[EnvelopeBatch | None, list[bytes]]]:
    """What Arrow can read of the block, and the lines that have to be read one by one.

    Lines dated after `latest_us` are among the latter, with all that is unusual. Of a block that
    Arrow refuses it gets each half.
    """
    import pyarrow.compute as pc

    table = read_table(block.text)
    if table is None:
        middle = block.text.rfind(b"\n", 0, len(block.text) // 2) + 1
        if len(block.text) < LEAST_BYTES or not middle:
            yield None, block.lines
            return
        for text in (block.text[:middle], block.text[middle:]):
            yield from read_envelopes(Block(text, block.hour), latest_us)
        return
    regular = table["regular"]
    if latest_us is not None:
        in_time = pc.less_equal(table["time"].cast("int64"), latest_us)
        regular = pc.and_(regular, pc.fill_null(in_time, False))
    regular = regular.to_numpy()
    others = [] if regular.all() else [block.lines[place] for place in np.flatnonzero(~regular)]
    places = np.flatnonzero(regular)
    if others:
        table = table.take(_indices(places))
    yield EnvelopeBatch(block, table, places), others


def _floats(values: Any) -> Array:
    """NaN for null."""
    found: Array = values.cast("float64").to_numpy()
    return found


def _indices(numbers: Array) -> Any:
    import pyarrow as pa

    return pa.array(numbers, type=pa.int64())
