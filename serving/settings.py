"""What the environment tells the server; read once, by its main."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from seatrial.serving.errors import StartError
from seatrial.serving.record_parts import (
    DEFAULT_MAX_LINE_BYTES,
    LARGEST_MAX_LINE_BYTES,
    LEAST_MAX_LINE_BYTES,
)
from seatrial.serving.recording import Recording, read_recording


class Identity(NamedTuple):
    """Which endpoint, variant and model version a record belongs to; empty if not told."""

    endpoint: str
    variant: str
    model_version: str


class Settings(NamedTuple):
    """`threads`: at most so many compute, and no more than there are CPUs that it may use.

    `accept_time`: a caller may say when its request was made, for replaying history.
    `max_record_bytes`: the longest line of the log; a longer record is written in parts.
    """

    model_dir: str
    host: str
    port: int
    threads: int | None
    accept_time: bool
    max_record_bytes: int
    recording: Recording
    identity: Identity


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings; StartError for a number that is none or out of range.

    The host is every interface by default, because SageMaker connects from outside the container.
    """
    return Settings(
        model_dir=environment.get("SEATRIAL_MODEL_DIR") or "/opt/ml/model",
        host=environment.get("SEATRIAL_HOST") or "0.0.0.0",  # noqa: S104 - see above
        port=_number(environment, "SAGEMAKER_BIND_TO_PORT", 1, 65535) or 8080,
        threads=_number(environment, "SEATRIAL_THREADS", 1, 256),
        accept_time=environment.get("SEATRIAL_ACCEPT_TIME") == "1",
        max_record_bytes=_number(
            environment,
            "SEATRIAL_MAX_RECORD_BYTES",
            LEAST_MAX_LINE_BYTES,
            LARGEST_MAX_LINE_BYTES,
        )
        or DEFAULT_MAX_LINE_BYTES,
        recording=read_recording(environment),
        identity=Identity(
            endpoint=environment.get("SEATRIAL_ENDPOINT_NAME", ""),
            variant=environment.get("SEATRIAL_VARIANT_NAME", ""),
            model_version=environment.get("SEATRIAL_MODEL_VERSION", ""),
        ),
    )


def _number(environment: Mapping[str, str], name: str, least: int, largest: int) -> int | None:
    text = environment.get(name, "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and least <= int(text) <= largest):
        raise StartError(
            f"{name} cannot be used",
            got=text,
            allowed=f"a whole number from {least} to {largest}",
            do="Correct the environment variable, or leave it out",
        )
    return int(text)
