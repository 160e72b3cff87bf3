"""True labels, which arrive later: a CSV or Parquet file, joined to the rows that were predicted.

Columns: `event_id` (what the endpoint answered with) or `inference_id` (what the caller gave),
`row` (0-based within the request; 0 if there is no such column), `label`. The last label of a row
in the file wins.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.contracts import ModelSignature
from seatrial.errors import InputError
from seatrial.monitoring.scores import Labelled

if TYPE_CHECKING:
    import pandas as pd

    Array = np.ndarray[Any, np.dtype[Any]]

KEYS = ("event_id", "inference_id")


@dataclass(frozen=True)
class Joined:
    """Window rows with labels, and the number of labels that no row of the window has."""

    rows: pd.DataFrame
    unmatched: int


def read_labels(path: Path) -> pd.DataFrame:
    """The labels with a key, `row` and `label`; InputError if the file is not of that form."""
    import pandas as pd
    import pyarrow

    try:
        if path.suffix == ".parquet":
            labels = pd.read_parquet(path)
        else:
            labels = pd.read_csv(path, dtype=dict.fromkeys(KEYS, str))
        key = next(name for name in KEYS if name in labels.columns)
        if "row" not in labels.columns:
            labels["row"] = 0
        labels = labels[[key, "row", "label"]].dropna()
        return labels.astype({"row": "int64"}).drop_duplicates([key, "row"], keep="last")
    except (OSError, KeyError, ValueError, StopIteration, pyarrow.ArrowException) as error:
        raise InputError(
            "cannot read the labels",
            got=f"{path}: {type(error).__name__} {str(error)[:200]}",
            allowed="CSV or .parquet with event_id or inference_id, row (optional) and label",
            do="Correct the file",
        ) from error


def join(window: pd.DataFrame, labels: pd.DataFrame, *, label_name: str = "truth") -> Joined:
    """Put each label beside its row, as the column `label_name`."""
    key = next(name for name in KEYS if name in labels.columns)
    renamed = labels.rename(columns={"label": label_name})
    rows = window.merge(renamed, on=[key, "row"], how="inner")
    found = set(zip(rows[key], rows["row"], strict=True))
    return Joined(rows, len(labels) - len(found))


def labelled_rows(joined: Joined, signature: ModelSignature, *, truth: str = "truth") -> Labelled:
    """The joined rows as arrays, those that got no answer left out.

    Labels of a model that predicts text stay text.
    """
    answers = [name for name in (signature.label, signature.score) if name is not None]
    rows = joined.rows.dropna(subset=answers)
    kinds = {column.name: column.type for column in signature.outputs}
    as_text = signature.label is not None and kinds[signature.label] == "string"
    label = None if signature.label is None else rows[signature.label].to_numpy()
    score = None if signature.score is None else rows[signature.score].to_numpy()
    request = np.unique(rows["event_id"].to_numpy(dtype=str), return_inverse=True)[1]
    return Labelled(signature.task, _truth(rows[truth], as_text=as_text), label, score, request)


def _truth(values: pd.Series, *, as_text: bool) -> Array:
    import pandas as pd

    if as_text:
        text: Array = values.astype(str).to_numpy(dtype=object)
        return text
    try:
        numbers: Array = pd.to_numeric(values).to_numpy(dtype=float)
    except (ValueError, TypeError) as error:
        raise InputError(
            "a label is not of the kind that the model predicts",
            got=str(error),
            allowed="numbers, as the model was trained on",
            do="Write the labels as the model's target",
        ) from error
    return numbers
