"""Arrow's columns to summaries, without a detour over Python objects.

The same numbers as `seatrial.monitoring.summary` has of arrays, from what Parquet is decoded to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.contracts import NumericSummary, Summary
from seatrial.errors import InputError
from seatrial.monitoring.summary import ColumnSummary, count_categories, count_numbers

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]


def summarise_arrow(batch: Any, *, like: Summary) -> Summary:
    """The summary of a RecordBatch or Table over the columns and cells of `like`.

    A column that the batch has not is missing in all its rows.
    """
    import pyarrow as pa

    present = set(batch.schema.names)
    return Summary(
        rows=batch.num_rows,
        columns={
            name: _summarise_column(
                name, batch[name] if name in present else pa.nulls(batch.num_rows), kind
            )
            for name, kind in like.columns.items()
        },
    )


def _summarise_column(name: str, values: Any, kind: ColumnSummary) -> ColumnSummary:
    import pyarrow as pa

    numeric = isinstance(kind, NumericSummary)
    try:
        if isinstance(kind, NumericSummary):
            return count_numbers(_numbers(values), kind)
        return count_categories(_frequencies(values))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(
            f"the column {name} is not of its type",
            got=f"{values.type}: {error}",
            allowed="numbers" if numeric else "text, whole numbers or booleans",
            do="Write the data with the types of the model's signature",
        ) from error


def _numbers(values: Any) -> Array:
    import pyarrow as pa

    if values.type != pa.float64():
        # unsafe: a whole number over 2**53 is rounded, as everywhere else
        values = values.cast(pa.float64(), safe=False)
    numbers: Array = values.to_numpy(zero_copy_only=False)  # null: NaN
    return numbers


def _frequencies(values: Any) -> list[tuple[object, int]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_null(values.type):
        return [(None, len(values))]
    found = pc.value_counts(values)
    return list(zip(found.field(0).to_pylist(), found.field(1).to_pylist(), strict=True))
