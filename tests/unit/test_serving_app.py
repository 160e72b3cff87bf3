"""The application behind its HTTP: paths, methods, limits, and the record first."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from seatrial.serving.app import Application
from seatrial.serving.errors import PredictionError
from seatrial.serving.http1 import MAX_BODY_BYTES, Connection
from seatrial.serving.invocation import graph_responder
from seatrial.serving.model import Model
from seatrial.serving.record import Records
from seatrial.serving.recorder import Recorder
from seatrial.serving.recording import Recording
from seatrial.serving.settings import Identity
from seatrial.serving.signature import Column, Output, Signature

CSV = {"content-type": "text/csv"}


class Doubler:
    """Stands in for a model: y = 2 x, and fails on 13."""

    signature = Signature(
        model_file="",
        inputs=(Column("x", "double", required=False, onnx_input="x"),),
        outputs=(Output("y", "double", "y", None),),
        input_example=({"x": 1.0},),
    )

    def answer(self, columns: dict[str, Any]) -> dict[str, Any]:
        if 13 in columns["x"]:
            raise PredictionError("the model failed", got="13", allowed="an answer", do="Look")
        if 14 in columns["x"]:
            raise ZeroDivisionError("a fault of ours")
        return {"y": [2 * value for value in columns["x"]]}


@dataclass
class Kept:
    """Stands in for Records."""

    records: list[dict[str, Any]] = field(default_factory=list)
    error: OSError | None = None

    def write(self, line: bytes, *_: str) -> None:
        if self.error is not None:
            raise self.error
        self.records.append(json.loads(line))


@dataclass
class Caller:
    """Sends requests over a connection, and reads the answers."""

    kept: Kept
    app: Application

    def __call__(
        self,
        method: str = "POST",
        path: str = "/invocations",
        *,
        body: bytes = b"",
        headers: dict[str, str] = CSV,
        chunks: list[bytes] | None = None,
    ) -> tuple[int, dict[str, str], Any]:
        sent = chunks or [body]
        sizes = {"Content-Length": str(sum(map(len, sent)))}
        lines = [f"{name}: {value}\r\n" for name, value in {**headers, **sizes}.items()]
        connection = Connection(self.app)
        head = f"{method} {path} HTTP/1.1\r\n{''.join(lines)}\r\n".encode()
        answer = b"".join([connection.feed(head), *map(connection.feed, sent)])
        start, _, content = answer.partition(b"\r\n\r\n")
        status, *pairs = start.decode().split("\r\n")
        found = dict(pair.split(": ", 1) for pair in pairs)
        assert found["content-length"] == str(len(content))
        is_json = found["content-type"] == "application/json"
        return int(status.split()[1]), found, json.loads(content) if is_json else content


@pytest.fixture
def call() -> Caller:
    kept = Kept()
    app = Application(
        graph_responder(cast(Model, Doubler())),
        Recorder(cast(Records, kept), Identity("e", "v", "1"), Recording()),
        accept_time=True,
    )
    return Caller(kept, app)


def test_ping_is_200(call: Caller) -> None:
    assert call("GET", "/ping")[0] == 200
    assert call.kept.records == []


def test_a_prediction_is_recorded(call: Caller) -> None:
    status, headers, answer = call(body=b"1\n2\n")
    assert (status, answer) == (200, b"2.0\n4.0\n")
    assert headers["content-type"] == "text/csv; charset=utf-8"
    [record] = call.kept.records
    event_id = record["eventMetadata"]["eventId"]
    assert headers["x-amzn-sagemaker-custom-attributes"] == f"seatrial-event-id={event_id}"
    assert record["seatrial"]["rows"] == 2
    assert record["captureData"]["endpointInput"]["data"] == "1\n2\n"
    assert record["captureData"]["endpointOutput"]["data"] == "2.0\n4.0\n"


def test_only_the_first_prediction_is_cold(call: Caller) -> None:
    for _ in range(3):
        call(body=b"1\n")
    assert [record["seatrial"]["cold"] for record in call.kept.records] == [True, False, False]


def test_the_caller_s_headers_reach_the_record(call: Caller) -> None:
    call(
        body=b'{"instances": [[1]]}',
        headers={
            "content-type": "application/json",
            "x-amzn-sagemaker-inference-id": "flight-9",
            "x-amzn-sagemaker-custom-attributes": (
                "seatrial-synthetic=true,seatrial-time=2013-07-08T05:00:00Z"
            ),
        },
    )
    [record] = call.kept.records
    assert record["eventMetadata"]["inferenceId"] == "flight-9"
    assert record["eventMetadata"]["inferenceTime"] == "2013-07-08T05:00:00Z"
    assert record["seatrial"]["synthetic"] is True
    assert record["captureData"]["endpointOutput"]["encoding"] == "JSON"


@pytest.mark.parametrize(
    ("body", "headers", "status", "what"),
    [
        (b"", CSV, 400, "empty"),
        (b"one", CSV, 400, "not of its column's type"),
        (b"1", {"content-type": "text/html"}, 415, "content type"),
        (b"1", {}, 415, "content type"),
        (b"1", {**CSV, "accept": "image/png"}, 406, "accepted"),
        (
            b"1",
            {**CSV, "x-amzn-sagemaker-custom-attributes": "seatrial-time=soon"},
            400,
            "seatrial-time",
        ),
        (b"13", CSV, 500, "the model failed"),
    ],
)
def test_a_request_without_a_prediction_says_why_and_is_recorded(
    call: Caller, body: bytes, headers: dict[str, str], status: int, what: str
) -> None:
    found, _, answer = call(body=body, headers=headers)
    assert found == status
    assert what in answer["error"]["what"]
    [record] = call.kept.records
    assert record["seatrial"]["status"] == status
    assert record["seatrial"]["rows"] == 0


def test_a_fault_of_ours_is_a_500_with_a_trace_in_the_log(
    call: Caller, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, answer = call(body=b"14")
    assert status == 500
    assert "ZeroDivisionError" in answer["error"]["got"]
    assert "Traceback" in capsys.readouterr().err


def test_a_prediction_that_cannot_be_recorded_is_not_given(
    call: Caller, capsys: pytest.CaptureFixture[str]
) -> None:
    call.kept.error = OSError(28, "No space left on device")
    status, _, answer = call(body=b"1")
    assert status == 500
    assert "cannot be written" in answer["error"]["what"]
    assert "No space left" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/ping", 405),
        ("GET", "/invocations", 405),
        ("DELETE", "/invocations", 405),
        ("GET", "/", 404),
        ("POST", "/invocations/", 404),
    ],
)
def test_other_methods_and_paths_are_refused(
    call: Caller, method: str, path: str, status: int
) -> None:
    found, headers, answer = call(method, path)
    assert found == status
    assert answer["error"]["allowed"]
    assert ("allow" in headers) is (status == 405)
    assert call.kept.records == []


@pytest.mark.parametrize(
    ("size", "status"),
    [
        pytest.param(MAX_BODY_BYTES - 1, 200, id="under"),
        pytest.param(MAX_BODY_BYTES, 200, id="exactly-at-limit"),
        pytest.param(MAX_BODY_BYTES + 1, 413, id="over"),
    ],
)
def test_a_body_may_have_4_mb(call: Caller, size: int, status: int) -> None:
    body = b"1".ljust(size, b"\n")
    half = size // 2
    found, _, answer = call(chunks=[body[:half], body[half:]])
    assert found == status
    if status == 413:
        assert "fewer rows" in answer["error"]["do"]


def test_a_request_that_is_never_whole_leaves_no_record(call: Caller) -> None:
    connection = Connection(call.app)
    begun = b"POST /invocations HTTP/1.1\r\nContent-Type: text/csv\r\nContent-Length: 4\r\n\r\n1\n"
    assert connection.feed(begun) == b""
    assert connection.busy
    assert call.kept.records == []


def test_each_event_has_a_random_uuid_of_its_own(call: Caller) -> None:
    for _ in range(50):
        call(body=b"1\n")
    found = [record["eventMetadata"]["eventId"] for record in call.kept.records]
    assert len(set(found)) == 50
    for event_id in found:
        parsed = uuid.UUID(event_id)
        assert (str(parsed), parsed.version, parsed.variant) == (event_id, 4, uuid.RFC_4122)
