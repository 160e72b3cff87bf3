"""What a caller says of its request, in headers that SageMaker hands through."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from seatrial.serving.errors import RequestError


class Caller(NamedTuple):
    """What the caller's headers say of a request; `time` is in ISO 8601 and UTC, to the second."""

    inference_id: str | None
    synthetic: bool
    time: str | None


_NOBODY = Caller(None, synthetic=False, time=None)
_INFERENCE_ID = b"x-amzn-sagemaker-inference-id"
_ATTRIBUTES = b"x-amzn-sagemaker-custom-attributes"


def read_caller(headers: Mapping[bytes, bytes], *, accept_time: bool) -> Caller:
    """The caller's marks; RequestError for a time that is none.

    Custom attributes are a comma-separated list; those that are not ours are somebody else's.
    """
    if _INFERENCE_ID not in headers and _ATTRIBUTES not in headers:
        return _NOBODY
    attributes = {
        name.strip(): value.strip()
        for name, _, value in (
            part.partition("=")
            for part in headers.get(_ATTRIBUTES, b"").decode("latin-1").split(",")
        )
    }
    time = attributes.get("seatrial-time") if accept_time else None
    return Caller(
        inference_id=headers.get(_INFERENCE_ID, b"").decode("latin-1") or None,
        synthetic=attributes.get("seatrial-synthetic") == "true",
        time=None if time is None else _parse_time(time),
    )


@lru_cache(maxsize=1)
def utc_second(epoch_s: int) -> str:
    """The second since 1970 as a record has it: 2013-02-18T05:00:00Z."""
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _parse_time(text: str) -> str:
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is None:
            raise ValueError("no time zone")
        return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError) as error:  # the latter: before the year 1, or after 9999
        raise RequestError(
            "seatrial-time is not a time",
            got=text,
            allowed="ISO 8601 with a time zone, such as 2013-02-18T05:00:00Z",
            do="Correct the custom attribute, or leave it out",
        ) from error
