"""Sentences are watched by their length and their unseen words."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from seatrial.contracts import InputColumn
from seatrial.monitoring.suite import build_suite
from seatrial.monitoring.summary import summarise, summarise_reference
from seatrial.monitoring.text import (
    MIN_DISTINCT,
    Texts,
    is_text,
    learn_texts,
    measured_names,
    read_texts,
    write_texts,
)

LENGTH, STRANGE = measured_names(["note"])


def texts(*values: str | None) -> np.ndarray:
    return np.array(values, dtype=object)


def sentences(count: int, word: str = "parcel") -> list[str]:
    return [f"the {word} {number} came late" for number in range(count)]


@pytest.mark.parametrize(
    ("distinct", "found"),
    [
        pytest.param(MIN_DISTINCT - 1, False, id="under"),
        pytest.param(MIN_DISTINCT, True, id="exactly"),
        pytest.param(MIN_DISTINCT + 1, True, id="over"),
    ],
)
def test_so_many_distinct_values_are_text(distinct: int, found: bool) -> None:
    assert is_text(texts(*sentences(distinct))) is found


@pytest.mark.parametrize(
    ("repeated", "found"),
    [
        pytest.param(199, True, id="over half are distinct"),
        pytest.param(200, True, id="exactly half"),
        pytest.param(201, False, id="under half: categories that recur"),
    ],
)
def test_categories_recur_and_texts_do_not(repeated: int, found: bool) -> None:
    values = sentences(200)
    assert is_text(texts(*values, *[values[0]] * repeated)) is found


def test_numbers_are_no_text() -> None:
    assert not is_text(np.arange(1000.0))


def test_what_is_missing_stays_missing_and_is_not_counted_as_distinct() -> None:
    measured = Texts({"note": frozenset({"late"})}).measure({"note": texts("late", None, "")})
    assert measured[LENGTH].tolist()[::2] == [4.0, 0.0]
    assert measured[STRANGE].tolist()[::2] == [0.0, 0.0]
    assert math.isnan(measured[LENGTH][1])
    assert math.isnan(measured[STRANGE][1])
    assert is_text(texts(*sentences(MIN_DISTINCT), *[None] * 1000))


def test_a_word_of_the_reference_is_unseen_if_no_other_row_has_it() -> None:
    reference = {"note": texts(*sentences(200)), "size": np.arange(200.0)}
    found, measured = learn_texts(reference)
    # of "the parcel 7 came late" only the number is in no other row
    assert set(measured[STRANGE].tolist()) == {0.2}
    assert measured["size"] is reference["size"]
    # for a window it is known
    assert found.measure({"note": texts("The parcel 7 came LATE")})[STRANGE].tolist() == [0.0]
    assert found.measure({"note": texts("nobody home")})[STRANGE].tolist() == [1.0]


def test_new_rows_of_the_same_kind_are_as_strange_as_the_reference() -> None:
    words = np.random.default_rng(0).zipf(1.3, size=(4000, 12))
    rows = texts(*(" ".join(f"w{word}" for word in row) for row in words))
    found, measured = learn_texts({"note": rows[:2000]})
    window = found.measure({"note": rows[2000:]})
    assert window[STRANGE].mean() == pytest.approx(measured[STRANGE].mean(), abs=0.01)


def test_the_words_survive_in_the_baseline_and_are_not_needed_there(tmp_path: Path) -> None:
    write_texts(Texts(), tmp_path)
    assert read_texts(tmp_path) == Texts()
    written, _ = learn_texts({"note": texts(*sentences(200))})
    write_texts(written, tmp_path)
    assert read_texts(tmp_path) == written
    assert "came late" not in (tmp_path / "vocabulary.json").read_text(encoding="utf-8")


def test_a_text_is_read_for_its_measures() -> None:
    known = Texts({"note": frozenset()})
    assert known.sources({LENGTH, STRANGE, "size"}) == {"note", "size"}
    assert known.sources({"size"}) == {"size"}


def test_the_suite_expects_strings_and_no_sentence_of_the_reference() -> None:
    _, measured = learn_texts({"note": texts(*sentences(200), *[None] * 50)})
    reference = summarise_reference(measured, categorical=())
    column = InputColumn(name="note", type="string", required=False)
    suite = build_suite(reference, [column], [], floor=0.1)
    kinds = {item["type"]: item["kwargs"] for item in suite["expectations"]}
    assert set(kinds) == {
        "expect_column_to_exist",
        "expect_column_values_to_be_in_type_list",
        "expect_column_values_to_not_be_null",
    }
    assert kinds["expect_column_values_to_not_be_null"]["mostly"] == pytest.approx(0.7)
    assert summarise(measured, like=reference).rows == 250
