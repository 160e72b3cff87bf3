"""Lines of the prediction log to rows: what counts, what does not, and what is broken."""

from __future__ import annotations

import base64
import gzip
import io
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from seatrial.contracts import InputColumn, ModelSignature, OutputColumn
from seatrial.errors import InputError
from seatrial.monitoring import arrivals
from seatrial.monitoring.arrivals import Arrived, Block, arrived_objects, read_blocks
from seatrial.monitoring.columns import columns_of, model_columns, times_of
from seatrial.monitoring.counts import completeness
from seatrial.monitoring.records import BrokenRecordError, read_line, split_documents
from seatrial.monitoring.span import Span
from seatrial.steps.collect_window import Watched, count_invocations, parse_span

Gather = Callable[..., Any]  # conftest.py
START = datetime(2013, 2, 18, tzinfo=UTC)
WEEK = Span(START, START + timedelta(days=7))
CONTRACT = ModelSignature(
    task="binary_classification",
    model_file="model.onnx",
    inputs=(
        InputColumn(name="carrier", type="string", required=False, onnx_input="carrier"),
        InputColumn(name="hour", type="long", required=False, onnx_input="hour"),
        InputColumn(name="wet", type="boolean", required=False, onnx_input="wet"),
    ),
    outputs=(
        OutputColumn(name="label", type="long", onnx_output="label"),
        OutputColumn(name="score", type="double", onnx_output="score"),
    ),
    label="label",
    score="score",
    input_example=({"carrier": "UA", "hour": 7, "wet": False},),
)


def document(
    event_id: str = "e1",
    *,
    time: str = "2013-02-18T10:00:00Z",
    asked: str = "UA,7,true\n",
    given: str = "0,0.25\n",
    **ours: Any,
) -> dict[str, Any]:
    return {
        "captureData": {
            "endpointInput": {
                "observedContentType": "text/csv",
                "mode": "INPUT",
                "data": asked,
                "encoding": "CSV",
            },
            "endpointOutput": {
                "observedContentType": "text/csv; charset=utf-8",
                "mode": "OUTPUT",
                "data": given,
                "encoding": "CSV",
            },
        },
        "eventMetadata": {"eventId": event_id, "inferenceTime": time},
        "eventVersion": "0",
        "seatrial": {
            "endpoint": "flights",
            "variant": "AllTraffic",
            "model_version": "model-1",
            "latency_ms": 1.2,
            "cold": False,
            "rows": 1,
            "synthetic": False,
            "status": 200,
            **ours,
        },
    }


def line(*args: str, **changes: Any) -> bytes:
    return json.dumps(document(*args, **changes)).encode()


@pytest.fixture
def sort(gather: Gather) -> Gather:
    """The window of these lines."""
    return lambda *lines, **more: gather(lines, CONTRACT, WEEK, **more)


def test_a_record_is_read() -> None:
    record = read_line(line(time="2013-02-18T11:00:00+01:00"))
    assert record.event_id == "e1"
    assert record.inference_id is None
    assert record.time == datetime(2013, 2, 18, 10, tzinfo=UTC)
    assert (record.status, record.synthetic, record.model_version) == (200, False, "model-1")
    assert record.request.data == b"UA,7,true\n"
    assert record.answer.content_type == "text/csv; charset=utf-8"


def test_a_time_without_a_zone_is_in_utc() -> None:
    assert read_line(line(time="2013-02-18T10:00:00")).time.tzinfo is UTC


