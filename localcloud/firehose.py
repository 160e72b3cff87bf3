"""What a Firehose delivery stream makes of log events: an object's content and its key.

Done as its configuration says. Without Decompression and message extraction an object holds what
CloudWatch Logs sends: compressed envelopes, one after the other.
"""

from __future__ import annotations

import gzip
import json
import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from seatrial.contracts import MB
from seatrial.localcloud.api import ACCOUNT, AwsError, validation_error

# Firehose's own defaults.
_DEFAULT_WAIT_S, _DEFAULT_SIZE_MB = 300, 5
_EXPRESSION = re.compile(r"!\{([^:}]*):([^}]*)\}")
_JAVA_DATE = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}
_JAVA_FIELD = re.compile("|".join(_JAVA_DATE))


@dataclass(frozen=True)
class Batch:
    """Log events that came in together, on their way to one stream.

    `events` are as CloudWatch has them: id, timestamp (ms since 1970), message.
    """

    stream_name: str
    filter_name: str
    log_group: str
    log_stream: str
    events: tuple[dict[str, Any], ...]
    stream_arn: str = ""
    role_arn: str = ""  # of the subscription: with it Logs puts the events into the stream


@dataclass(frozen=True)
class Target:
    """What a delivery stream does with what it gets."""

    stream_name: str
    bucket: str
    prefix: str
    wait_s: float
    size_bytes: int
    decompress: bool
    extract: bool
    compress: bool
    role_arn: str = ""  # with it Firehose writes

    def encode(self, batch: Batch) -> bytes:
        """The batch as it goes into an object."""
        if self.extract:
            return b"".join(event["message"].encode() + b"\n" for event in batch.events)
        envelope = json.dumps(
            {
                "messageType": "DATA_MESSAGE",
                "owner": ACCOUNT,
                "logGroup": batch.log_group,
                "logStream": batch.log_stream,
                "subscriptionFilters": [batch.filter_name],
                "logEvents": batch.events,
            }
        ).encode()
        return envelope if self.decompress else gzip.compress(envelope)

    def key(self, arrived_at: float) -> str:
        """The key of an object whose oldest record arrived then (seconds since 1970)."""
        moment = datetime.fromtimestamp(arrived_at, UTC)
        prefix = self.prefix
        if "!{timestamp:" not in prefix:
            prefix += "!{timestamp:yyyy/MM/dd/HH}/"
        name = f"{self.stream_name}-1-{moment:%Y-%m-%d-%H-%M-%S}-{uuid.uuid4()}"
        evaluated = _EXPRESSION.sub(lambda found: _evaluate(found, moment), prefix)
        return evaluated + name + (".gz" if self.compress else "")


def read_target(stream_name: str, config: dict[str, Any]) -> Target:
    """The target that an ExtendedS3DestinationConfiguration describes; AwsError if it is wrong."""
    hints, prefix = config.get("BufferingHints") or {}, config.get("Prefix") or ""
    _check_prefix(prefix, config.get("ErrorOutputPrefix") or "")
    compression = config.get("CompressionFormat", "UNCOMPRESSED")
    if compression not in ("UNCOMPRESSED", "GZIP"):
        raise validation_error(f"CompressionFormat {compression}; UNCOMPRESSED and GZIP are done")
    processors = _processors(config)
    extraction = processors.get("CloudWatchLogProcessing", {}).get("DataMessageExtraction", "")
    return Target(
        stream_name=stream_name,
        bucket=config["BucketARN"].split(":::")[1],
        prefix=prefix,
        wait_s=float(hints.get("IntervalInSeconds", _DEFAULT_WAIT_S)),
        size_bytes=int(hints.get("SizeInMBs", _DEFAULT_SIZE_MB)) * MB,
        decompress="Decompression" in processors,
        extract=extraction.lower() == "true" and "Decompression" in processors,
        compress=compression == "GZIP",
        role_arn=config.get("RoleARN", ""),
    )


def _processors(config: dict[str, Any]) -> dict[str, dict[str, str]]:
    processing = config.get("ProcessingConfiguration") or {}
    if not processing.get("Enabled"):
        return {}
    return {
        processor["Type"]: {
            item["ParameterName"]: item["ParameterValue"]
            for item in processor.get("Parameters", ())
        }
        for processor in processing.get("Processors", ())
    }


def _check_prefix(prefix: str, error_prefix: str) -> None:
    expressions = _EXPRESSION.findall(prefix)
    if expressions and not error_prefix:
        # docs.aws.amazon.com/firehose/latest/dev/s3-prefixes.html has the rule and the text.
        raise AwsError(
            "InvalidArgumentException",
            "ErrorOutputPrefix can't be null when Prefix contains expressions",
        )
    for namespace, value in expressions:
        if namespace == "timestamp" and not _JAVA_FIELD.sub("", value).strip("/-_"):
            continue
        if (namespace, value) != ("firehose", "random-string"):
            raise AwsError(
                "InvalidArgumentException",
                f"localcloud: !{{{namespace}:{value}}} in Prefix; timestamp with "
                f"{', '.join(_JAVA_DATE)} and firehose:random-string are understood here",
            )


def _evaluate(expression: re.Match[str], moment: datetime) -> str:
    namespace, value = expression.groups()
    if namespace == "firehose":
        return uuid.uuid4().hex[:11]
    return moment.strftime(_JAVA_FIELD.sub(lambda found: _JAVA_DATE[found.group()], value))
