"""What sandboxes print: to their log group, and by filter and delivery stream to S3."""

from __future__ import annotations

import gzip
import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from cloud_calls import GROUP, ROLE, Aws, error_of, wait_for
from record_delivery import (
    BUCKET,
    VARIANT,
    delivered_lines,
    delivered_objects,
    deploy,
    target_of,
    watch,
)

pytestmark = pytest.mark.flow


def test_log_records_reach_s3_by_the_filter_and_each_once(aws: Aws) -> None:
    aws.endpoint("records")
    target = watch("records", aws.cloud.client)
    for number in range(20):
        aws.ask("records", f'say {{"captureData": {number}}}')
        aws.ask("records", f"say something else {number}")
    aws.ask("records", "complain on stderr")
    wait_for(lambda: delivered_lines(target, aws.s3), lambda seen: len(seen) >= 20)
    time.sleep(1)
    expected = sorted(f'{{"captureData": {number}}}' for number in range(20))
    assert sorted(delivered_lines(target, aws.s3)) == expected
    assert {"something else 0", "on stderr"} <= set(aws.log_lines("records"))
    key, hour = next(iter(delivered_objects(target, aws.s3))), datetime.now(UTC)
    assert key.startswith(f"predictions/records/{VARIANT}/{hour:%Y/%m/%d}/")
    assert key.split("/")[-1].startswith(f"seatrial-records-1-{hour:%Y-%m-%d}-")


def test_each_sandbox_has_a_log_stream_even_if_it_prints_nothing(aws: Aws) -> None:
    aws.endpoint("streams")
    error = error_of(aws.ask, "streams", "status 400 no")
    [sandbox] = aws.sandboxes("streams")
    group, _, stream = error["LogStreamArn"].partition(":log-stream:")
    assert group.endswith(f":log-group:{GROUP}streams")
    assert stream == f"{VARIANT}/{sandbox['id']}"
    logs = aws.cloud.client("logs")
    found = logs.get_log_events(logGroupName=GROUP + "streams", logStreamName=stream)
    assert found["events"] == []


def test_a_stream_that_compresses_delivers_objects_of_several_records(aws: Aws) -> None:
    """As Firehose does it without extraction: compressed envelopes of CloudWatch Logs."""
    aws.endpoint("zipped")
    stream = aws.cloud.client("firehose").create_delivery_stream(
        DeliveryStreamName="zipped",
        ExtendedS3DestinationConfiguration={
            "RoleARN": ROLE,
            "BucketARN": f"arn:aws:s3:::{BUCKET}",
            "Prefix": "envelopes/",
            "CompressionFormat": "GZIP",
            "ProcessingConfiguration": {
                "Enabled": True,
                "Processors": [{"Type": "Decompression", "Parameters": []}],
            },
        },
    )
    logs = aws.cloud.client("logs")
    logs.put_subscription_filter(
        logGroupName=GROUP + "zipped",
        filterName="all",
        filterPattern="",
        destinationArn=stream["DeliveryStreamARN"],
        roleArn=ROLE,
    )
    for number in range(5):
        aws.ask("zipped", f"say line {number}")

    def bodies() -> list[bytes]:
        listed = aws.s3.list_objects_v2(Bucket=BUCKET, Prefix="envelopes/").get("Contents", [])
        assert all(item["Key"].endswith(".gz") for item in listed)
        found = [aws.s3.get_object(Bucket=BUCKET, Key=item["Key"])["Body"] for item in listed]
        return [gzip.decompress(body.read()) for body in found]

    def messages() -> list[str]:
        envelopes = [item for body in bodies() for item in read_envelopes(body.decode())]
        assert {item["logGroup"] for item in envelopes} <= {GROUP + "zipped"}
        return [event["message"] for item in envelopes for event in item["logEvents"]]

    expected = [f"line {number}" for number in range(5)]
    wait_for(messages, lambda seen: sorted(seen) == expected)
    assert len(bodies()) < 5


def read_envelopes(text: str) -> list[dict[str, Any]]:
    """JSON objects that follow each other with nothing between them."""
    decoder, found, position = json.JSONDecoder(), [], 0
    while position < len(text):
        envelope, position = decoder.raw_decode(text, position)
        found.append(envelope)
    return found


def test_our_own_serving_image_predicts_and_records(cloud: Any) -> None:
    target = target_of("ours")
    deploy(target, cloud.client)
    aws = Aws(cloud)
    answer = aws.runtime.invoke_endpoint(
        EndpointName="ours", Body=b"1.5\n4\n", ContentType="text/csv", InferenceId="mine"
    )
    assert [float(line) for line in answer["Body"].read().split()] == [3.0, 8.0]
    error = error_of(aws.ask, "ours", "one,two,three", ContentType="text/csv")
    assert (error["Error"]["Code"], error["OriginalStatusCode"]) == ("ModelError", 400)
    first = json.loads(wait_for(lambda: delivered_lines(target, aws.s3), len)[0])
    assert first["eventMetadata"]["inferenceId"] == "mine"
    assert first["captureData"]["endpointOutput"]["data"].split() == ["3.0", "8.0"]
    ours = first["seatrial"]
    assert (ours["endpoint"], ours["variant"], ours["rows"]) == ("ours", VARIANT, 2)
    assert ours["model_version"] == target.model_name
    assert f"seatrial-event-id={first['eventMetadata']['eventId']}" in answer["CustomAttributes"]
    aws.sagemaker.delete_endpoint(EndpointName="ours")
