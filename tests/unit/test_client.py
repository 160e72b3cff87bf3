"""What a client sends, how it splits and joins, and what it asks again: all without a network."""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from seatrial.client import (
    AsyncInferenceClient,
    DeadlineError,
    InvocationError,
    Options,
    Retries,
)
from seatrial.client.bodies import Body, body_of
from seatrial.client.exchange import (
    Answered,
    Call,
    Chance,
    Event,
    Late,
    Outcome,
    Part,
    Prediction,
    Refused,
    converse,
)
from seatrial.client.retries import advise
from seatrial.client.splitting import MAX_BODY_BYTES, cut, fitting, join
from seatrial.client.transport import within
from seatrial.errors import InputError
from seatrial.serving.arrays import decode, decode_answer, encode
from seatrial.serving.signature import parse_signature

TYPES = ["text/csv", "application/json", "application/jsonlines", "application/x-npy"]
ROWS = [{"a": 1.5, "b": 'x "y",\nz'}, {"a": None, "b": "é"}, {"a": 3.0, "b": "w"}]
SIGNATURE = parse_signature(
    {
        "schema_version": 1,
        "task": "regression",
        "model_file": "model.onnx",
        "inputs": [
            {"name": "a", "type": "double", "required": False, "onnx_input": "a"},
            {"name": "b", "type": "string", "required": True, "onnx_input": "b"},
        ],
        "outputs": [{"name": "y", "type": "double", "onnx_output": "y", "index": 0}],
        "label": None,
        "score": "y",
        "input_example": [{"a": 1.0, "b": "x"}],
    }
)


def rows_in(body: Body) -> list[tuple[Any, ...]]:
    """The rows as the server reads them; NaN as None."""
    columns = decode(body.content, body.content_type, SIGNATURE)
    values = [
        [None if isinstance(v, float) and v != v else v for v in column.tolist()]
        for column in columns.values()
    ]
    return list(zip(*values, strict=True))


def structured(rows: Sequence[dict[str, Any]]) -> Any:
    cells = [(np.nan if row["a"] is None else row["a"], row["b"]) for row in rows]
    return np.array(cells, dtype=[("a", "f8"), ("b", "U20")])


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("given", ["rows", "lists", "array"])
def test_the_server_reads_what_was_given(kind: str, given: str) -> None:
    if kind == "application/x-npy" and given != "array":
        with pytest.raises(InputError, match="an array for application/x-npy"):
            body_of(ROWS, kind)
        return
    forms = {
        "rows": ROWS,
        "lists": [list(row.values()) for row in ROWS],
        "array": structured(ROWS),
    }
    assert rows_in(body_of(forms[given], kind)) == [tuple(row.values()) for row in ROWS]


def test_bytes_and_text_go_as_they_are() -> None:
    assert body_of(b"\x00\x01", "image/png").content == b"\x00\x01"
    assert body_of("é", "text/plain").content == "é".encode()


@pytest.mark.parametrize("data", [[], {}, 3, ["text"], [1, 2], [{"a": 1}, [2]]])
def test_what_are_no_rows_is_refused(data: Any) -> None:
    with pytest.raises(InputError, match="cannot be written as text/csv"):
        body_of(data, "text/csv")


def test_numbers_of_numpy_and_booleans_are_written_as_the_server_reads_them() -> None:
    assert body_of([[np.float32(0.5), True, float("nan")]], "text/csv").content == b"0.5,true,\n"
    body = body_of([{"a": np.int64(3), "b": float("nan")}], "application/json")
    assert json.loads(body.content) == {"dataframe_records": [{"a": 3, "b": None}]}


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("parts", [2, 3, 7])
def test_parts_hold_the_rows_in_order_and_their_answers_join(kind: str, parts: int) -> None:
    rows = [{"a": float(number), "b": f"{number}\n," + number % 7 * "x"} for number in range(50)]
    whole = body_of(structured(rows) if kind.endswith("npy") else rows, kind)
    found = cut(whole, parts)
    assert [size for _, size in found] == [
        50 * (n + 1) // parts - 50 * n // parts for n in range(parts)
    ]
    assert [row for body, _ in found for row in rows_in(body)] == rows_in(whole)

    answers = [
        Body(encode({"y": decode(part.content, part.content_type, SIGNATURE)["a"]}, kind), kind)
        for part, _ in found
    ]
    joined = decode_answer(join(answers).content, kind, SIGNATURE)
    assert joined["y"].tolist() == [row["a"] for row in rows]


