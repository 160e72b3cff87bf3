"""The quick way for rows of numbers: what it reads, it reads as the careful way does."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from seatrial.serving.codec import CSV, JSON, MediaType
from seatrial.serving.invocation import Request, answer, graph_responder
from seatrial.serving.model import Model
from seatrial.serving.plain import PlainRows, plain_rows
from seatrial.serving.session import Session
from seatrial.serving.signature import Column, Output, Signature

AS_JSON, AS_CSV = MediaType(JSON, None), MediaType(CSV, None)


def model(
    types: Sequence[str],
    *,
    element: int = TensorProto.FLOAT,
    required: bool = False,
    names: Sequence[str] = ("a", "b", "c"),
    shape: Sequence[int] | None = None,
) -> Model:
    """Answers with each column, and whether all of them together are over 0."""
    columns = [*names][: len(types)]
    taken = helper.make_tensor_value_info("X", element, [None, *(shape or [len(types)])])
    flat = helper.make_tensor_value_info("Y", element, [None, len(types)])
    sign = helper.make_tensor_value_info("positive", TensorProto.BOOL, [None])
    total = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    nothing = helper.make_tensor("nothing", element, [], [0.0])
    size = helper.make_tensor("size", TensorProto.INT64, [2], [-1, len(types)])
    nodes = [
        helper.make_node("Reshape", ["X", "size"], ["Y"]),
        helper.make_node("ReduceSum", ["Y", "axes"], ["sum"], keepdims=0),
        helper.make_node("Greater", ["sum", "nothing"], ["positive"]),
    ]
    graph = helper.make_graph(nodes, "echo", [taken], [flat, sign], [total, nothing, size])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    outputs = [Output(name, "double", "Y", index) for index, name in enumerate(columns)]
    signature = Signature(
        model_file="",
        inputs=tuple(
            Column(name, kind, required, "X") for name, kind in zip(columns, types, strict=True)
        ),
        outputs=(*outputs, Output("positive", "boolean", "positive", None)),
        input_example=({},),
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "echo.onnx")
        path.write_bytes(made.SerializeToString())
        return Model(Session(path, threads=1), signature)


MODELS = {
    "doubles": model(["double", "double", "double"]),
    "required": model(["double", "float"], required=True),
    "whole": model(["long", "integer", "double"]),
    "wide": model(["double", "long"], element=TensorProto.DOUBLE),
    "one": model(["float"]),
    "longs": model(["long"]),
    "shaped": model(["double", "double"], shape=[1, 2, 1]),
    "numbers as names": model(["double", "double"], names=["0", "1e5"]),
}
CAREFUL = {name: graph_responder(one, keep_columns=True) for name, one in MODELS.items()}
QUICK = {name: graph_responder(one, keep_columns=False) for name, one in MODELS.items()}


def quick(name: str) -> PlainRows:
    found = plain_rows(MODELS[name])
    assert found is not None
    return found


edges = [0, -0.0, 2**53 - 1, 2**53, 2**53 + 1, 2**31 - 1, 2**31, -(2**31), 2**63, 2**64, 0.5]
edges += [3.4028234663852886e38, 3.4028235e38, 3.5e38, 1e150, 1.7976931348623157e308, 1e-320, 1e16]
numbers = (
    st.sampled_from([*edges, *(-edge for edge in edges)])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(-(2**70), 2**70)
    | st.integers(-5, 5)
)
cells = numbers | st.none()
odd = st.booleans() | st.text(max_size=3) | st.just([1]) | st.just({"a": 1})
rows = st.lists(
    st.lists(cells, min_size=1, max_size=3) | st.lists(cells | odd, max_size=4), max_size=4
) | st.integers(1, 3).flatmap(
    lambda width: st.lists(st.lists(cells, min_size=width, max_size=width), min_size=1, max_size=5)
)
splits = st.fixed_dictionaries(
    {"data": rows},
    optional={
        "columns": st.sampled_from([["a", "b"], ["a", "b", "c"], ["b", "a"], ["a", "a"], None]),
        "index": st.just([0]),
        "more": st.just(1),
    },
)
documents = (
    rows.map(lambda found: {"instances": found})
    | splits.map(lambda found: {"dataframe_split": found})
    | rows.map(lambda found: {"instances": found, "inputs": {}})
    | st.just({"dataframe_records": [{"a": 1}]})
)
texts = st.text('0123456789+-.eE, \n\r"_naif', max_size=24) | st.lists(
    st.lists(cells.map(lambda cell: "" if cell is None else str(cell)), min_size=1, max_size=3).map(
        ",".join
    ),
    min_size=1,
    max_size=4,
).flatmap(lambda lines: st.sampled_from(["\n", "\r\n", "\n\n"]).map(lambda end: end.join(lines)))
bodies = st.one_of(
    st.tuples(st.just(JSON), documents.map(lambda document: json.dumps(document).encode())),
    st.tuples(
        st.sampled_from([CSV, CSV, f"{CSV}; header=present", f"{CSV};header=absent"]),
        (texts | texts.map("{}\n".format)).map(str.encode),
    ),
    st.tuples(st.sampled_from([CSV, JSON]), st.binary(max_size=20)),
)


@settings(max_examples=900, deadline=None, derandomize=True, database=None)
@given(st.sampled_from([*MODELS]), bodies, st.sampled_from(["", CSV, JSON, "image/png"]))
@example("doubles", (JSON, b'{"instances": [[1e999, 1, 1]]}'), "")
@example("doubles", (JSON, b'{"instances": [[1, 1, 1]], "instances": [{"a": 1}]}'), "")
@example("numbers as names", (CSV, b"0,1e5\n1,2\n"), "")
@example("required", (JSON, b'{"instances": [[1, null]]}'), "")
@example("one", (JSON, b'{"instances": [[true]]}'), "")
@example("whole", (JSON, b'{"instances": [[-0.0, -0.0, -0.0]]}'), "")
@example("longs", (CSV, b"-0\n"), "")
# rounded to a double first, it would be another float
@example("longs", (JSON, b'{"instances": [[%d]]}' % (2**53 + 2**29 + 1)), "")
@example("one", (CSV, b"1\n\n2\n"), "")
def test_any_body_gets_the_same_answer_both_ways(
    name: str, body: tuple[str, bytes], accept: str
) -> None:
    request = Request(body[0], accept, body[1])
    expected, found = answer(CAREFUL[name], request), answer(QUICK[name], request)
    assert found[:-1] == expected[:-1]


def test_answers_of_one_row_do_not_change_with_the_next() -> None:
    first, second = (
        answer(QUICK["doubles"], Request(CSV, JSON, body)) for body in (b"1,2,3", b"-4,-5,-6")
    )
    assert json.loads(first.body) == {"predictions": [{"a": 1, "b": 2, "c": 3, "positive": True}]}
    assert json.loads(second.body)["predictions"][0]["c"] == -6


@pytest.mark.parametrize(
    ("name", "kind", "body"),
    [
        ("doubles", AS_JSON, b'{"instances":[[1,2.5,-3e2]]}'),
        ("doubles", AS_JSON, b' { "instances" : [ [1, null, 3], [4, 5, 6] ] }'),
        ("doubles", AS_JSON, b'{"dataframe_split": {"columns": ["a","b","c"], "data": [[1,2,3]]}}'),
        ("doubles", AS_JSON, b'{"dataframe_split": {"index": [0], "data": [[1,2,3]]}}'),
        ("whole", AS_JSON, b'{"instances": [[9007199254740991, 2147483646, 0.5]]}'),
        ("required", AS_JSON, b'{"instances": [[1, 2]]}'),
        ("shaped", AS_CSV, b"1,2\n3,4\n"),
        ("doubles", AS_CSV, b"1,,3\r\n4,5,6\r\n"),
        ("doubles", MediaType(CSV, header=False), b"1,2,3"),
    ],
)
def test_the_quick_way_reads(name: str, kind: MediaType, body: bytes) -> None:
    assert quick(name).read(body, kind) is not None


@pytest.mark.parametrize(
    ("name", "kind", "body"),
    [
        ("doubles", AS_JSON, b'{"instances":[[1,2,true]]}'),
        ("doubles", AS_JSON, b'{"instances":[[1,2,"3"]]}'),
        ("doubles", AS_JSON, b'{"instances":[[1,2]]}'),
        ("doubles", AS_JSON, b'{"instances":[[1,2,3.5e38]]}'),
        ("doubles", AS_JSON, b'{"dataframe_split": {"columns": ["b","a","c"], "data": [[1,2,3]]}}'),
        ("required", AS_JSON, b'{"instances": [[1, null]]}'),
        ("whole", AS_JSON, b'{"instances": [[9007199254740992, 1, 1]]}'),
        ("whole", AS_JSON, b'{"instances": [[1, 2147483647, 1]]}'),
        ("whole", AS_JSON, b'{"instances": [[0.5, 1, 1]]}'),
        ("doubles", AS_CSV, b"a,b,c\n1,2,3\n"),
        ("doubles", AS_CSV, b"1,2,nan\n"),
        ("doubles", AS_CSV, b"1,2,1_0\n"),
        ("doubles", MediaType(CSV, header=True), b"1,2,3"),
        ("numbers as names", AS_CSV, b"1,2\n"),
        ("doubles", MediaType("application/jsonlines", None), b"[1,2,3]"),
    ],
)
def test_the_quick_way_leaves_the_rest(name: str, kind: MediaType, body: bytes) -> None:
    assert quick(name).read(body, kind) is None


def test_a_graph_of_whole_numbers_has_no_quick_way() -> None:
    class Whole:
        signature = MODELS["one"].signature
        feeds = (MODELS["one"].feeds[0]._replace(element="int64"),)

    unsuited: Any = Whole()
    assert plain_rows(unsuited) is None
