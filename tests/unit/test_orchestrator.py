"""What the fan-out takes for an event, and what it gives back."""

from __future__ import annotations

import importlib
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from seatrial.client.bodies import Body
from seatrial.client.exchange import Event, Prediction
from seatrial.errors import InputError, InvocationError
from seatrial.localcloud.api import Place
from seatrial.localcloud.template import read_template
from seatrial.orchestrator.code_archive import write_code
from seatrial.orchestrator.fanout import answer
from seatrial.orchestrator.request import EndpointCall, label_of, parse_request

CALL = {"name": "a", "endpoint": "e", "body": "1"}


def prediction(text: str | bytes) -> Prediction:
    body = text.encode() if isinstance(text, str) else text
    return Prediction(body, "text/csv", (Event("id", "i", None),), 1)


def test_a_call_has_what_the_event_says_for_all_unless_it_says_otherwise() -> None:
    event = {
        "body": "shared",
        "content_type": "text/plain",
        "deadline_s": 3,
        "calls": [
            {"name": "a", "endpoint": "x"},
            {"name": "b", "endpoint": "y", "body_base64": "AAE=", "deadline_s": 1},
        ],
    }
    first, second = parse_request(event).calls
    assert (first.body, first.content_type, first.deadline_s) == ("shared", "text/plain", 3)
    assert (second.body, second.deadline_s) == (b"\x00\x01", 1)


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (None, "a JSON object"),
        ({}, "calls, or classify"),
        ({"calls": []}, "calls, or classify"),
        ({"calls": [CALL], "classify": CALL, "routes": {}}, "calls, or classify"),
        ({"classify": CALL}, "calls, or classify"),
        ({"calls": [CALL, CALL]}, "a name of its own"),
        ({"calls": [CALL], "colls": 1}, "colls"),
        ({"calls": [{**CALL, "bdy": 1}]}, "bdy"),
        ({"calls": [{"name": "a", "endpoint": "e"}]}, "body or body_base64"),
        ({"calls": [{**CALL, "body_base64": "AA=="}]}, "body or body_base64"),
        ({"calls": [{"name": "a", "endpoint": "e", "body_base64": "A"}]}, "base64"),
        ({"calls": [{"name": "", "endpoint": "e", "body": ""}]}, "name"),
        ({"calls": [CALL], "deadline_s": 0}, "deadline_s"),
        ({"calls": [CALL], "deadline_s": 901}, "deadline_s"),
        ({"calls": [CALL], "deadline_s": True}, "deadline_s"),
    ],
)
def test_an_event_that_cannot_be_used_is_refused(event: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_request(event)


@pytest.mark.parametrize(("count", "fits"), [(19, True), (20, True), (21, False)])
def test_so_many_calls_may_be_made(count: int, fits: bool) -> None:
    event = {"calls": [{**CALL, "name": f"n{number}"} for number in range(count)]}
    if fits:
        assert len(parse_request(event).calls) == count
    else:
        with pytest.raises(InputError, match="at most 20"):
            parse_request(event)


@pytest.mark.parametrize(
    ("content", "kind", "path", "label"),
    [
        (b'"a, b",0.9\n', "text/csv; charset=utf-8", None, "a, b"),
        (b" de\n", "text/plain", None, "de"),
        (b'{"predictions": [{"label": 3}]}', "application/json", "predictions.0.label", "3"),
    ],
)
def test_the_label_is_read_from_the_answer(
    content: bytes, kind: str, path: str | None, label: str
) -> None:
    assert label_of(Body(content, kind), path) == label


@pytest.mark.parametrize(
    ("content", "path"), [(b"{", "a"), (b"{}", "a"), (b"[]", "0"), (b"1", "a"), (b"\xff", None)]
)
def test_an_answer_without_a_label_says_so(content: bytes, path: str | None) -> None:
    with pytest.raises(InputError, match="no label"):
        label_of(Body(content, "application/json"), path)


def ask(call: EndpointCall) -> Prediction:
    if call.endpoint == "slow":
        time.sleep(5)
    if call.endpoint == "busy":
        raise InvocationError("w", code="ThrottlingException", spill=True, got=1, allowed=2, do="d")
    if call.endpoint == "bug":
        raise RuntimeError("a fault of ours")
    return prediction(b"\xff" if call.endpoint == "bytes" else str(call.body))


def test_what_arrived_comes_back_with_the_reason_for_the_rest() -> None:
    names = ("quick", "bytes", "slow", "busy", "bug")
    calls = [{"name": name, "endpoint": name, "body": "1"} for name in names]
    started = time.monotonic()
    found = answer(parse_request({"calls": calls, "deadline_s": 0.2}), ask)
    assert time.monotonic() - started < 2
    assert found["answers"]["quick"]["body"] == "1"
    assert found["answers"]["bytes"]["body_base64"] == "/w=="
    assert {name: item["reason"] for name, item in found["missing"].items()} == {
        "slow": "deadline",
        "busy": "busy",
        "bug": "failed",
    }


@pytest.mark.parametrize(
    ("body", "route", "asked"),
    [("x", "x", {"kind", "first"}), ("y", "y", {"kind", "rest"})],
)
def test_the_classifier_chooses_the_calls(body: str, route: str, asked: set[str]) -> None:
    event = {
        "body": body,
        "classify": {"name": "kind", "endpoint": "classifier"},
        "routes": {"x": [{"name": "first", "endpoint": "e"}]},
        "otherwise": [{"name": "rest", "endpoint": "e"}],
    }
    found = answer(parse_request(event), ask)
    assert (found["route"], set(found["answers"])) == (route, asked)


@pytest.mark.parametrize(("endpoint", "reason"), [("busy", "busy"), ("bytes", "request")])
def test_without_a_label_nothing_else_is_asked(endpoint: str, reason: str) -> None:
    event = {
        "body": "1",
        "classify": {"name": "kind", "endpoint": endpoint},
        "routes": {},
        "otherwise": [{"name": "rest", "endpoint": "e"}],
    }
    found = answer(parse_request(event), ask)
    assert (found["answers"], found["missing"]["kind"]["reason"]) == ({}, reason)


def test_the_stack_beside_the_code_is_a_function_that_may_ask_its_endpoints_and_no_others(
    tmp_path: Path,
) -> None:
    code = write_code(tmp_path / "fanout.zip")
    given = {"CodeBucket": "b", "CodeKey": "k", "EndpointArns": "arn:one,arn:two"}
    template = read_template(
        (tmp_path / "fanout.yaml").read_text(encoding="utf-8"),
        given,
        Place("us-east-1", "http://127.0.0.1:1", "/nowhere"),
    )
    made = {
        name: template.resolve(item["Properties"], "{}.{}".format)
        for name, item in template.wanted().items()
    }
    statements = made["Role"]["Policies"][0]["PolicyDocument"]["Statement"]
    assert [(item["Action"], item["Resource"]) for item in statements] == [
        ("sagemaker:InvokeEndpoint", "arn:one,arn:two"),  # a list, where CloudFormation resolves it
        (["logs:CreateLogStream", "logs:PutLogEvents"], "Log.Arn"),
    ]
    module, _, name = made["Function"]["Handler"].rpartition(".")
    assert callable(getattr(importlib.import_module(module), name))
    with zipfile.ZipFile(code) as archive:
        assert f"{module.replace('.', '/')}.py" in archive.namelist()
    assert made["Function"]["LoggingConfig"]["LogGroup"] == "Log.Ref"
