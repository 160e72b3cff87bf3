"""Which columns are ids: what never repeats, and is neither a measurement nor a sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from seatrial.contracts import InputColumn
from seatrial.monitoring.ids import LEAST_VALUES, id_columns

NUMBERS = np.arange(LEAST_VALUES)


def is_id(values: Any, kind: Any) -> bool:
    column = InputColumn(name="x", type=kind, required=False, onnx_input="x")
    return bool(id_columns({"x": values}, [column]))


def texts(form: str) -> np.ndarray:
    return np.array([form.format(number) for number in NUMBERS], dtype=object)


def test_numbers_and_words_that_never_repeat_are_ids() -> None:
    assert is_id(NUMBERS, "long")
    assert is_id(NUMBERS.astype(np.int32), "integer")
    assert is_id(texts("order-{}"), "string")


def test_a_single_repetition_is_enough_to_be_none() -> None:
    for values in (NUMBERS.copy(), texts("order-{}")):
        values[-1] = values[0]
        assert not is_id(values, "string" if values.dtype.kind == "O" else "long")


def test_measurements_and_sentences_are_none() -> None:
    assert not is_id(NUMBERS + 0.5, "double")
    assert not is_id(texts("flight {} was late"), "string")


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        pytest.param(LEAST_VALUES - 1, False, id="under"),
        pytest.param(LEAST_VALUES, True, id="exactly"),
        pytest.param(LEAST_VALUES + 1, True, id="over"),
    ],
)
def test_few_values_show_nothing_and_missing_ones_do_not_count(count: int, expected: bool) -> None:
    values = np.append(np.arange(float(count)), [np.nan] * 10)
    assert is_id(values, "long") is expected


def test_columns_that_are_not_there_are_passed_over() -> None:
    column = InputColumn(name="y", type="long", required=True, onnx_input="y")
    assert id_columns({"x": NUMBERS}, [column]) == frozenset()
