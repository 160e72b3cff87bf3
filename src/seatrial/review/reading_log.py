"""What the prediction log says of an endpoint's last weeks: of the windows that were collected."""

from __future__ import annotations

from typing import Any

from seatrial.aws import S3
from seatrial.contracts.review import Logged
from seatrial.deployment.history import read_history
from seatrial.deployment.rollback import read_golden
from seatrial.endpoint import records_uri
from seatrial.monitoring.call_files import read_calls
from seatrial.monitoring.calls import merged
from seatrial.monitoring.span import Span


def read_logged(
    bucket: str, endpoint_name: str, variant_name: str, period: Span, s3: Any
) -> Logged | None:
    """The windows that ended in the period, as one; None if none was collected."""
    windows = read_calls(s3, records_uri(bucket, endpoint_name, variant_name), period)
    if not windows:
        return None
    verified = _verified_request_bytes(bucket, endpoint_name, s3)
    return Logged(
        calls=merged(windows), windows=len(windows), verified_request_bytes=verified or None
    )


def _verified_request_bytes(bucket: str, endpoint_name: str, s3: Any) -> int:
    """The largest request that what was deployed last was verified with; 0 if there is none."""
    newest = read_history(bucket, endpoint_name, s3).verified[:1]
    golden = [x for item in newest for x in read_golden(bucket, endpoint_name, item, S3(s3))]
    return max((len(answer.body.encode()) for answer in golden), default=0)
