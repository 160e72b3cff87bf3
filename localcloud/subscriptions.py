"""What moto takes although CloudWatch Logs and Firehose, or localcloud's delivery, would not."""

from __future__ import annotations

from typing import Any

from seatrial.localcloud.filter_pattern import read_pattern
from seatrial.localcloud.firehose import read_target


def check_subscription(target: str, request: dict[str, Any]) -> None:
    """AwsError for a filter or a stream that would not deliver; looks at no other call."""
    if target == "Logs_20140328.PutSubscriptionFilter":
        if ":firehose:" in request["destinationArn"]:
            read_pattern(request["filterPattern"])
    elif target == "Firehose_20150804.CreateDeliveryStream":
        config = request.get("ExtendedS3DestinationConfiguration")
        if config:
            read_target(request["DeliveryStreamName"], config)
