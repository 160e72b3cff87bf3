"""Bodies to columns and back: what is missing stays missing, what is wrong says where."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from seatrial.serving.arrays import decode, decode_answer, encode, is_missing
from seatrial.serving.codec import CSV, JSON, JSON_LINES, NPY, answer_type, media_type
from seatrial.serving.errors import RequestError, error_body
from seatrial.serving.signature import Column, Output, Signature


def column(name: str, kind: str, *, required: bool = False) -> Column:
    return Column(name=name, type=kind, required=required, onnx_input=name)


SIGNATURE = Signature(
    model_file="model.onnx",
    inputs=(
        column("carrier", "string", required=True),
        column("hour", "long", required=True),
        column("temp", "double"),
        column("snow", "boolean"),
    ),
    outputs=(Output("label", "long", "label", None), Output("score", "double", "scores", 1)),
    input_example=({"carrier": "UA", "hour": 1},),
)
ROWS = [
    {"carrier": "UA", "hour": 17, "temp": 39.5, "snow": True},
    {"carrier": "B,6", "hour": 5, "temp": None, "snow": None},
]
BODIES = {
    "csv": (CSV, 'UA,17,39.5,true\n"B,6",5,,\n'),
    "csv-no-last-newline": (CSV, 'UA,17,39.5,True\r\n"B,6",5,NaN,'),
    "csv-blank-lines": (CSV, '\nUA,17,39.5,1\n\n"B,6",5,,\n\n'),
    "csv-header": (CSV, 'carrier,hour,temp,snow\nUA,17,39.5,true\n"B,6",5,,\n'),
    "csv-header-any-order": (CSV, 'snow,temp,hour,carrier\ntrue,39.5,17,UA\n,,5,"B,6"\n'),
    "csv-whole-number-as-pandas-writes-it": (CSV, 'UA,17.0,39.5,true\n"B,6",5.0,,\n'),
    "csv-byte-order-mark": (CSV, '\ufeffcarrier,hour,temp,snow\nUA,17,39.5,true\n"B,6",5,,\n'),
    "csv-charset": ("Text/CSV; charset=UTF-8; header=absent", 'UA,17,39.5,true\n"B,6",5,,'),
    "records": (JSON, json.dumps({"dataframe_records": ROWS})),
    "records-without-the-null": (
        JSON,
        json.dumps(
            {"dataframe_records": [ROWS[0], {k: v for k, v in ROWS[1].items() if v is not None}]}
        ),
    ),
    "split": (
        JSON,
        json.dumps(
            {
                "dataframe_split": {
                    "index": [0, 1],
                    "columns": list(ROWS[0]),
                    "data": [list(row.values()) for row in ROWS],
                }
            }
        ),
    ),
    "split-any-order": (
        JSON,
        json.dumps(
            {
                "dataframe_split": {
                    "columns": ["hour", "carrier", "snow", "temp"],
                    "data": [[17, "UA", True, 39.5], [5.0, "B,6", None, None]],
                }
            }
        ),
    ),
    "split-without-columns": (
        JSON,
        json.dumps({"dataframe_split": {"data": [list(row.values()) for row in ROWS]}}),
    ),
    "instances-objects": (JSON, json.dumps({"instances": ROWS})),
    "instances-arrays": (JSON, json.dumps({"instances": [list(row.values()) for row in ROWS]})),
    "inputs": (JSON, json.dumps({"inputs": {k: [row[k] for row in ROWS] for k in ROWS[0]}})),
    "lines-objects": (JSON_LINES, "\n".join(json.dumps(row) for row in ROWS)),
    "lines-without-the-null": (
        "application/jsonlines; charset=utf-8",
        '{"temp":39.5,"hour":17,"carrier":"UA","snow":true}\r\n\n{"carrier":"B,6","hour":5}\n',
    ),
    "lines-arrays": (JSON_LINES, '["UA",17,39.5,true]\n["B,6",5.0,null,null]\n'),
}


@pytest.mark.parametrize("name", BODIES)
def test_every_form_of_a_request_gives_the_same_columns(name: str) -> None:
    content_type, body = BODIES[name]
    columns = decode(body.encode(), content_type, SIGNATURE)
    assert list(columns) == ["carrier", "hour", "temp", "snow"]
    assert columns["carrier"].tolist() == ["UA", "B,6"]
    assert columns["hour"].dtype == np.int64
    assert columns["hour"].tolist() == [17, 5]
    np.testing.assert_array_equal(columns["temp"], [39.5, np.nan])
    np.testing.assert_array_equal(columns["snow"], [1.0, np.nan])


def test_missing_values_are_never_zero_and_never_text() -> None:
    signature = Signature(
        model_file="",
        inputs=tuple(
            column(kind, kind)
            for kind in ("string", "double", "float", "long", "integer", "boolean")
        ),
        outputs=(),
        input_example=(),
    )
    for content_type, body in (
        (CSV, ",,,,,"),
        (JSON, json.dumps({"instances": [[None] * 6]})),
        (JSON, json.dumps({"instances": [{}]})),
    ):
        for array in decode(body.encode(), content_type, signature).values():
            assert is_missing(array).tolist() == [True]


def test_an_empty_text_in_json_is_a_text() -> None:
    columns = decode(b'{"instances": [["", 1, null, null]]}', JSON, SIGNATURE)
    assert columns["carrier"].tolist() == [""]


def test_whole_numbers_keep_all_their_digits() -> None:
    for content_type, body in (
        (CSV, f"UA,{2**63 - 1},,"),
        (JSON, json.dumps({"instances": [["UA", 2**63 - 1, None, None]]})),
    ):
        assert decode(body.encode(), content_type, SIGNATURE)["hour"].tolist() == [2**63 - 1]


REFUSED: dict[str, tuple[str, bytes, dict[str, Any], str]] = {
    "empty": (CSV, b"", {}, "the body is empty"),
    "empty-json": (JSON, b" \n", {}, "the body is empty"),
    "header-only": (CSV, b"carrier,hour,temp,snow\n", {}, "no rows"),
    "no-rows": (JSON, b'{"instances": []}', {}, "no rows"),
    "no-rows-split": (JSON, b'{"dataframe_split": {"data": []}}', {}, "no rows"),
    "no-rows-inputs": (JSON, b'{"inputs": {}}', {}, "no rows"),
    "not-utf8": (CSV, b"U\xff,1,2,true", {}, "not UTF-8"),
    "not-utf8-json": (JSON, b'{"instances": [["U\xff", 1, 2, true]]}', {}, "not JSON"),
    "broken-csv": (CSV, b'"UA,1,2,true\n', {}, "not CSV"),
    "narrow": (CSV, b"UA,1,2,true\nUA,1,2\n", {"row": 1}, "wrong number of cells"),
    "wide": (CSV, b"UA,1,2,true,9\n", {"row": 0}, "wrong number of cells"),
    "narrow-json": (JSON, b'{"instances": [["UA", 1, 2]]}', {"row": 0}, "instances"),
    "text-for-number": (CSV, b"UA,1,2,\nUA,1,hot,", {"row": 1, "column": "temp"}, "double"),
    "underscore": (CSV, b"UA,1,1_0,", {"row": 0, "column": "temp"}, "double"),
    "infinite": (CSV, b"UA,1,inf,", {"row": 0, "column": "temp"}, "double"),
    "infinite-json": (JSON, b'{"instances": [["UA", 1, 1e999, null]]}', {}, "not JSON"),
    "nan-json": (JSON, b'{"instances": [["UA", 1, NaN, null]]}', {}, "not JSON"),
    "fraction": (CSV, b"UA,1.5,2,", {"row": 0, "column": "hour"}, "long"),
    "over-64-bits": (CSV, b"UA,9223372036854775808,2,", {"row": 0, "column": "hour"}, "long"),
    "quoted-number": (
        JSON,
        b'{"instances": [["UA", "1", 2, null]]}',
        {"row": 0, "column": "hour"},
        "long",
    ),
    "number-for-text": (
        JSON,
        b'{"instances": [[5, 1, 2, null]]}',
        {"row": 0, "column": "carrier"},
        "string",
    ),
    "true-for-number": (
        JSON,
        b'{"instances": [["UA", 1, true, null]]}',
        {"row": 0, "column": "temp"},
        "double",
    ),
    "number-for-boolean": (
        JSON,
        b'{"instances": [["UA", 1, 2, 1]]}',
        {"row": 0, "column": "snow"},
        "boolean",
    ),
    "word-for-boolean": (CSV, b"UA,1,2,yes", {"row": 0, "column": "snow"}, "boolean"),
    "nested": (
        JSON,
        b'{"instances": [["UA", 1, [2], null]]}',
        {"row": 0, "column": "temp"},
        "double",
    ),
    "required-cell": (CSV, b"UA,1,2,\n,1,2,", {"row": 1, "column": "carrier"}, "is missing"),
    "required-null": (
        JSON,
        b'{"instances": [{"carrier": "UA", "hour": null}]}',
        {"row": 0, "column": "hour"},
        "is missing",
    ),
    "required-column": (CSV, b"carrier,temp,snow\nUA,2,\n", {"column": "hour"}, "is missing"),
    "unknown-column": (
        CSV,
        b"carrier,hour,temp,rain\nUA,1,2,true\n",
        {"column": "rain"},
        "does not have",
    ),
    "unknown-column-json": (
        JSON,
        b'{"instances": [{"carrier": "UA", "hour": 1}, {"rain": 1}]}',
        {"row": 1, "column": "rain"},
        "does not have",
    ),
    "unknown-column-inputs": (JSON, b'{"inputs": {"rain": [1]}}', {"column": "rain"}, "not have"),
    "twice": (CSV, b"carrier,hour,temp,temp\nUA,1,2,3\n", {}, "twice"),
    "twice-json": (
        JSON,
        b'{"dataframe_split": {"columns": ["hour", "hour"], "data": [[1, 2]]}}',
        {},
        "columns",
    ),
    "line-not-json": (
        JSON_LINES,
        b'["UA",1,2,true]\n\n["UA",1,',
        {"row": 1},
        "a line is not JSON",
    ),
    "line-narrow": (JSON_LINES, b'["UA",1,2,true]\n["UA"]', {"row": 1}, "not of its form"),
    "lines-mixed": (JSON_LINES, b'["UA",1,2,true]\n{"hour":1}', {"row": 1}, "not of its form"),
    "line-type": (
        JSON_LINES,
        b'{"carrier":"UA","hour":1}\n{"carrier":"UA","hour":"1"}',
        {"row": 1, "column": "hour"},
        "long",
    ),
    "no-lines": (JSON_LINES, b"\n \n", {}, "the body is empty"),
    "no-object": (JSON, b"[1, 2]", {}, "not a JSON scoring request"),
    "two-forms": (JSON, b'{"instances": [], "inputs": {}}', {}, "not a JSON scoring request"),
    "other-form": (JSON, b'{"data": []}', {}, "not a JSON scoring request"),
    "rows-no-array": (JSON, b'{"dataframe_records": {}}', {}, "not of its form"),
    "row-no-object": (JSON, b'{"dataframe_records": [1]}', {"row": 0}, "not of its form"),
    "uneven-inputs": (
        JSON,
        b'{"inputs": {"carrier": ["UA"], "hour": [1, 2]}}',
        {"column": "hour"},
        "not of its form",
    ),
    "inputs-no-array": (JSON, b'{"inputs": {"hour": 1}}', {"column": "hour"}, "not of its form"),
    "split-no-data": (JSON, b'{"dataframe_split": {"columns": []}}', {}, "not of its form"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_wrong_body_is_refused_and_says_what_and_where(name: str) -> None:
    content_type, body, where, what = REFUSED[name]
    with pytest.raises(RequestError) as caught:
        decode(body, content_type, SIGNATURE)
    error = error_body(caught.value)["error"]
    assert what in error["what"]
    assert error.get("where", {}) == where
    assert caught.value.status == 400
    assert error["got"]
    assert error["allowed"]
    assert error["do"]


@pytest.mark.parametrize("kind", ["float", "integer"])
def test_a_number_of_32_bits_is_taken_up_to_its_limit(kind: str) -> None:
    signature = Signature("", (column("x", kind),), (), ())
    largest = 2**31 - 1 if kind == "integer" else float(np.finfo(np.float32).max)
    over = 2**31 if kind == "integer" else 3.5e38
    assert decode(f"{largest!r}".encode(), CSV, signature)["x"].tolist() == [largest]
    with pytest.raises(RequestError, match="32 bits" if kind == "integer" else "3.4e38"):
        decode(f"{over!r}".encode(), CSV, signature)


def test_a_cell_may_be_as_large_as_a_body() -> None:
    text = "x" * 1_000_000
    assert decode(f"{text},1,,".encode(), CSV, SIGNATURE)["carrier"].tolist() == [text]


@pytest.mark.parametrize("content_type", ["", "text/html", "text/csv; charset=latin-1"])
def test_an_unknown_content_type_is_a_415(content_type: str) -> None:
    with pytest.raises(RequestError, match="text/csv") as caught:
        media_type(content_type)
    assert caught.value.status == 415


@pytest.mark.parametrize(
    ("accept", "answer"),
    [
        ("", CSV),
        ("*/*", CSV),
        ("text/*", CSV),
        ("application/json", JSON),
        ("application/jsonlines", JSON_LINES),
        ("application/x-npy; q=1", NPY),
        ("image/png, application/json;q=0.5", JSON),
    ],
)
def test_the_answer_is_written_as_the_caller_accepts_it(accept: str, answer: str) -> None:
    assert answer_type(CSV, accept) == answer


def test_an_answer_that_nobody_can_write_is_a_406() -> None:
    with pytest.raises(RequestError, match="image/png") as caught:
        answer_type(CSV, "image/png")
    assert caught.value.status == 406


def test_a_header_can_be_ruled_out() -> None:
    signature = Signature("", (column("text", "string"),), (), ())
    with pytest.raises(RequestError, match="no rows"):
        decode(b"text\n", "text/csv", signature)
    assert decode(b"text\n", "text/csv; header=absent", signature)["text"].tolist() == ["text"]


@pytest.mark.parametrize("name", [CSV, JSON, JSON_LINES, NPY])
def test_an_answer_can_be_read_again(name: str) -> None:
    answer = {"label": np.array([0, 1]), "score": np.array([0.1, np.nan])}
    body = encode(answer, name)
    again = decode_answer(body, name, SIGNATURE)
    np.testing.assert_array_equal(again["label"], answer["label"])
    np.testing.assert_array_equal(again["score"], answer["score"])


def test_answers_are_written_as_documented() -> None:
    answer = {
        "label": np.array(["a", 'b"c'], dtype=object),
        "late": np.array([True, False]),
        "score": np.array([0.13, np.nan]),
    }
    assert encode(answer, CSV) == b'a,true,0.13\n"b""c",false,\n'
    assert json.loads(encode(answer, JSON)) == {
        "predictions": [
            {"label": "a", "late": True, "score": 0.13},
            {"label": 'b"c', "late": False, "score": None},
        ]
    }


NUMBERS = Signature(
    model_file="",
    inputs=(
        column("hour", "long", required=True),
        column("temp", "double"),
        column("wet", "boolean"),
    ),
    outputs=(),
    input_example=(),
)


def saved(array: Any, **options: Any) -> bytes:
    output = io.BytesIO()
    np.save(output, array, **options)
    return output.getvalue()


FIELDS = [("wet", "?"), ("carrier", "U2"), ("hour", ">i4")]
ARRAYS: dict[str, Any] = {
    "float64": np.array([[17, 39.5, 1], [5, np.nan, np.nan]]),
    "float32-fortran": np.array([[17, 39.5, 1], [5, np.nan, np.nan]], dtype=np.float32, order="F"),
    "big-endian": np.array([[17, 39.5, 1], [5, np.nan, np.nan]], dtype=">f8"),
    "long-double": np.array([[17, 39.5, 1], [5, np.nan, np.nan]], dtype=np.longdouble),
    "text": np.array([["17", "39.5", "true"], ["5", "", ""]]),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_a_plain_array_is_a_table_in_the_signature_s_order(name: str) -> None:
    columns = decode(saved(ARRAYS[name]), NPY, NUMBERS)
    assert columns["hour"].dtype == np.int64
    assert columns["hour"].tolist() == [17, 5]
    np.testing.assert_array_equal(columns["temp"], [39.5, np.nan])
    np.testing.assert_array_equal(columns["wet"], [1.0, np.nan])


def test_a_structured_array_names_its_columns_in_any_order() -> None:
    array = np.array([(True, "UA", 17), (False, "", 5)], dtype=FIELDS)
    signature = Signature("", (column("carrier", "string"), *NUMBERS.inputs), (), ())
    columns = decode(saved(array), NPY, signature)
    assert list(columns) == ["carrier", "hour", "temp", "wet"]
    assert columns["carrier"].tolist() == ["UA", None]
    assert columns["hour"].tolist() == [17, 5]
    assert columns["wet"].tolist() == [True, False]
    assert is_missing(columns["temp"]).all()


def test_names_beyond_latin_1_and_whole_numbers_of_64_bits_are_read() -> None:
    array = np.array([(2**63 - 1,)], dtype=[("温度", "<i8")])
    with pytest.warns(UserWarning, match="format 3.0"):
        body = saved(array)
    signature = Signature("", (column("温度", "long"),), (), ())
    assert decode(body, NPY, signature)["温度"].tolist() == [2**63 - 1]


def test_one_column_may_come_without_a_second_dimension() -> None:
    signature = Signature("", (column("x", "double"),), (), ())
    assert decode(saved(np.array([1.0, 2.0])), NPY, signature)["x"].tolist() == [1.0, 2.0]


def npy_header(descr: Any, shape: Sequence[int]) -> bytes:
    header = repr({"descr": descr, "fortran_order": False, "shape": tuple(shape)}).encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header


GOOD = saved(np.array([[17, 39.5, 1.0]]))
WRONG_NPY: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "not npy"),
    "csv": (b"17,39.5,1", "not npy"),
    "magic-only": (b"\x93NUMPY", "not npy"),
    "other-version": (GOOD.replace(b"NUMPY\x01", b"NUMPY\x09"), "not npy"),
    "cut": (GOOD[:-1], "not npy"),
    "too-much": (GOOD + b"\0", "not npy"),
    "cut-header": (GOOD[:40], "not npy"),
    "huge": (npy_header("<f8", (2**50, 3)), "not npy"),
    "surrogate-name": (npy_header([("\ud800", "<f8")], (1,)) + bytes(8), "not npy"),
    "deep": (npy_header("<f8", (1, 3)).replace(b"(1, 3)", b"(" * 2), "not npy"),
    "pickle": (saved(np.array([[1, 2, None]], dtype=object), allow_pickle=True), "not a table"),
    "complex": (saved(np.array([[1j, 2, 3]])), "not a table"),
    "times": (saved(np.array([["2013-02-18"] * 3], dtype="M8[D]")), "not a table"),
    "no-bytes": (npy_header("<U0", (10**9, 3)), "not a table"),
    "nested": (npy_header([("hour", "<f8", (2,))], (1,)), "not a table"),
    "no-dimension": (saved(np.array(1.0)), "not a table"),
    "three-dimensions": (saved(np.zeros((1, 1, 3))), "not a table"),
    "one-row-flat": (saved(np.zeros(3)), "not a table"),
    "wide": (saved(np.zeros((1, 4))), "not a table"),
    "no-columns": (npy_header("<f8", (10**9, 0)), "not a table"),
    "negative": (npy_header("<f8", (-1, 3)), "not a table"),
    "no-rows": (saved(np.zeros((0, 3))), "no rows"),
    "unknown-field": (saved(np.zeros(1, dtype=[("rain", "f8")])), "does not have"),
    "required-field": (saved(np.zeros(1, dtype=[("temp", "f8")])), "is missing"),
    "fraction": (saved(np.array([[1.5, 0, 0]])), "type, long"),
    "infinite": (saved(np.array([[1, np.inf, 0]])), "type, double"),
    "two-for-boolean": (saved(np.array([[1, 0, 2]])), "type, boolean"),
    "required-nan": (saved(np.array([[np.nan, 0, 0]])), "is missing"),
}


@pytest.mark.parametrize("name", WRONG_NPY)
def test_an_array_that_is_no_table_is_refused(name: str) -> None:
    body, what = WRONG_NPY[name]
    with pytest.raises(RequestError, match=what) as caught:
        decode(body, NPY, NUMBERS)
    assert caught.value.status == 400
    assert caught.value.do


@pytest.mark.parametrize("code", [0x110000, 0xFFFFFFFF, 0xD800, 0xDFFF])
@pytest.mark.parametrize("order", ["<", ">"])
def test_numbers_that_are_no_characters_are_refused(code: int, order: str) -> None:
    codes = np.array([[65, 66], [67, code]], dtype=f"{order}u4")
    body = npy_header([("text", f"{order}U2")], (2,)) + codes.tobytes()
    signature = Signature("", (column("text", "string"),), (), ())
    with pytest.raises(RequestError, match="no character") as caught:
        decode(body, NPY, signature)
    assert (caught.value.row, caught.value.column) == (1, "text")


def test_an_array_answer_has_a_field_for_each_column() -> None:
    answer = {
        "label": np.array(["late", None], dtype=object),
        "note": np.array([None, None], dtype=object),
        "count": np.array([2**63 - 1, 1]),
        "score": np.array([0.13, np.nan]),
    }
    array = np.load(io.BytesIO(encode(answer, NPY)), allow_pickle=False)
    assert array.dtype.names == ("label", "note", "count", "score")
    assert array["label"].tolist() == ["late", ""]
    assert array["note"].tolist() == ["", ""]
    assert array["count"].tolist() == [2**63 - 1, 1]
    np.testing.assert_array_equal(array["score"], answer["score"])


def test_an_answer_in_json_lines_is_an_object_a_row() -> None:
    answer = {"label": np.array([0, 1]), "score": np.array([0.5, np.nan])}
    assert encode(answer, JSON_LINES) == b'{"label":0,"score":0.5}\n{"label":1,"score":null}\n'
