"""True labels, which arrive later, in any number of files, joined to the rows that were predicted.

CSV, JSON Lines (.jsonl, .json) or Parquet files, or a folder of them, which may be mixed. Columns:
`event_id` (what the endpoint answered with) or `inference_id` (what the caller gave), with `row`
(0-based within the request; 0 if there is no such column), or a column of the model whose value
names a row, an order's number for example; `label`; and `labelled_at` if labels are
corrected later: the newest of a row wins, in whatever order the files come. Without that column the
last in the file wins, and of files the last by name.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.contracts import ModelSignature
from seatrial.errors import InputError
from seatrial.monitoring.bootstrap import Labelled
from seatrial.monitoring.summary import category

if TYPE_CHECKING:
    import pandas as pd

    Array = np.ndarray[Any, np.dtype[Any]]

KEYS = ("event_id", "inference_id")
OTHERS = ("row", "label", "labelled_at")


@dataclass(frozen=True)
class Joined:
    """Window rows with labels, and the number of labels that no row of the window has."""

    rows: pd.DataFrame
    unmatched: int


def read_labels(path: Path, columns: Collection[str] = ()) -> pd.DataFrame:
    """The labels with their key, `row` and `label`; InputError if a file is not of that form.

    `columns` are the model's, any of which may be the key.
    """
    import pandas as pd

    files = sorted(item for item in path.rglob("*") if item.is_file()) if path.is_dir() else [path]
    if not files:
        raise _unreadable(path, ValueError("no file in it"))
    labels = pd.concat([_read_file(file, columns) for file in files], ignore_index=True)
    labels = labels.sort_values("labelled_at", kind="stable", na_position="first")
    keys = [name for name in labels.columns if name not in OTHERS]
    if len(keys) > 1:
        raise _unreadable(path, ValueError(f"some files have {keys[0]}, some have {keys[1]}"))
    return labels.drop_duplicates([*keys, "row"], keep="last").drop(columns="labelled_at")


def _read_file(path: Path, columns: Collection[str]) -> pd.DataFrame:
    import pandas as pd
    import pyarrow

    keys = [*KEYS, *(name for name in columns if name not in (*KEYS, *OTHERS))]
    try:
        if path.suffix == ".parquet":
            labels = pd.read_parquet(path)
        elif path.suffix in (".jsonl", ".json"):
            labels = pd.read_json(path, lines=True, dtype=dict.fromkeys(keys, str))
            labels["row"] = labels["row"].fillna(0) if "row" in labels.columns else 0
        else:
            labels = pd.read_csv(path, dtype=dict.fromkeys(keys, str))
        key = next((name for name in keys if name in labels.columns), None)
        if key is None:
            raise ValueError(f"no key among its columns {', '.join(map(str, labels.columns))}")
        if "row" not in labels.columns:
            labels["row"] = 0
        times = labels["labelled_at"] if "labelled_at" in labels.columns else None
        labels = labels[[key, "row", "label"]].assign(
            labelled_at=pd.to_datetime(times, utc=True, format="ISO8601")
            if times is not None
            else pd.Series(pd.NaT, index=labels.index, dtype="datetime64[ns, UTC]")
        )
        return labels.dropna(subset=[key, "row", "label"]).astype({"row": "int64"})
    except (OSError, KeyError, ValueError, pyarrow.ArrowException) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> InputError:
    # pandas goes on with advice for programmers
    said = str(error).partition("\n")[0].removesuffix(" You might want to try:")[:200]
    return InputError(
        "cannot read the labels",
        got=f"{path}: {type(error).__name__} {said}",
        allowed="CSV, .jsonl or .parquet with event_id, inference_id or a column of the model, "
        "row and labelled_at (optional), and label",
        do="Correct the file",
    )


def join(window: pd.DataFrame, labels: pd.DataFrame, *, label_name: str = "truth") -> Joined:
    """Put each label beside its row, as the column `label_name`.

    A value of a model's column that several rows share names none of them; its label is unmatched.
    """
    key = next(name for name in labels.columns if name not in OTHERS)
    renamed = labels.rename(columns={"label": label_name})
    if key not in KEYS:
        window, renamed = _by_column(window, renamed, key)
    rows = window.merge(renamed, on=[key, "row"] if key in KEYS else [key], how="inner")
    found = set(zip(rows[key], rows["row"], strict=True))
    return Joined(rows, len(labels) - len(found))


def _by_column(
    window: pd.DataFrame, labels: pd.DataFrame, key: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows and labels whose values of this column occur once, as text, whatever their types."""
    window = window.dropna(subset=[key])
    window, labels = (
        side.assign(**{key: [category(value) for value in side[key].tolist()]})
        for side in (window, labels.drop(columns="row"))
    )
    labels = labels.drop_duplicates(key, keep="last")
    return window.drop_duplicates(key, keep=False), labels


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
