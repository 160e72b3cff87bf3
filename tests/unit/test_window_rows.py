"""A window's Parquet read a batch at a time: the same numbers as all of it at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seatrial.contracts import InputColumn
from seatrial.monitoring import row_groups, window_rows
from seatrial.monitoring.columns import columns_of
from seatrial.monitoring.summary import summarise, summarise_reference
from seatrial.monitoring.text import learn_texts
from seatrial.monitoring.window_rows import read_batches, sample_window, summarise_window

COLUMNS = (
    InputColumn(name="x", type="double", required=False, onnx_input="x"),
    InputColumn(name="count", type="long", required=False, onnx_input="x"),
    InputColumn(name="carrier", type="string", required=False, onnx_input="x"),
)


@pytest.fixture
def frame() -> pd.DataFrame:
    random = np.random.default_rng(0)
    rows = 1000
    counts = pd.array(random.integers(0, 9, rows), dtype="Int64")
    counts[:3] = pd.NA  # a gap in the first batch only
    return pd.DataFrame(
        {
            "x": np.where(random.random(rows) < 0.1, np.nan, np.arange(rows)),
            "count": counts,
            "carrier": random.choice(np.array(["UA", "AA", None], dtype=object), rows),
        }
    )


@pytest.fixture
def path(frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for module in (row_groups, window_rows):
        monkeypatch.setattr(module, "BATCH_ROWS", 90)
    folder = tmp_path / "window.parquet"
    for number, day in enumerate(("2024-01-01", "2024-01-02", "2024-01-03")):
        part = folder / f"inference_date={day}" / "part-0.parquet"
        part.parent.mkdir(parents=True)
        frame.iloc[number * 400 : (number + 1) * 400].to_parquet(part)
    return folder


def test_the_summary_of_batches_is_the_summary_of_all_rows(frame: pd.DataFrame, path: Path) -> None:
    rows = columns_of(frame, COLUMNS)
    reference = summarise_reference(rows, categorical={"count"})
    batches = list(read_batches(path, COLUMNS))
    assert len(batches) > 10
    found = summarise_window(path, like=reference)
    wanted = summarise(rows, like=reference)
    assert (found.rows, list(found.columns)) == (wanted.rows, list(wanted.columns))
    for name, column in wanted.columns.items():
        assert found.columns[name].counts == column.counts
        assert found.columns[name].missing == column.missing
    assert found.columns["x"].sums == pytest.approx(wanted.columns["x"].sums)


def test_texts_are_summarised_by_what_is_measured_of_them(tmp_path: Path) -> None:
    words = [f"word{number} again" if number % 7 else None for number in range(300)]
    columns = {"x": np.arange(300.0), "said": np.array(words, dtype=object)}
    texts, measured = learn_texts(columns)
    reference = summarise_reference(measured, categorical=())
    window = pd.DataFrame({"x": [1.0, 2.0, 3.0], "said": ["word1 again", "quite new", None]})
    window.to_parquet(tmp_path / "1.parquet")
    window[["x"]].to_parquet(tmp_path / "2.parquet")
    asked = pd.concat([window, window[["x"]]]).astype({"said": object})
    found = summarise_window(tmp_path, like=reference, texts=texts)
    said = {name: asked[name].to_numpy() for name in asked}
    assert found == summarise(texts.measure(said), like=reference)
    assert found.columns["said: characters"].missing == 4


def test_a_window_without_rows_has_a_summary(frame: pd.DataFrame, tmp_path: Path) -> None:
    reference = summarise_reference(columns_of(frame, COLUMNS), categorical=())
    (tmp_path / "w").mkdir()
    frame.iloc[:0].to_parquet(tmp_path / "w" / "part-0.parquet")
    assert summarise_window(tmp_path / "w", like=reference).rows == 0


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [
        pytest.param(999, 999, id="under"),
        pytest.param(1000, 1000, id="exactly"),
        pytest.param(1001, 1000, id="over"),
        pytest.param(50, 50, id="far under"),
    ],
)
def test_a_sample_covers_the_whole_window_evenly(path: Path, wanted: int, kept: int) -> None:
    found = sample_window(path, COLUMNS, rows=1000, wanted=wanted)
    assert {len(values) for values in found.values()} == {kept}
    present = found["x"][~np.isnan(found["x"])]
    assert np.diff(present).min() >= 1
    assert np.diff(present).max() <= 6 * (1000 / kept + 1)  # a tenth is missing
