"""Columns in a file that is read without pickle: .npz with the columns by number.

Text is Unicode with a mask of what is missing. measure_program.py reads it, with numpy alone.
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
