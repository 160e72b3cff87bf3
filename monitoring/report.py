"""Evidently's HTML of a window beside the reference, for people to look at.

It is drawn from even samples, so its scores differ a little from the verdict's; its metrics and
thresholds are the verdict's own, so that the two do not contradict each other.
"""

from __future__ import annotations

import html
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.monitoring.quiet import quiet
from seatrial.serving.arrays import is_missing

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

SAMPLE_ROWS = 5000


def draw(
    reference: Mapping[str, Array],
    window: Mapping[str, Array],
    thresholds: Mapping[str, float],
    categorical: Collection[str],
) -> Any:
    """Evidently's report on the columns of `thresholds`; columns without values are left out."""
    import pandas as pd

    with quiet():
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

    shown = [
        name
        for name in thresholds
        if not is_missing(reference[name]).all() and not is_missing(window[name]).all()
    ]
    definition = DataDefinition(
        numerical_columns=[name for name in shown if name not in categorical],
        categorical_columns=[name for name in shown if name in categorical],
    )
    frames = [
        pd.DataFrame({name: side[name] for name in shown}).astype(
            {name: str for name in shown if name in categorical}
        )
        for side in (window, reference)
    ]
    preset = DataDriftPreset(
        columns=shown,
        drift_share=0.5 / len(shown),  # one column is enough, as in the verdict
        num_method="wasserstein",
        cat_method="jensenshannon",
        per_column_threshold={name: thresholds[name] for name in shown},
    )
    with quiet():
        datasets = [Dataset.from_pandas(frame, data_definition=definition) for frame in frames]
        return Report([preset]).run(*datasets)


def write_report(drawn: Any, path: Path) -> None:
    """Write what `draw` made as one HTML page."""
    with quiet():
        drawn.save_html(str(path))


def write_note(text: str, path: Path) -> None:
    """A page that says why there is no report."""
    page = f"<!doctype html><meta charset=utf-8><title>drift</title><p>{html.escape(text)}</p>\n"
    path.write_text(page, encoding="utf-8")
