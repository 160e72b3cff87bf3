"""window.parquet, written in bounded memory, and broken.jsonl beside it.

window.parquet is a folder with a partition for each day of inference time. Rows are buffered, then
spilled to one Arrow file a day; in the end each day is read back, sorted, and written.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from seatrial.contracts import ModelSignature
from seatrial.monitoring.columns import arrow_type, model_columns
from seatrial.monitoring.events import EVERYTHING

if TYPE_CHECKING:
    from seatrial.monitoring.batches import Batch
    from seatrial.monitoring.decoding import Decoded

    Array = np.ndarray[Any, np.dtype[Any]]

# About 60 MB of 30 columns.
BUFFERED_ROWS = 250_000
# What a reader of the file holds at once.
ROW_GROUP_ROWS = 131_072
_HASH, _DAY = "seatrial:hash", "seatrial:day"
HASHED = "hash:"
_DAY_US = 86_400_000_000


class WindowFile:
    """Give it rows and broken lines; `close` makes the files of them."""

    def __init__(self, folder: Path, signature: ModelSignature) -> None:
        self._columns = model_columns(signature)
        self._path, self._spilled = folder / "window.parquet", folder / "spilled"
        for old in (self._path, self._spilled):  # of a run that was killed
            shutil.rmtree(old, ignore_errors=True)
        self._path.mkdir(parents=True)
        self._spilled.mkdir()
        self._broken = (folder / "broken.jsonl").open("wb")
        self._hashes: set[str] = set()
        self._buffer: list[Any] = []
        self._buffered_rows = self._spills = 0

    def put_aside(self, line: bytes, reason: str) -> None:
        """Keep the line in broken.jsonl."""
        document = {"reason": reason, "line": line.decode("utf-8", errors="replace")}
        self._broken.write(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE))

    def add(self, rows: Decoded, batch: Batch, hashes: Array, times_us: Array) -> None:
        """Add the rows of some of the batch's records; hashes and times are of those."""
        import pyarrow as pa

        many = len(rows) != len(hashes)
        record = pa.array(np.repeat(np.arange(len(hashes)), rows.counts)) if many else None

        def per_row(array: Any) -> Any:
            return array if record is None else array.take(record)

        first = np.cumsum(rows.counts) - rows.counts
        ids = batch.ids(rows.numbers)
        arrays = {
            "event_id": per_row(ids.event_ids),
            "inference_id": per_row(ids.inference_ids),
            "row": pa.array(np.arange(len(rows)) - np.repeat(first, rows.counts)),
            "inference_time": per_row(pa.array(times_us)).cast(pa.timestamp("us", tz="UTC")),
            **rows.columns,
            **{f"{HASHED}{name}": values for name, values in rows.hashes.items()},
            _HASH: per_row(pa.array(hashes)),
            _DAY: per_row(pa.array(times_us // _DAY_US)),
        }
        self._hashes.update(f"{HASHED}{name}" for name in rows.hashes)
        self._buffer.append(pa.table(arrays))
        self._buffered_rows += len(rows)
        if self._buffered_rows >= BUFFERED_ROWS:
            self._spill()

    def close(self, threshold: int) -> None:
        """Write the rows of the events whose hash is at most `threshold`, in order of time."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._broken.close()
        self._spill()
        days = sorted((path.name for path in self._spilled.iterdir()), key=int)
        if not days:
            pq.write_table(self._empty().drop_columns([_HASH]), self._path / "part-0.parquet")
        for day in days:
            parts = [_read(path, threshold) for path in sorted((self._spilled / day).iterdir())]
            table = pa.concat_tables([self._empty(), *parts], promote_options="default")
            order = [(name, "ascending") for name in ("inference_time", _HASH, "row")]
            folder = self._path / f"inference_date={np.datetime64(int(day), 'D')}"
            folder.mkdir()
            pq.write_table(
                table.sort_by(order).drop_columns([_HASH]),
                folder / "part-0.parquet",
                row_group_size=ROW_GROUP_ROWS,
                use_dictionary=self._repeating,
            )
        shutil.rmtree(self._spilled)

    def _empty(self) -> Any:
        """No rows, of the columns that every file has: a hash is in all files if it is in one."""
        import pyarrow as pa

        text, number = pa.string(), pa.int64()
        schema = [("event_id", text), ("inference_id", text), ("row", number)]
        schema.append(("inference_time", pa.timestamp("us", tz="UTC")))
        schema += [(column.name, arrow_type(column)) for column in self._columns]
        schema += [(name, text) for name in sorted(self._hashes)]
        return pa.schema([*schema, (_HASH, pa.uint64())]).empty_table()

    @property
    def _repeating(self) -> list[str]:
        """What a dictionary makes smaller; it costs time where values do not repeat."""
        return [column.name for column in self._columns if column.type == "string"]

    def _spill(self) -> None:
        """Append what is buffered to the files of its days."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if not self._buffer:
            return
        table = pa.concat_tables(self._buffer, promote_options="default")
        for day in pc.unique(table[_DAY]).to_pylist():
            rows = table.filter(pc.equal(table[_DAY], day)).drop_columns([_DAY])
            folder = self._spilled / str(day)
            folder.mkdir(exist_ok=True)
            path = str(folder / f"{self._spills:06}.arrow")
            with pa.OSFile(path, "wb") as file, pa.ipc.new_file(file, rows.schema) as writer:
                writer.write_table(rows)
        self._buffer, self._buffered_rows = [], 0
        self._spills += 1


def _read(path: Path, threshold: int) -> Any:
    """What was spilled, without the events that the sample lost since."""
    import pyarrow as pa
    import pyarrow.compute as pc

    with pa.memory_map(str(path)) as file:
        table = pa.ipc.open_file(file).read_all()
    if threshold == EVERYTHING:
        return table
    return table.filter(pc.less_equal(table[_HASH], pa.scalar(threshold, pa.uint64())))