@pytest.mark.parametrize(
    "document",
    [
        {"dataframe_split": {"columns": ["b", "a"], "data": [["x", 1], ["y", 2], ["z", 3]]}},
        {"dataframe_split": {"data": [[1, "x"], [2, "y"], [3, "z"]]}},
        {"instances": [[1, "x"], [2, "y"], [3, "z"]]},
        {"inputs": {"b": ["x", "y", "z"], "a": [1, 2, 3]}},
    ],
)
def test_every_form_of_json_can_be_split(document: Any) -> None:
    whole = Body(json.dumps(document).encode(), "application/json")
    found = cut(whole, 2)
    assert [row for body, _ in found for row in rows_in(body)] == rows_in(whole)


@pytest.mark.parametrize(("header", "first"), [("present", b"a,b\n"), ("absent", b"1,x\n")])
def test_a_header_is_repeated_if_it_is_said_to_be_one(header: str, first: bytes) -> None:
    text = b"a,b\n1,x\n2,y\n3,z" if header == "present" else b"1,x\n2,y\n3,z"
    for part, _ in cut(Body(text, f"text/csv; header={header}"), 2):
        assert part.content.startswith(first) is (header == "present" or b"1,x" in part.content)
    with pytest.raises(InputError, match="header=present"):
        cut(Body(text, "text/csv"), 2)


@pytest.mark.parametrize(("over", "calls"), [(-1, 1), (0, 1), (1, 2)])
def test_what_is_over_the_limit_goes_in_parts(over: int, calls: int) -> None:
    row = b"x" * 99 + b"\n"
    rows, rest = divmod(MAX_BODY_BYTES + over, 100)
    content = row * (rows - 1) + b"y" * (rest + 99) + b"\n"
    assert len(content) == MAX_BODY_BYTES + over
    found = fitting(Body(content, "text/csv; header=absent"))
    assert len(found) == calls
    assert all(len(part.content) <= MAX_BODY_BYTES for part, _ in found)
    assert b"".join(part.content for part, _ in found) == content


