"""The prediction record: data capture's JSON, whole lines, on a descriptor of its own."""

from __future__ import annotations

import json
import os
import threading
from typing import Any

import pytest

from seatrial.serving.caller import Caller, read_caller, utc_second
from seatrial.serving.errors import RequestError, StartError
from seatrial.serving.record import (
    Captured,
    Records,
    RecordWriter,
    Served,
)
from seatrial.serving.settings import Identity, read_settings

ATTRIBUTES = b"x-amzn-sagemaker-custom-attributes"
AT = "2026-11-24T14:33:23Z"
ASKED = Captured("text/csv", "CSV", b"UA,17\n")
ANSWERED = Captured("text/csv; charset=utf-8", "CSV", b"0,0.13\n")
SERVED = Served("e-1", AT, 1.23456, cold=True, rows=1, status=200)
IDENTITY = Identity("flights", "AllTraffic", "7")


def record(
    caller: Caller | None = None, asked: Captured = ASKED, served: Served = SERVED
) -> dict[str, Any]:
    caller = caller or Caller(None, synthetic=False, time=None)
    line = RecordWriter(IDENTITY, {}).line(caller, asked, ANSWERED, served)
    assert line.endswith(b"}\n")
    document: dict[str, Any] = json.loads(line)
    return document


def test_a_record_is_data_capture_s_json_with_a_block_of_ours() -> None:
    assert record() == {
        "captureData": {
            "endpointInput": {
                "observedContentType": "text/csv",
                "mode": "INPUT",
                "data": "UA,17\n",
                "encoding": "CSV",
            },
            "endpointOutput": {
                "observedContentType": "text/csv; charset=utf-8",
                "mode": "OUTPUT",
                "data": "0,0.13\n",
                "encoding": "CSV",
            },
        },
        "eventMetadata": {"eventId": "e-1", "inferenceTime": "2026-11-24T14:33:23Z"},
        "eventVersion": "0",
        "seatrial": {
            "endpoint": "flights",
            "variant": "AllTraffic",
            "model_version": "7",
            "latency_ms": 1.235,
            "cold": True,
            "rows": 1,
            "synthetic": False,
            "status": 200,
        },
    }


def test_the_caller_s_inference_id_is_kept_only_if_there_is_one() -> None:
    caller = Caller("flight-9", synthetic=True, time=None)
    assert record(caller)["eventMetadata"]["inferenceId"] == "flight-9"
    assert record(caller)["seatrial"]["synthetic"] is True
    assert "inferenceId" not in record()["eventMetadata"]


def test_a_time_is_in_utc_and_to_the_second() -> None:
    assert utc_second(1361163600) == "2013-02-18T05:00:00Z"


def test_what_is_the_same_in_all_records_and_what_was_lost_stand_in_our_block() -> None:
    marks = {"sample_rate": 0.5, "dropped": ['a"b']}
    caller = Caller('"\\é', synthetic=False, time=None)
    line = RecordWriter(IDENTITY, marks).line(caller, None, None, SERVED, unwritten=3)
    found = json.loads(line)
    assert found["captureData"] == {}
    assert found["eventMetadata"]["inferenceId"] == '"\\é'
    assert {name: found["seatrial"][name] for name in (*marks, "unwritten")} == {
        **marks,
        "unwritten": 3,
    }


def test_a_body_that_is_not_text_is_kept_in_base64() -> None:
    captured = record(asked=Captured("text/csv", "CSV", b"\xff\x00"))["captureData"]
    assert captured["endpointInput"]["data"] == "/wA="
    assert captured["endpointInput"]["encoding"] == "BASE64"


@pytest.mark.parametrize(
    ("attributes", "synthetic"),
    [
        ("", False),
        ("seatrial-synthetic=true", True),
        ("a=b, seatrial-synthetic=true ,c", True),
        ("seatrial-synthetic=false", False),
        ("not-seatrial-synthetic=true", False),
    ],
)
def test_our_own_traffic_is_known_by_its_attribute(attributes: str, synthetic: bool) -> None:
    assert read_caller({ATTRIBUTES: attributes.encode()}, accept_time=False).synthetic is synthetic


