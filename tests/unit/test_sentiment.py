"""The example's data, and that films are told from products by what is measured of sentences."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from seatrial.config import load_config
from seatrial.contracts import DriftReport
from seatrial.examples.sentiment import train
from seatrial.examples.sentiment.data import TARGET, TEXT, load_snippets
from seatrial.monitoring.baseline import Rows
from seatrial.monitoring.drift import decide
from seatrial.monitoring.subject import Subject, make_baseline
from seatrial.monitoring.summary import summarise, summarise_reference
from seatrial.monitoring.text import learn_texts

SNIPPETS = load_snippets()


def test_the_parts_are_as_the_readme_counts_them() -> None:
    parts = (SNIPPETS.training, SNIPPETS.validation, SNIPPETS.live)
    assert sum(map(len, parts)) == 2943
    assert {len(SNIPPETS.films)} == {1435}
    assert all(set(part[TARGET]) == {0, 1} for part in parts)
    assert not any(part[TEXT].isna().any() for part in parts)


@pytest.fixture(scope="module")
def judged() -> dict[str, DriftReport]:
    texts, measured = learn_texts({TEXT: SNIPPETS.training[TEXT].to_numpy(dtype=object)})
    reference = summarise_reference(measured, categorical=())
    baseline = make_baseline(
        Subject(task="binary_classification", target=TARGET, input_columns=(TEXT,)),
        [Rows(measured, None)],
        reference,
        load_config(None, monitoring={"false_alert_every_windows": 100}).monitoring,
        seed=1,
    )
    windows = {"products": SNIPPETS.live, "films": SNIPPETS.films}
    return {
        name: decide(
            baseline,
            reference,
            summarise(texts.measure({TEXT: rows[TEXT].to_numpy(dtype=object)}), like=reference),
            window_h=168,
            min_rows=200,
        )
        for name, rows in windows.items()
    }


def test_other_reviews_of_products_are_no_drift(judged: dict[str, DriftReport]) -> None:
    assert judged["products"].status == "no drift"


def test_films_have_words_that_products_do_not(judged: dict[str, DriftReport]) -> None:
    assert judged["films"].drifted_columns[0] == f"{TEXT}: unseen words"


def test_a_model_is_saved_where_an_earlier_run_saved_one(tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text("of an earlier run")
    (tmp_path / "left.txt").touch()
    rows = SNIPPETS.training.head(200)
    train.save(train.fit(rows), rows, tmp_path)
    assert "predict_proba" in (tmp_path / "MLmodel").read_text()
    assert not (tmp_path / "left.txt").exists()


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    ended = subprocess.run(
        [sys.executable, "-m", "seatrial.examples.sentiment", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    said = f"seatrial: the output folder holds something else: got '{tmp_path}'"
    assert ended.stderr.startswith(said), ended.stderr
    assert (tmp_path / "mine.txt").exists()
