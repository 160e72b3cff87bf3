"""Columns in files that are read without pickle; measure_program.py reads them.

As arrays: .npz with the columns by number, text as Unicode with a mask of what is missing. As what
the server makes of a request: JSON, because numpy would count as memory that no server takes.
"""

from __future__ import annotations

import json
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


def write_request(columns: Mapping[str, Array], path: Path) -> Path:
    """Write the columns as lists; JSON as Python has it, which knows NaN."""
    lists = {
        name: [None if value is None or value != value else value for value in values]
        if values.dtype == object
        else values.tolist()
        for name, values in columns.items()
    }
    path.write_text(json.dumps(lists), encoding="utf-8")
    return path
