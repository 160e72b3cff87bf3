"""Small objects that a pipeline reads from S3: its definition, property files."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from seatrial.localcloud.api import validation_error
from seatrial.localcloud.audit import Keys
from seatrial.localcloud.credentials import PERSON
from seatrial.localcloud.expressions import Unresolved
from seatrial.localcloud.loopback import Loopback


class S3Documents:
    """Reads this cloud's own S3."""

    def __init__(self, aws: Loopback) -> None:
        self._aws = aws

    def read_json(self, uri: str, keys: Keys = PERSON) -> Any:
        """The JSON document at `uri`; Unresolved if there is none."""
        parts = urlsplit(uri)
        try:
            return json.loads(self._read(parts.netloc, parts.path.lstrip("/"), keys))
        except (ClientError, BotoCoreError, ValueError) as error:
            raise Unresolved(f"{uri} cannot be read as JSON: {error}") from error

    def read_definition(self, location: dict[str, str]) -> str:
        """The text of a PipelineDefinitionS3Location; AwsError if it cannot be read."""
        bucket, key = location["Bucket"], location["ObjectKey"]
        if "VersionId" in location:
            raise validation_error("PipelineDefinitionS3Location with a VersionId is not supported")
        try:
            return self._read(bucket, key, PERSON).decode()
        except (ClientError, BotoCoreError, ValueError) as error:
            raise validation_error(
                f"the pipeline definition at s3://{bucket}/{key} cannot be read: {error}"
            ) from error

    def _read(self, bucket: str, key: str, keys: Keys) -> bytes:
        answer = self._aws.client("s3", keys).get_object(Bucket=bucket, Key=key)
        body: bytes = answer["Body"].read()
        return body