def test_a_body_that_is_not_text_is_in_base64() -> None:
    made = document()
    captured = made["captureData"]["endpointInput"]
    captured["data"], captured["encoding"] = base64.b64encode(b"\xff\x00").decode(), "BASE64"
    assert read_line(json.dumps(made).encode()).request.data == b"\xff\x00"


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(b'{"captureData":{"endpointInput":{"data":"UA,', id="cut off"),
        pytest.param(b"started server on port 8080", id="not JSON"),
        pytest.param(b"[1, 2]", id="another document"),
        pytest.param(b'"text"', id="text"),
        pytest.param(b"null", id="null"),
        pytest.param(b"{}", id="empty"),
        pytest.param(line(time="yesterday"), id="no time"),
        pytest.param(line(time=""), id="empty time"),
        pytest.param(line(status="bad"), id="no status"),
        pytest.param(line(model_version=None), id="no version"),
        pytest.param(line().replace(b'"CSV"', b'"BASE64"', 1), id="not base64"),
        pytest.param(line().replace(b'"e1"', b"1"), id="id not text"),
        pytest.param(b"\xff\xfe", id="not UTF-8"),
    ],
)
def test_a_line_that_is_no_record_is_put_aside(sort: Gather, broken: bytes) -> None:
    with pytest.raises(BrokenRecordError):
        read_line(broken)
    found = sort(broken, line("e2"))
    assert [item["line"] for item in found.broken] == [broken.decode(errors="replace")]
    assert found.broken[0]["reason"]
    assert found.gathering.broken == 1
    assert found.event_ids == ["e2"]


def test_records_joined_without_a_newline_are_split(sort: Gather) -> None:
    assert list(split_documents(line("e1") + line("e2"))) == [line("e1"), line("e2")]
    assert sort(line("e1") + line("e2")).event_ids == ["e1", "e2"]


def test_a_body_that_looks_like_joined_records_stays_whole() -> None:
    whole = line(asked="}{,7,true\n")
    assert [json.loads(part) for part in split_documents(whole)] == [json.loads(whole)]


def test_what_follows_a_joined_record_is_broken_alone(sort: Gather) -> None:
    found = sort(line("e1") + b"{}{oops")
    assert found.event_ids == ["e1"]
    assert [item["line"] for item in found.broken] == ["{}", "{oops"]


@pytest.mark.parametrize(
    ("time", "inside"),
    [
        pytest.param("2013-02-17T23:59:59Z", False, id="before"),
        pytest.param("2013-02-18T00:00:00Z", True, id="first moment"),
        pytest.param("2013-02-24T23:59:59Z", True, id="last second"),
        pytest.param("2013-02-25T00:00:00Z", False, id="first moment after"),
    ],
)
def test_a_window_includes_its_start_and_not_its_end(sort: Gather, time: str, inside: bool) -> None:
    assert sort(line(time=time)).counts.records == inside


def test_what_is_no_prediction_of_this_model_is_counted_apart(sort: Gather) -> None:
    found = sort(
        line("mine"),
        line("mine"),
        line("ours", synthetic=True),
        line("other", model_version="model-0"),
        line("refused", status=400),
        line("crashed", status=500),
        line("accepted", status=399),
        line("earlier", time="2012-01-01T00:00:00Z", status=500),
    )
    assert set(found.event_ids) == {"accepted", "mine"}
    counts = found.counts
    assert (counts.duplicate_records, counts.synthetic_records) == (1, 1)
    assert (counts.foreign_records, counts.failed_requests) == (1, 2)
    assert found.gathering.foreign == {"model-0"}
    assert found.broken == []


def test_records_come_in_order_of_time_whatever_order_they_arrived_in(sort: Gather) -> None:
    lines = [line(f"e{hour}", time=f"2013-02-18T{hour:02}:00:00Z") for hour in range(10)]
    assert sort(*reversed(lines)).event_ids == [f"e{hour}" for hour in range(10)]


def test_rows_are_typed_by_the_signature_and_partitioned_by_day(sort: Gather) -> None:
    found = sort(
        line("e1", asked="UA,7,true\n,,\n", given="0,0.25\n1,0.75\n"),
        line("e2", time="2013-02-19T00:00:00Z"),
    )
    frame = found.frame
    assert list(frame.columns) == [
        *("event_id", "inference_id", "row", "inference_time"),
        *("carrier", "hour", "wet", "label", "score", "inference_date"),
    ]
    assert list(frame["event_id"]) == ["e1", "e1", "e2"]
    assert list(frame["row"]) == [0, 1, 0]
    assert list(frame["carrier"]) == ["UA", None, "UA"]
    assert list(frame["score"]) == [0.25, 0.75, 0.25]
    assert list(frame["label"]) == [0, 1, 0]
    assert frame["inference_time"].iloc[2] == pd.Timestamp("2013-02-19", tz="UTC")
    columns = columns_of(frame, model_columns(CONTRACT))
    np.testing.assert_array_equal(columns["hour"], [7, np.nan, 7])
    np.testing.assert_array_equal(columns["wet"], [1, np.nan, 1])
    assert columns["label"].dtype == np.int64
    days = {path.name for path in (found.folder / "window.parquet").iterdir()}
    assert days == {"inference_date=2013-02-18", "inference_date=2013-02-19"}


