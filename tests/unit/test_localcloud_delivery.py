"""Filter patterns, what a delivery stream writes and where, and that no line is lost."""

from __future__ import annotations

import gzip
import json
import re
from typing import Any

import pytest

from seatrial.localcloud.api import AwsError
from seatrial.localcloud.delivery import Delivery
from seatrial.localcloud.filter_pattern import read_pattern
from seatrial.localcloud.firehose import Batch, Target, read_target
from seatrial.localcloud.subscriptions import check_subscription

NOON = 1_795_521_600.0  # 2026-11-24T12:00:00Z
EXTRACT = {
    "Enabled": True,
    "Processors": [
        {"Type": "Decompression", "Parameters": []},
        {
            "Type": "CloudWatchLogProcessing",
            "Parameters": [{"ParameterName": "DataMessageExtraction", "ParameterValue": "true"}],
        },
    ],
}


def destination(**fields: Any) -> dict[str, Any]:
    return {
        "BucketARN": "arn:aws:s3:::bucket",
        "Prefix": "predictions/e/v/!{timestamp:yyyy/MM/dd/HH}/",
        "ErrorOutputPrefix": "errors/!{firehose:error-output-type}/",
        "BufferingHints": {"IntervalInSeconds": 60, "SizeInMBs": 1},
        "ProcessingConfiguration": EXTRACT,
        **fields,
    }


def batch(*messages: str) -> Batch:
    events = tuple({"id": str(i), "timestamp": 1, "message": m} for i, m in enumerate(messages))
    return Batch("stream", "seatrial", "/group", "v/1", events)


@pytest.mark.parametrize(
    ("pattern", "line", "matches"),
    [
        ("", "anything", True),
        ('"captureData"', '{"captureData": 1}', True),
        ('"captureData"', '{"capturedata": 1}', False),
        ("ERROR", "an ERROR here", True),
        ("ERROR disk", "an ERROR here", False),
        ("ERROR disk", "disk ERROR", True),
        ('ERROR -"of ours"', "ERROR of ours", False),
        (r'"say \"hi\""', 'they say "hi"', True),
    ],
)
def test_terms_of_a_pattern(pattern: str, line: str, matches: bool) -> None:
    assert read_pattern(pattern)(line) is matches


@pytest.mark.parametrize("pattern", ["{ $.a = 1 }", "[a, b]", "?ERROR ?WARN", '"open'])
def test_patterns_that_are_not_understood_are_refused(pattern: str) -> None:
    request = {"destinationArn": "arn:aws:firehose:r:1:deliverystream/s", "filterPattern": pattern}
    with pytest.raises(AwsError, match="only terms are understood"):
        check_subscription("Logs_20140328.PutSubscriptionFilter", request)


def test_key_has_the_hour_of_arrival_and_the_streams_name() -> None:
    key = read_target("stream", destination()).key(NOON)
    assert re.fullmatch(
        r"predictions/e/v/2026/11/24/12/stream-1-2026-11-24-12-00-00-[0-9a-f-]{36}", key
    )


def test_prefix_without_an_hour_gets_one() -> None:
    key = read_target("stream", destination(Prefix="p/")).key(NOON)
    assert key.startswith("p/2026/11/24/12/stream-1-")


def test_expressions_need_an_error_prefix() -> None:
    request = {
        "DeliveryStreamName": "s",
        "ExtendedS3DestinationConfiguration": destination(ErrorOutputPrefix=None),
    }
    expected = "ErrorOutputPrefix can't be null when Prefix contains expressions"
    with pytest.raises(AwsError, match=expected):
        check_subscription("Firehose_20150804.CreateDeliveryStream", request)


@pytest.mark.parametrize("value", ["firehose:error-output-type", "timestamp:EEE", "what:ever"])
def test_expressions_that_are_not_understood_are_refused(value: str) -> None:
    with pytest.raises(AwsError, match=f"!{{{value}}} in Prefix"):
        read_target("stream", destination(Prefix=f"!{{{value}}}/"))


def test_extracted_messages_are_lines() -> None:
    assert read_target("s", destination()).encode(batch("one", "two")) == b"one\ntwo\n"


def test_without_processing_an_object_holds_compressed_envelopes() -> None:
    target = read_target("s", destination(ProcessingConfiguration=None))
    envelope = json.loads(gzip.decompress(target.encode(batch("one"))))
    assert envelope["messageType"] == "DATA_MESSAGE"
    assert envelope["subscriptionFilters"] == ["seatrial"]
    assert [event["message"] for event in envelope["logEvents"]] == ["one"]


class Bucket:
    """Takes objects, unless told to refuse them."""

    def __init__(self) -> None:
        self.objects: list[bytes] = []
        self.refuses = False

    def write(self, bucket: str, key: str, content: bytes) -> None:
        if self.refuses:
            raise AwsError("NoSuchBucket", f"{bucket}/{key}")
        self.objects.append(content)


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


def delivery_to(bucket: Bucket, clock: Clock, *, wait_s: float = 1.0, **fields: Any) -> Delivery:
    target = read_target("stream", destination(**fields))
    found: dict[str, Target] = {"stream": target}
    return Delivery(found.get, bucket.write, longest_wait_s=wait_s, now=clock)


@pytest.mark.parametrize(
    ("waited_s", "objects"),
    [
        pytest.param(0.9, 0, id="under"),
        pytest.param(1.0, 1, id="exactly-at-the-time"),
        pytest.param(1.1, 1, id="over"),
    ],
)
def test_lines_wait_for_the_time_and_share_an_object(waited_s: float, objects: int) -> None:
    bucket, clock = Bucket(), Clock()
    delivery = delivery_to(bucket, clock)
    delivery.accept(batch("one"))
    delivery.accept(batch("two"))
    clock.now += waited_s
    delivery.flush()
    assert bucket.objects == [b"one\ntwo\n"] * objects
    delivery.flush(everything=True)
    assert bucket.objects == [b"one\ntwo\n"]


def test_a_shorter_interval_of_the_stream_counts() -> None:
    bucket, clock = Bucket(), Clock()
    hints = {"IntervalInSeconds": 0, "SizeInMBs": 1}
    delivery = delivery_to(bucket, clock, wait_s=60, BufferingHints=hints)
    delivery.accept(batch("one"))
    delivery.flush()
    assert bucket.objects == [b"one\n"]


def test_a_full_buffer_does_not_wait() -> None:
    bucket, clock = Bucket(), Clock()
    delivery = delivery_to(bucket, clock, wait_s=60)
    delivery.accept(batch("x" * (2**20 - 1)))
    delivery.accept(batch("next"))
    delivery.flush()
    assert [len(content) for content in bucket.objects] == [2**20]
    delivery.flush(everything=True)
    assert bucket.objects[1] == b"next\n"


def test_lines_are_kept_while_they_cannot_be_written() -> None:
    bucket, clock = Bucket(), Clock()
    delivery = delivery_to(bucket, clock)
    bucket.refuses = True
    delivery.accept(batch("one"))
    delivery.flush(everything=True)
    bucket.refuses = False
    delivery.accept(batch("two"))
    delivery.flush(everything=True)
    assert b"".join(bucket.objects) == b"one\ntwo\n"


def test_objects_are_compressed_where_the_stream_says_so() -> None:
    bucket, clock = Bucket(), Clock()
    delivery = delivery_to(bucket, clock, CompressionFormat="GZIP")
    delivery.accept(batch("one"))
    delivery.flush(everything=True)
    assert gzip.decompress(bucket.objects[0]) == b"one\n"
