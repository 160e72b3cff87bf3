"""One change of an endpoint at a time: a lease in S3, by conditional writes.

`locks/<endpoint>.json` says who holds it, until when, and counts its holders: the fencing number.
It is never deleted, so that the number only grows. S3's If-None-Match and If-Match make each write
happen only if nobody else wrote in between.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import NonNegativeFloat, PositiveInt

from seatrial.aws import explained, split_s3_uri
from seatrial.contracts import Contract
from seatrial.errors import CloudError, DeploymentError

# Someone else wrote first; the third is S3's answer when two writes of a key arrive at once.
_CONFLICTS = ("PreconditionFailed", "ConditionalRequestConflict", "409", "412")
_MISSING = ("NoSuchKey", "404")


@dataclass(frozen=True)
class Version:
    """An object's content, and the ETag that the next write has to name."""

    body: bytes
    etag: str


class SharedObject:
    """An object in S3 that several processes write, none over another's write."""

    def __init__(self, uri: str, s3: Any) -> None:
        self.uri, self._s3 = uri, s3
        self._bucket, self._key = split_s3_uri(uri)

    def read(self) -> Version | None:
        """What is there now."""
        from botocore.exceptions import ClientError

        with explained(f"reading {self.uri}", do="Allow s3:GetObject on it"):
            try:
                found = self._s3.get_object(Bucket=self._bucket, Key=self._key)
            except ClientError as error:
                if error.response["Error"]["Code"] in _MISSING:
                    return None
                raise
            return Version(found["Body"].read(), found["ETag"])

    def write(self, body: bytes, over: Version | None) -> Version | None:
        """Write over that version; None if someone else wrote since it was read."""
        from botocore.exceptions import ClientError

        condition = {"IfNoneMatch": "*"} if over is None else {"IfMatch": over.etag}
        with explained(f"writing {self.uri}", do="Allow s3:PutObject on it"):
            try:
                done = self._s3.put_object(
                    Bucket=self._bucket, Key=self._key, Body=body, **condition
                )
            except ClientError as error:
                if error.response["Error"]["Code"] not in (*_CONFLICTS, *_MISSING):
                    raise
            else:
                return Version(body, done["ETag"])
        # A write whose answer was lost is sent again by boto3, and conflicts with itself.
        now = self.read()
        return now if now is not None and now.body == body else None


class LeaseRecord(Contract):
    """`locks/<endpoint>.json`; `owner` is None once it was given back."""

    owner: str | None
    fence: PositiveInt
    expires_at_s: NonNegativeFloat  # since 1970


class Lease:
    """Held from `holding` on; `keep` before each change, so that it is not lost on the way."""

    def __init__(self, shared: SharedObject, lease_s: float, now: Callable[[], float]) -> None:
        self._shared, self._lease_s, self._now = shared, lease_s, now
        self._owner = uuid.uuid4().hex
        self._version: Version | None = None
        self._expires_at_s = 0.0
        self.fence = 0

    def try_to_take(self) -> str | None:
        """Take it if it is free or has expired; otherwise who holds it, and for how long yet."""
        version, moment = self._shared.read(), self._now()
        held = None if version is None else LeaseRecord.model_validate_json(version.body)
        if held is not None and held.owner is not None and held.expires_at_s > moment:
            return f"held by {held.owner} for {held.expires_at_s - moment:.0f} s more"
        fence = 1 if held is None else held.fence + 1
        if not self._write(self._owner, fence, over=version):
            return "taken by another at the same moment"
        self.fence = fence
        return None

    def keep(self) -> None:
        """Renew it once a third of its time is gone; DeploymentError if another has it."""
        if self._expires_at_s - self._now() > self._lease_s * 2 / 3:
            return
        if not self._write(self._owner, self.fence, over=self._version):
            raise DeploymentError(
                "the lease on the endpoint was lost to another deployment",
                got=f"{self._shared.uri} has another owner than fencing number {self.fence}",
                allowed="one change of an endpoint at a time",
                do="Wait for the other deployment; if the process was suspended, run this again",
            )

    def give_back(self) -> None:
        """Let the next one have it at once; it may be another's already."""
        self._write(None, self.fence, over=self._version)

    def _write(self, owner: str | None, fence: int, *, over: Version | None) -> bool:
        expires_at_s = self._now() + self._lease_s
        record = LeaseRecord(owner=owner, fence=fence, expires_at_s=expires_at_s)
        written = self._shared.write(record.model_dump_json().encode(), over)
        if written is not None:
            self._version, self._expires_at_s = written, expires_at_s
        return written is not None


@contextmanager
def holding(
    shared: SharedObject,
    *,
    lease_s: float,
    wait_s: float,
    poll_s: float,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.time,
) -> Iterator[Lease]:
    """Hold the lease inside; DeploymentError if others hold it for longer than `wait_s`."""
    lease, deadline = Lease(shared, lease_s, now), now() + wait_s
    while (reason := lease.try_to_take()) is not None:
        if now() >= deadline:
            raise DeploymentError(
                "another change of the endpoint is under way",
                got=f"{shared.uri} is {reason}",
                allowed=f"a lease that is free within {wait_s:.0f} s",
                do="Wait for it to end; a lease whose process died is free when it expires",
            )
        sleep(poll_s)
    try:
        yield lease
    finally:
        # if that fails it expires by itself, and what happened inside is what matters
        with contextlib.suppress(CloudError):
            lease.give_back()