def test_json_requests_and_answers_are_read_as_well(sort: Gather) -> None:
    made = document(
        asked='{"dataframe_records": [{"carrier": "AA", "hour": 9, "wet": null}]}',
        given='{"predictions": [{"label": 1, "score": 0.5}]}',
    )
    for part in made["captureData"].values():
        part["observedContentType"], part["encoding"] = "application/json", "JSON"
    made["eventMetadata"]["inferenceId"] = "mine"
    frame = sort(json.dumps(made).encode()).frame
    assert list(frame["inference_id"]) == ["mine"]
    names = ["carrier", "hour", "label", "score"]
    assert frame[names].to_dict("records") == [
        {"carrier": "AA", "hour": 9, "label": 1, "score": 0.5}
    ]
    assert frame["wet"].isna().all()


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"asked": "UA,7\n"}, id="a cell too few"),
        pytest.param({"asked": "UA,noon,true\n"}, id="another type"),
        pytest.param({"given": "0\n"}, id="an answer of another model"),
        pytest.param({"given": "0,0.25\n1,0.75\n"}, id="an answer of more rows"),
        pytest.param({"given": ""}, id="no answer"),
    ],
)
def test_a_record_that_does_not_fit_the_model_is_put_aside(
    sort: Gather, changes: dict[str, str]
) -> None:
    found = sort(line("bad", **changes), *(line(f"good-{number}") for number in range(20)))
    assert "bad" not in found.event_ids
    assert found.counts.records == 20
    assert [item["line"] for item in found.broken] == [line("bad", **changes).decode()]


def test_an_empty_window_has_all_columns(sort: Gather) -> None:
    frame = sort().frame
    assert len(frame) == 0
    assert set(columns_of(frame, model_columns(CONTRACT))) == {
        *("carrier", "hour", "wet", "label", "score")
    }


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        pytest.param(b"\xffoops", "not JSON, or cut off: ", id="not JSON"),
        pytest.param(line()[:100], "not JSON, or cut off: ", id="cut off"),
        pytest.param(b"{}", "no prediction record: it has no 'seatrial'", id="another document"),
        pytest.param(line(time="soon"), "no prediction record: Invalid isoformat", id="no time"),
    ],
)
def test_broken_lines_are_kept_with_their_reason(sort: Gather, broken: bytes, reason: str) -> None:
    [kept] = sort(broken).broken
    assert kept["line"] == broken.decode(errors="replace")
    assert kept["reason"].startswith(reason)


@pytest.mark.parametrize(
    ("invocations", "ratio"),
    [
        pytest.param(None, None, id="CloudWatch has none"),
        pytest.param(1, None, id="only our own traffic"),
        pytest.param(4, 1.0, id="all"),
        pytest.param(7, 0.5, id="half"),
    ],
)
def test_completeness_leaves_our_own_traffic_out(
    sort: Gather, invocations: int | None, ratio: float | None
) -> None:
    found = sort(
        line("one"),
        line("failed", status=500),
        line("foreign", model_version="model-0"),
        line("ours", synthetic=True),
        line("one"),
    )
    assert completeness(found.gathering.events, WEEK, invocations) == ratio


