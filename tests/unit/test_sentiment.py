"""The example's data, and that films are told from products by what is measured of sentences."""

from __future__ import annotations

import pytest

from seatrial.config import load_config
from seatrial.contracts import DriftReport
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