def test_rows_of_different_sizes_are_split_until_each_part_fits() -> None:
    content = b"a\n" * 1000 + b"b" * 900 + b"\n"
    found = fitting(Body(content, "text/csv; header=absent"), limit=1000)
    assert b"".join(part.content for part, _ in found) == content
    assert sum(rows or 0 for _, rows in found) == 1001
    assert max(len(part.content) for part, _ in found) <= 1000


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (Body(b"x" * 11, "text/csv; header=absent"), "bytes for one row"),
        (Body(b"x" * 11, "image/png"), "a content type with rows"),
        (Body(b'{"a": {"b": 1}}', "application/json"), "a list of rows"),
        (Body(b"no json, none", "application/json"), "rows that can be told apart"),
    ],
)
def test_what_cannot_be_split_says_why(body: Body, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fitting(body, limit=10)


@pytest.mark.parametrize(
    "contents", [[b'{"a": [1]}', b'{"b": [1]}'], [b'{"a": 1}', b'{"a": 2}'], [b"{", b"}"]]
)
def test_answers_that_are_no_lists_cannot_be_joined(contents: list[bytes]) -> None:
    with pytest.raises(InputError, match="cannot be joined"):
        join([Body(content, "application/json") for content in contents])


@pytest.mark.parametrize(
    ("code", "status", "original", "advice"),
    [
        ("ThrottlingException", 429, None, "spill"),
        ("ModelNotReadyException", 429, None, "spill"),
        ("ModelError", 424, 500, "retry"),
        ("ModelError", 424, 499, "final"),
        ("ModelError", 424, 400, "final"),
        ("ModelError", 424, 0, "final"),  # it timed out
        ("ModelError", 424, 200, "halve"),
        ("ModelError", 424, None, "final"),
        ("InternalFailure", 500, None, "retry"),
        ("ServiceUnavailable", 503, None, "retry"),
        ("ValidationError", 400, None, "final"),
        ("AccessDeniedException", 403, None, "final"),
    ],
)
def test_only_what_is_safe_is_asked_again(
    code: str, status: int, original: int | None, advice: str
) -> None:
    assert advise(code, status, original) == advice


@pytest.mark.parametrize(
    ("made", "wait_s"), [(1, 0.5), (2, 1.0), (3, 2.0), (4, 2.0), (5, None), (6, None)]
)
def test_waits_double_up_to_the_cap(made: int, wait_s: float | None) -> None:
    retries = Retries(attempts=5, base_s=1.0, cap_s=4.0)
    assert retries.wait_s(made, 0.5) == wait_s
    assert retries.wait_s(made, 0.0) == (None if wait_s is None else 0)


class Talk:
    """Holds a conversation with scripted outcomes, in a time of its own."""

    def __init__(self, body: Body, options: Options, inference_id: str = "mine") -> None:
        self.now = 0.0
        self.parts: list[Part] = []
        self.waits: list[float] = []
        chance = Chance(lambda: self.now, lambda: 1.0)
        self._conversation = converse(body, inference_id, options, chance)

    def hold(self, *outcomes: Outcome, call_s: float = 0.0) -> Prediction:
        script, outcome = list(outcomes), None
        while True:
            try:
                step = self._conversation.send(outcome)
            except StopIteration as end:
                assert not script
                return end.value  # type: ignore[no-any-return]
            if isinstance(step, Call):
                self.parts.append(step.part)
                self.now += call_s
                outcome = script.pop(0)
            else:
                self.waits.append(step.seconds)
                self.now += step.seconds
                outcome = None


THROTTLED = Refused("ThrottlingException", "busy", "spill", RuntimeError("busy"))
FINAL = Refused("ValidationError", "no", "final", RuntimeError("no"))
TOO_LARGE = Refused("ModelError", "large", "halve", RuntimeError("large"))
CSV = "text/csv; header=absent"
OPTIONS = Options(retries=Retries(attempts=3, base_s=1.0, cap_s=8.0), deadline_s=10)


def answered(text: str) -> Answered:
    return Answered(Body(text.encode(), "text/csv"), f"event-of-{text.strip()}")


def test_each_attempt_carries_the_same_inference_id() -> None:
    talk = Talk(Body(b"1\n", CSV), OPTIONS)
    found = talk.hold(THROTTLED, THROTTLED, answered("2\n"))
    assert (found.body, found.attempts, talk.waits) == (b"2\n", 3, [1.0, 2.0])
    assert {part.inference_id for part in talk.parts} == {"mine"}
    assert found.events == (Event("event-of-2", "mine", None),)


def test_after_the_last_attempt_the_error_says_what_was_wrong() -> None:
    with pytest.raises(InvocationError, match=r"3 attempts.*busy") as caught:
        Talk(Body(b"1\n", CSV), OPTIONS).hold(THROTTLED, THROTTLED, THROTTLED)
    assert (caught.value.code, caught.value.spill) == ("ThrottlingException", True)
    assert caught.value.__cause__ is THROTTLED.error
    assert "Raise its MaxConcurrency" in str(caught.value)


def test_what_is_not_safe_is_asked_once() -> None:
    talk = Talk(Body(b"1\n", CSV), OPTIONS)
    with pytest.raises(InvocationError, match="1 attempt: got 'ValidationError") as caught:
        talk.hold(FINAL)
    assert "Check the endpoint's name" in str(caught.value)
    assert talk.waits == []


@pytest.mark.parametrize(("call_s", "in_time"), [(3.4, True), (3.5, False)])
def test_the_deadline_is_for_calls_and_waits_together(call_s: float, in_time: bool) -> None:
    # 3.4 + 1 + 3.4 + 2 is under 10 s; what follows may take what is left
    talk = Talk(Body(b"1\n", CSV), OPTIONS)
    script = (THROTTLED, THROTTLED, answered("2\n"))
    if in_time:
        assert talk.hold(*script, call_s=call_s).text == "2\n"
    else:
        with pytest.raises(DeadlineError, match=r"within 10 s.*after 2 attempts") as caught:
            talk.hold(*script, call_s=call_s)
        assert caught.value.code == "ThrottlingException"


def test_a_call_that_is_late_ends_it() -> None:
    with pytest.raises(DeadlineError, match="no answer yet"):
        Talk(Body(b"1\n", CSV), OPTIONS).hold(Late())


def test_too_large_an_answer_is_asked_for_in_halves_of_halves() -> None:
    talk = Talk(Body(b"1\n2\n3\n", CSV), OPTIONS)
    found = talk.hold(TOO_LARGE, answered("1\n"), TOO_LARGE, answered("2\n"), answered("3\n"))
    assert found.text == "1\n2\n3\n"
    sent = [(part.inference_id, part.body.content) for part in talk.parts]
    assert sent == [
        ("mine", b"1\n2\n3\n"),
        ("mine/1", b"1\n"),
        ("mine/2", b"2\n3\n"),
        ("mine/2/1", b"2\n"),
        ("mine/2/2", b"3\n"),
    ]
    assert [(event.inference_id, event.rows) for event in found.events] == [
        ("mine/1", 1),
        ("mine/2/1", 1),
        ("mine/2/2", 1),
    ]


def test_one_row_with_too_large_an_answer_is_an_error() -> None:
    with pytest.raises(InputError, match="its answer, is over the service's limit"):
        Talk(Body(b"1\n", CSV), OPTIONS).hold(TOO_LARGE)


@pytest.mark.parametrize(("length", "fits"), [(62, True), (63, False), (64, False), (65, False)])
def test_an_inference_id_leaves_room_for_parts(length: int, fits: bool) -> None:
    talk = Talk(Body(b"1\n2\n", CSV), OPTIONS, "i" * length)
    if fits:
        talk.hold(TOO_LARGE, answered("1\n"), answered("2\n"))
        assert len(talk.parts[-1].inference_id) == 64
        return
    with pytest.raises(InputError, match="inference id"):
        talk.hold(TOO_LARGE, answered("1\n"), answered("2\n"))
    assert len(talk.parts) == (length <= 64)


def test_work_that_takes_too_long_is_left_to_itself() -> None:
    started = time.monotonic()
    assert isinstance(within(0.05, lambda: time.sleep(5) or Late()), Late)
    assert time.monotonic() - started < 1
    assert within(5, lambda: FINAL) is FINAL
    with pytest.raises(IndexError):
        within(5, lambda: [FINAL][1])


class SlowRuntime:
    """A runtime whose calls take a while; counts them."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.calls = seconds, 0

    def invoke_endpoint(self, **_: Any) -> dict[str, Any]:
        self.calls += 1
        time.sleep(self.seconds)
        return {"Body": io.BytesIO(b"2\n"), "ContentType": "text/csv"}


def test_awaiting_keeps_the_deadline_while_waiting_for_a_thread_too() -> None:
    runtime = SlowRuntime(0.4)

    async def story() -> list[Any]:
        options = Options(deadline_s=0.6)
        async with AsyncInferenceClient("e", options, at_once=1, runtime=runtime) as client:
            asked = (client.predict(b"1") for _ in range(4))
            return await asyncio.gather(*asked, return_exceptions=True)

    started = time.monotonic()
    found = asyncio.run(story())
    assert time.monotonic() - started < 1.5
    assert found[0].text == "2\n"
    assert [type(item) for item in found[1:]] == [DeadlineError] * 3
    time.sleep(0.5)
    assert runtime.calls <= 2  # those that were late in the queue were never made


@pytest.mark.parametrize("module", ["seatrial.client", "seatrial.router", "seatrial.orchestrator"])
def test_importing_needs_nothing_that_a_function_on_lambda_lacks(module: str) -> None:
    code = f"import json, sys, {module}, botocore.session; print(json.dumps(sorted(sys.modules)))"
    loaded = {
        name.partition(".")[0]
        for name in json.loads(subprocess.check_output([sys.executable, "-c", code]))
    }
    assert "botocore" in loaded
    heavy = {"boto3", "pydantic", "numpy", "yaml", "typer", "rich", "orjson", "requests"}
    assert not heavy & loaded