class FakeS3:
    """Objects by key, as S3 lists and gives them."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        self.objects = objects

    def get_paginator(self, name: str) -> FakeS3:
        assert name == "list_objects_v2"
        return self

    def paginate(self, **asked: str) -> Iterator[dict[str, Any]]:
        assert asked["Bucket"] == "lake"
        keys = sorted(
            key
            for key in self.objects
            if key.startswith(asked["Prefix"]) and key > asked["StartAfter"]
        )
        found = [{"Key": key, "Size": len(self.objects[key])} for key in keys]
        yield {"Contents": found[:2]}
        yield {"Contents": found[2:]} if found[2:] else {}

    def get_object(self, **asked: str) -> dict[str, Any]:
        return {"Body": io.BytesIO(self.objects[asked["Key"]])}


RECORDS_URI = "s3://lake/predictions/flights/AllTraffic"
PREFIX = "predictions/flights/AllTraffic/"


def test_objects_are_listed_from_the_hour_before_the_window_to_the_present() -> None:
    hours = ("2013/02/17/22", "2013/02/17/23", "2013/02/18/00", "2013/02/19/05", "2026/11/24/15")
    store = FakeS3({f"{PREFIX}{hour}/object": b"" for hour in hours} | {"predictions/x": b""})
    found = arrived_objects(store, RECORDS_URI, START)
    assert [item.key for item in found] == [f"{PREFIX}{hour}/object" for hour in hours[1:]]
    assert found[0].hour == START - timedelta(hours=1)


def blocks(objects: dict[str, bytes]) -> Iterator[Block]:
    listed = [Arrived(key, len(body), None) for key, body in sorted(objects.items())]
    return read_blocks(FakeS3(objects), "lake", listed)


def lines_of(objects: dict[str, bytes]) -> list[bytes]:
    return [line for block in blocks(objects) for line in block.lines]


def test_plain_and_gzip_objects_are_read_line_by_line() -> None:
    objects = {
        "a": b"one\n\ntwo",
        "b": gzip.compress(b"three\n") + gzip.compress(b"four\n"),
        "c": b"",
    }
    assert lines_of(objects) == [b"one", b"two", b"three", b"four"]


@pytest.mark.parametrize("packed", [bytes, gzip.compress])
def test_objects_larger_than_a_block_are_cut_at_ends_of_lines(
    packed: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrivals, "BLOCK_BYTES", 100)
    wanted = [f"line {number}".encode() * (number % 40 + 1) for number in range(200)]
    found = list(blocks({"a": packed(b"\n".join(wanted))}))
    assert [line for block in found for line in block.lines] == wanted
    assert len(found) > 100


def test_many_objects_come_in_order() -> None:
    objects = {f"{number:03}": f"{number}\n".encode() for number in range(50)}
    assert lines_of(objects) == [str(number).encode() for number in range(50)]


def test_few_objects_are_read_side_by_side_if_they_are_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(arrivals, "READ_AHEAD_BYTES", 10)
    listed = [Arrived(str(size), size, None) for size in (4, 6, 1, 30, 3)]
    groups = [[item.size_bytes for item in group] for group in arrivals.side_by_side(listed)]
    assert groups == [[4, 6], [1], [30], [3]]


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_of_a_truncated_gzip_what_is_before_the_cut_counts(sort: Gather, cut: int) -> None:
    texts = [line(f"e{number}", asked=f"{number * 7919 % 1000},7,true\n") for number in range(50)]
    whole = gzip.compress(b"\n".join(texts))
    found = sort(*blocks({"a": whole[:-cut]}))
    assert len(found.broken) == 1
    assert "the gzip is damaged" in found.broken[0]["line"]
    assert 0 < found.counts.records < 50


def test_a_window_is_two_times_in_utc() -> None:
    assert parse_span("2013-02-18", "2013-02-25T00:00:00Z") == WEEK
    assert parse_span("2013-02-18T01:00:00+01:00", "2013-02-25") == WEEK


@pytest.mark.parametrize(
    ("start", "end", "advice"),
    [
        pytest.param("monday", "2013-02-25", "ISO 8601", id="not a time"),
        pytest.param("2013-02-25", "2013-02-18", "start < end", id="backwards"),
        pytest.param("2013-02-18", "2013-02-18", "start < end", id="nothing"),
    ],
)
def test_a_window_that_is_none_is_refused(start: str, end: str, advice: str) -> None:
    with pytest.raises(InputError, match=advice):
        parse_span(start, end)


class FakeCloudWatch:
    """Answers with these sums, and remembers what it was asked."""

    def __init__(self, *sums: float) -> None:
        self.sums = sums
        self.asked: dict[str, Any] = {}

    def get_metric_statistics(self, **asked: Any) -> dict[str, Any]:
        self.asked = asked
        return {"Datapoints": [{"Sum": value} for value in self.sums]}


WATCHED = Watched("flights", "config-1", "AllTraffic", "model-1", RECORDS_URI, "s3://lake/b")


def test_invocations_are_summed_and_none_where_there_is_no_metric() -> None:
    assert count_invocations(WATCHED, WEEK, FakeCloudWatch(3.0, 4.0)) == 7
    assert count_invocations(WATCHED, WEEK, FakeCloudWatch()) is None


@pytest.mark.parametrize(
    ("days", "period_s"),
    [
        pytest.param(59, 3600, id="under"),
        pytest.param(60, 3600, id="exactly 1440 hours"),
        pytest.param(61, 7200, id="over"),
    ],
)
def test_cloudwatch_is_asked_for_no_more_than_it_answers(days: int, period_s: int) -> None:
    cloudwatch = FakeCloudWatch(1.0)
    count_invocations(WATCHED, Span(START, START + timedelta(days=days)), cloudwatch)
    assert cloudwatch.asked["Period"] == period_s
    assert days * 86_400 / period_s <= 1440


@pytest.mark.parametrize("name", ["row", "event_id", "score"])
def test_a_column_whose_name_is_taken_is_refused(name: str) -> None:
    column = CONTRACT.inputs[0].model_copy(update={"name": name})
    signature = CONTRACT.model_copy(update={"inputs": (column,)})
    with pytest.raises(InputError, match=rf"got '{name}'.*Rename"):
        model_columns(signature)


@pytest.mark.parametrize(
    ("frame", "advice"),
    [
        pytest.param({"carrier": ["UA"], "hour": [7]}, "no wet among carrier, hour", id="absent"),
        pytest.param(
            {"carrier": ["UA"], "hour": ["noon"], "wet": [True]}, "hour is not of", id="type"
        ),
    ],
)
def test_data_that_does_not_fit_the_signature_is_refused(
    frame: dict[str, list[Any]], advice: str
) -> None:
    with pytest.raises(InputError, match=advice):
        columns_of(pd.DataFrame(frame), CONTRACT.inputs)


def test_pandas_own_types_are_read_like_plain_ones() -> None:
    frame = pd.DataFrame(
        {
            "carrier": pd.Categorical(["UA", None]),
            "hour": pd.array([7, None], dtype="Int64"),
            "wet": pd.array([True, None], dtype="boolean"),
        }
    )
    columns = columns_of(frame, CONTRACT.inputs)
    assert list(columns["carrier"]) == ["UA", None]
    np.testing.assert_array_equal(columns["hour"], [7, np.nan])
    np.testing.assert_array_equal(columns["wet"], [1, np.nan])


def test_times_are_in_utc_whatever_zone_they_were_written_in() -> None:
    zoned = pd.Series(["2013-02-18T01:00:00+01:00"])
    plain = pd.Series([pd.Timestamp("2013-02-18")])
    for values in (zoned, plain):
        found = times_of(pd.DataFrame({"at": values}), "at")
        assert found[0] == np.datetime64("2013-02-18")


@pytest.mark.parametrize(
    ("values", "advice"),
    [
        pytest.param([pd.Timestamp("2013-02-18"), pd.NaT], "1 rows without a time", id="a gap"),
        pytest.param(["soon", "later"], "does not hold times", id="no times"),
    ],
)
def test_times_that_cannot_be_used_are_refused(values: list[Any], advice: str) -> None:
    with pytest.raises(InputError, match=advice):
        times_of(pd.DataFrame({"at": values}), "at")
    with pytest.raises(InputError, match="no when among at"):
        times_of(pd.DataFrame({"at": values}), "when")
