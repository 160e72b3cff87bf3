"""Rows with known truth, what they mean, and what is taken from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.contracts import Task
from seatrial.errors import InputError
from seatrial.guards import Predictions

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class ValidationData:
    """The rows that candidates are judged on; without a target they have no labels."""

    task: Task
    frame: pd.DataFrame
    target: str | None

    def require_labels(self) -> None:
        """InputError if there are no rows, or the target is declared and nowhere to be found."""
        if self.frame.empty:
            raise InputError(
                "the validation data has no rows",
                got="0 rows",
                allowed="rows that the model has not been trained on",
                do="Give it rows: everything is measured on them",
            )
        if self.target is None:
            return
        if self.target not in self.frame.columns or self.frame[self.target].isna().all():
            there = ", ".join(map(str, self.frame.columns))
            raise InputError(
                "the validation data has no labels",
                got=f"no value of {self.target} in {len(self.frame)} rows of {there}",
                allowed=f"a column {self.target} with the true label or value",
                do="Add the labels, or leave the target out: then agreement alone is judged",
            )
        if self.task == "regression" and self.frame[self.target].dtype.kind not in "iufb":
            raise InputError(
                "the labels of a regression are not numbers",
                got=f"{self.target} of type {self.frame[self.target].dtype}",
                allowed="numbers",
                do="Correct the column, or the task",
            )

    @property
    def labelled(self) -> Array | None:
        """Which rows have a label; None without a target."""
        if self.target is None:
            return None
        known: Array = self.frame[self.target].notna().to_numpy()
        return known

    @property
    def truth(self) -> Array | None:
        """The true labels or values of the labelled rows."""
        if self.target is None:
            return None
        values: Array = self.frame[self.target].dropna().to_numpy()
        return values

    def labelled_only(self, predicted: Predictions) -> Predictions:
        """The predictions of the rows that have a label."""
        known = self.labelled
        if known is None or known.all():
            return predicted
        labels = None if predicted.labels is None else predicted.labels[known]
        return Predictions(labels, predicted.scores[known])


def read_frame(path: Path) -> pd.DataFrame:
    """The Parquet file as a data frame; InputError if it is not one."""
    import pandas as pd
    import pyarrow

    try:
        return pd.read_parquet(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise InputError(
            "cannot read the data",
            got=str(path),
            allowed="a readable Parquet file",
            do=f"Check the path and the file ({type(error).__name__})",
        ) from error


def spread(rows: int, wanted: int) -> Array:
    """The numbers of `wanted` rows evenly over all: data is often sorted by time.

    >>> spread(10, 3)
    array([0, 3, 6])
    """
    import numpy as np

    if rows <= wanted:
        return np.arange(rows)
    chosen: Array = np.arange(wanted) * rows // wanted
    return chosen
