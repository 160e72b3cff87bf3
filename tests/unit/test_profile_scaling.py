"""Samples made larger: their own rows, in their own format, up to the limit and never over it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from seatrial.steps.profile_model import Payload, scale, scaled_payloads


def sample(body: str, rows: int, content_type: str = "text/csv") -> Payload:
    return Payload("sample", content_type, rows, body.encode())


def test_csv_rows_are_repeated_in_turn_below_their_header() -> None:
    made = scale(sample("a,b\n1,2\n3,4\n", 2), 24)
    assert made is not None
    assert made.body == b"a,b\n1,2\n3,4\n1,2\n3,4\n1,2\n"
    assert (made.rows, made.content_type) == (5, "text/csv")


@pytest.mark.parametrize(
    ("size", "rows"),
    [
        pytest.param(41, 10, id="under"),
        pytest.param(40, 10, id="exactly-at-limit"),
        pytest.param(39, 9, id="over"),
    ],
)
def test_it_is_as_large_as_the_limit_allows(size: int, rows: int) -> None:
    made = scale(sample("1,2\n", 1), size)
    assert made is not None
    assert made.rows == rows


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        pytest.param({"instances": [[1, 2]]}, {"instances": [[1, 2]] * 3}, id="instances"),
        pytest.param([[1, 2]], [[1, 2]] * 3, id="bare"),
        pytest.param(
            {"dataframe_split": {"columns": ["a"], "index": [0], "data": [[1]]}},
            {"dataframe_split": {"columns": ["a"], "index": [0] * 3, "data": [[1]] * 3}},
            id="split",
        ),
        pytest.param(
            {"inputs": {"a": [1], "b": ["x"]}},
            {"inputs": {"a": [1] * 3, "b": ["x"] * 3}},
            id="by-column",
        ),
        pytest.param(
            {"instances": [{"a": [1, 2, 3]}], "parameters": {"k": 5}},
            {"instances": [{"a": [1, 2, 3]}] * 3, "parameters": {"k": 5}},
            id="rows-stay-whole",
        ),
    ],
)
def test_json_rows_are_repeated_wherever_they_are(document: Any, expected: Any) -> None:
    size = len(json.dumps(expected, separators=(",", ":")))
    made = scale(sample(json.dumps(document), 1, "application/json"), size)
    assert made is not None
    assert json.loads(made.body) == expected
    assert made.rows == 3


def test_json_lines_are_lines() -> None:
    made = scale(sample('{"a":1}\n', 1, "application/jsonlines; charset=utf-8"), 33)
    assert made is not None
    assert made.body == b'{"a":1}\n' * 4


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(sample("<rows/>", 1, "text/xml"), id="another-format"),
        pytest.param(sample("1\n2\n3\n4\n", 2), id="lines-are-not-rows"),
        pytest.param(sample('{"n": 3}', 2, "application/json"), id="no-list-of-rows"),
        pytest.param(sample("{", 1, "application/json"), id="no-json"),
        pytest.param(Payload("sample", "text/csv", 1, b"\xff\n"), id="no-text"),
        pytest.param(sample("a,b\n", 1), id="no-room"),
    ],
)
def test_what_cannot_be_repeated_is_left_out(payload: Payload) -> None:
    assert scale(payload, 6) is None


def test_each_content_type_is_scaled_from_its_sample_of_most_rows_beyond_the_largest() -> None:
    samples = [
        sample("1,2\n", 1),
        sample("3,4\n" * 20, 20),
        sample('{"instances":[[1,2]]}', 1, "application/json"),
    ]
    made = scaled_payloads(samples, 1000)
    assert [(item.content_type, len(item.body)) for item in made] == [
        ("text/csv", 248),  # 62 bytes are less than the largest sample has
        ("application/json", 249),
        ("text/csv", 1000),
        ("application/json", 999),
    ]
    assert {item.body[:4] for item in made if item.content_type == "text/csv"} == {b"3,4\n"}


def test_samples_that_fill_the_limit_are_not_scaled() -> None:
    assert scaled_payloads([sample("1,2\n" * 250, 250)], 1000) == []
