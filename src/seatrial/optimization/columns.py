"""Columns in a file that is read without pickle: .npz with the columns by number.

Text is Unicode with a mask of what is missing. The measuring program reads the same format with
numpy alone, by a copy of `read_columns`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]


def write_columns(columns: Mapping[str, Array], path: Path) -> Path:
    """Write the columns, their names among them."""
    import numpy as np

    stored: dict[str, Array] = {"names": np.array(list(columns), dtype=str)}
    for index, values in enumerate(columns.values()):
        if values.dtype == object:
            missing = np.array([value is None or value != value for value in values], dtype=bool)
            stored[f"missing-{index}"] = missing
            values = np.where(missing, "", values).astype(str)
        stored[f"column-{index}"] = values
    np.savez(path, **stored)  # type: ignore[arg-type]
    return path


def read_columns(path: Path) -> dict[str, Array]:
    """The columns that `write_columns` wrote, text as objects with None where it is missing."""
    import numpy as np

    columns = {}
    with np.load(path, allow_pickle=False) as stored:
        for index, name in enumerate(stored["names"]):
            values = stored[f"column-{index}"]
            if f"missing-{index}" in stored:
                values = np.where(stored[f"missing-{index}"], None, values.astype(object))
            columns[str(name)] = values
    return columns
