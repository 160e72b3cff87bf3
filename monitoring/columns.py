"""Columns of data frames and Parquet files as the server's typed arrays, and back.

Types as in seatrial.serving.columns: text is objects with None where it is missing, numbers are
float64 with NaN, whole numbers and booleans int64 and bool unless a value is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.contracts import InputColumn, ModelSignature, OutputColumn
from seatrial.errors import InputError
from seatrial.serving.columns import Typed

if TYPE_CHECKING:
    import pandas as pd

    Array = np.ndarray[Any, np.dtype[Any]]

Column = InputColumn | OutputColumn
# What window.parquet says of each row besides the model's columns.
ROW_COLUMNS = ("event_id", "inference_id", "row", "inference_time", "inference_date")


def model_columns(signature: ModelSignature) -> tuple[Column, ...]:
    """Input and output columns; InputError if two would be one column of window.parquet."""
    columns: tuple[Column, ...] = (*signature.inputs, *signature.outputs)
    names = [*ROW_COLUMNS, *(column.name for column in columns)]
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise InputError(
            "a column's name is taken",
            got=", ".join(double),
            allowed=f"names used once over inputs and outputs, other than {', '.join(ROW_COLUMNS)}",
            do="Rename the model's column",
        )
    return columns


def categorical_names(signature: ModelSignature) -> set[str]:
    """The columns whose values are categories: text, booleans and predicted labels."""
    by_type = {item.name for item in model_columns(signature) if item.type in ("string", "boolean")}
    return by_type | ({signature.label} if signature.label is not None else set())


def columns_of(frame: pd.DataFrame, columns: Iterable[Column]) -> dict[str, Array]:
    """The frame's values of these columns; InputError if one is absent or not of its type."""
    found = {}
    for column in columns:
        if column.name not in frame.columns:
            raise _absent(column.name, frame)
        try:
            found[column.name] = _typed(frame[column.name], column.type)
        except (ValueError, TypeError) as error:
            raise InputError(
                f"the column {column.name} is not of its type",
                got=str(error),
                allowed=column.type,
                do="Write the data with the types of the model's signature",
            ) from error
    return found


def times_of(frame: pd.DataFrame, column: str) -> Array:
    """The time of each row as datetime64 in UTC; InputError if a row has none."""
    import pandas as pd

    if column not in frame.columns:
        raise _absent(column, frame)
    try:
        times = pd.to_datetime(frame[column], utc=True, format="ISO8601")
    except (ValueError, TypeError) as error:
        raise InputError(
            f"the column {column} does not hold times",
            got=str(error),
            allowed="timestamps or ISO 8601, in UTC if they have no zone",
            do="Correct the data, or register it without a time column",
        ) from error
    if times.isna().any():
        raise InputError(
            f"the column {column} has gaps",
            got=f"{int(times.isna().sum())} rows without a time",
            allowed="a time in every row",
            do="Leave those rows out",
        )
    values: Array = times.dt.tz_convert(None).to_numpy().astype("datetime64[us]")
    return values


def read_columns(path: Path, columns: Iterable[Column]) -> dict[str, Array]:
    """These columns of a Parquet file."""
    import pandas as pd

    columns = tuple(columns)
    return columns_of(pd.read_parquet(path, columns=[item.name for item in columns]), columns)


def write_columns(values: Mapping[str, Array], columns: Sequence[Column], path: Path) -> None:
    """Write these columns as Parquet; a missing value is null."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    types = {item.name: arrow_type(item) for item in columns}
    arrays = {
        name: pa.array(values[name], type=kind, from_pandas=True) for name, kind in types.items()
    }
    pq.write_table(pa.table(arrays), path)


def arrow_type(column: Column | Typed) -> Any:
    """The column's type in a Parquet file."""
    import pyarrow as pa

    kinds = {"string": pa.string(), "boolean": pa.bool_()}
    whole = column.type in ("integer", "long")
    return kinds.get(column.type, pa.int64() if whole else pa.float64())


def take(columns: Mapping[str, Array], rows: Array) -> dict[str, Array]:
    """These rows of all columns."""
    return {name: values[rows] for name, values in columns.items()}


def _typed(values: pd.Series, kind: str) -> Array:
    missing = values.isna()
    if kind == "string":
        text: Array = values.astype(object).where(~missing, None).to_numpy(dtype=object)
        return text
    if kind in ("integer", "long", "boolean") and not missing.any():
        whole: Array = values.to_numpy(dtype=bool if kind == "boolean" else np.int64)
        return whole
    numbers: Array = values.to_numpy(dtype=np.float64, na_value=np.nan)
    return numbers


def _absent(name: str, frame: pd.DataFrame) -> InputError:
    return InputError(
        "a column is absent",
        got=f"no {name} among {', '.join(map(str, frame.columns))}",
        allowed="every input column of the model, and the time column if one is declared",
        do="Register the model again with data that has this column",
    )