def test_history_can_be_replayed_only_where_the_server_allows_it() -> None:
    headers = {ATTRIBUTES: b"seatrial-synthetic=true,seatrial-time=2013-02-18T00:00:00-05:00"}
    assert read_caller(headers, accept_time=False).time is None
    time = read_caller(headers, accept_time=True).time
    assert time is not None
    replayed = record(served=Served("e", time, 1.0, cold=False, rows=1, status=200))
    assert replayed["eventMetadata"]["inferenceTime"] == "2013-02-18T05:00:00Z"


@pytest.mark.parametrize(
    "text", ["yesterday", "2013-02-18T00:00:00", "", "0001-01-01T00:00:00+05:00"]
)
def test_a_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="ISO 8601"):
        read_caller({ATTRIBUTES: f"seatrial-time={text}".encode()}, accept_time=True)


def test_what_is_no_text_by_its_type_is_kept_in_base64_even_if_it_could_be_text() -> None:
    captured = record(asked=Captured("application/x-npy", "BASE64", b"abc"))["captureData"]
    assert captured["endpointInput"]["data"] == "YWJj"
    assert captured["endpointInput"]["encoding"] == "BASE64"


def test_a_record_larger_than_a_pipe_arrives_whole() -> None:
    reader, writer = os.pipe()
    lines: list[bytes] = []

    def read() -> None:
        with os.fdopen(reader, "rb") as file:
            lines.extend(file)

    thread = threading.Thread(target=read)
    thread.start()
    os.set_blocking(writer, False)  # as a supervisor may have left it: writes are then partial
    records = Records(writer, max_line_bytes=2_000_000)
    for number in range(3):
        records.write(b'{"number":%d,"data":"%b"}\n' % (number, b"x" * 1_000_000), "e", AT)
    os.close(writer)
    thread.join(10)
    assert [json.loads(line)["number"] for line in lines] == [0, 1, 2]
    assert all(line.endswith(b'"}\n') for line in lines)


def test_a_reader_that_is_gone_is_an_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with pytest.raises(BrokenPipeError):
        Records(writer).write(b"{}\n", "e", AT)
    os.close(writer)


def test_a_line_that_was_torn_does_not_spoil_the_next() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    records = Records(writer, full_pipe_wait_s=0.01, max_line_bytes=2_000_000)
    with pytest.raises(BlockingIOError):
        records.write(b"x" * 1_000_000, "e", AT)
    torn = os.read(reader, 1_000_000)
    records.write(b'{"data":"next"}\n', "e", AT)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        assert (torn + file.read()).splitlines()[1:] == [b'{"data":"next"}']


def test_settings_have_defaults_for_a_container() -> None:
    settings = read_settings({})
    assert str(settings.model_dir) == "/opt/ml/model"
    assert (settings.host, settings.port, settings.threads) == ("0.0.0.0", 8080, None)  # noqa: S104
    assert settings.accept_time is False
    assert settings.max_record_bytes == 200_000


@pytest.mark.parametrize("size", ["1024", "16384", "1000000"])
def test_a_line_s_length_in_range_is_taken(size: str) -> None:
    assert read_settings({"SEATRIAL_MAX_RECORD_BYTES": size}).max_record_bytes == int(size)


@pytest.mark.parametrize("size", ["1023", "1000001", "0", "16 KiB"])
def test_a_line_s_length_out_of_range_is_refused(size: str) -> None:
    with pytest.raises(StartError, match="from 1024 to 1000000"):
        read_settings({"SEATRIAL_MAX_RECORD_BYTES": size})


@pytest.mark.parametrize("port", ["1", "65535"])
def test_a_port_in_range_is_taken(port: str) -> None:
    assert read_settings({"SAGEMAKER_BIND_TO_PORT": port}).port == int(port)


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http", "٣"])
def test_a_port_out_of_range_is_refused(port: str) -> None:
    with pytest.raises(StartError, match="from 1 to 65535"):
        read_settings({"SAGEMAKER_BIND_TO_PORT": port})
