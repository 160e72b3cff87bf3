"""A reference and windows to compare with it: 20 columns of numbers, 5 of text, one of them moved.

    python benchmarks/monitoring_data.py FOLDER ROWS [ROWS …]

Makes FOLDER/ROWS/ for each size: reference.parquet, window.parquet/ in row groups as CollectWindow
writes them, and the stored baseline.json and summary.json.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from seatrial.config import load_config
from seatrial.contracts import write_contract
from seatrial.monitoring.baseline import Rows
from seatrial.monitoring.subject import Subject, make_baseline
from seatrial.monitoring.summary import summarise_reference

NUMBERS, TEXTS = 20, 5
REFERENCE_ROWS = 100_000
GROUP_ROWS = 131_072
# Of a standard deviation, in one column.
MOVED_BY = 0.25


def draw_columns(rows: int, *, seed: list[int], moved_by: float) -> dict[str, Any]:
    """Normal, long-tailed, counted and rounded numbers, every fifth with gaps; 5 to 25 texts."""
    random = np.random.default_rng(seed)
    makers = (
        lambda: random.normal(size=rows),
        lambda: random.lognormal(0, 1, rows),
        lambda: random.integers(0, 50, rows).astype(float),
        lambda: random.normal(size=rows).round(2),
    )
    columns: dict[str, Any] = {}
    for number in range(NUMBERS):
        values = makers[number % 4]()
        if number % 5 == 1:
            values[random.random(rows) < 0.05] = np.nan
        columns[f"n{number}"] = values
    columns["n0"] += moved_by
    for number in range(TEXTS):
        names = np.array([f"category {name}" for name in range(5 * (number + 1))], dtype=object)
        columns[f"c{number}"] = random.choice(names, rows)
    return columns


def write_parquet(path: Path, rows: int, *, seed: int, moved_by: float) -> None:
    """A row group at a time, so that size is limited by the disk alone."""
    writer = None
    for start in range(0, rows, GROUP_ROWS):
        count = min(GROUP_ROWS, rows - start)
        columns = draw_columns(count, seed=[seed, start], moved_by=moved_by)
        arrays = {name: pa.array(values, from_pandas=True) for name, values in columns.items()}
        table = pa.table(arrays)
        if writer is None:
            texts = [name for name in columns if name[0] == "c"]
            writer = pq.ParquetWriter(path, table.schema, use_dictionary=texts)
        writer.write_table(table, row_group_size=GROUP_ROWS)
    if writer is not None:
        writer.close()


def make(folder: Path, rows: int) -> None:
    """The files of one size."""
    (folder / "window.parquet").mkdir(parents=True)
    write_parquet(folder / "reference.parquet", REFERENCE_ROWS, seed=0, moved_by=0)
    write_parquet(folder / "window.parquet" / "part-0.parquet", rows, seed=1, moved_by=MOVED_BY)
    columns = draw_columns(REFERENCE_ROWS, seed=[0, 0], moved_by=0)
    reference = summarise_reference(columns, categorical=())
    subject = Subject(task="binary_classification", target="target", input_columns=tuple(columns))
    monitoring = load_config().monitoring
    baseline = make_baseline(subject, [Rows(columns, None)], reference, monitoring, seed=0)
    write_contract(reference, folder / "summary.json")
    write_contract(baseline, folder / "baseline.json")


if __name__ == "__main__":
    for size in sys.argv[2:]:
        make(Path(sys.argv[1]) / size, int(size))
