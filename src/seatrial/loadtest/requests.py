"""What became of each request, as the Locust process logs it and the report reads it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from seatrial.client.attributes import EVENT_ID, SYNTHETIC, read_attributes
from seatrial.contracts import Payload
from seatrial.trial.traffic import THROTTLED


@dataclass(frozen=True)
class Request:
    """`at_s` since the test began, in the plan's phase of that number; `error` None: answered."""

    phase: int
    at_s: float
    latency_s: float
    error: str | None
    event_id: str | None
    bytes_in: int
    bytes_out: int

    @property
    def throttled(self) -> bool:
        """True if the endpoint had no sandbox left."""
        return self.error is not None and self.error.startswith(THROTTLED)

    def line(self) -> str:
        """As the log has it."""
        return json.dumps(asdict(self)) + "\n"


@dataclass(frozen=True)
class Log:
    """The whole test."""

    started_at: datetime
    requests: tuple[Request, ...]
    ended_early: str | None


def read_log(path: Path) -> Log:
    """First line: when it began. Then a request each, or why it ended early."""
    first, *lines = path.read_text(encoding="utf-8").splitlines()
    documents = [json.loads(line) for line in lines]
    early = [item["ended_early"] for item in documents if "ended_early" in item]
    found = (Request(**item) for item in documents if "ended_early" not in item)
    return Log(
        datetime.fromisoformat(json.loads(first)["started_at"]),
        tuple(sorted(found, key=lambda item: item.at_s)),
        early[0] if early else None,
    )


def send(
    runtime: Any, endpoint_name: str, payload: Payload, phase: int, clock: Callable[[], float]
) -> Request:
    """One request, without retries: a retried throttle would not be seen."""
    from botocore.exceptions import BotoCoreError, ClientError

    body = payload.body.encode()
    at_s = clock()
    error, event_id, answered = None, None, b""
    try:
        answer = runtime.invoke_endpoint(
            EndpointName=endpoint_name,
            ContentType=payload.content_type,
            Accept=payload.content_type,
            CustomAttributes=SYNTHETIC,
            Body=body,
        )
        answered = answer["Body"].read()
        event_id = read_attributes(answer.get("CustomAttributes", "")).get(EVENT_ID)
    except ClientError as refused:
        told = refused.response["Error"]
        error = f"{told['Code']}: {told['Message']}"[:300]
    except BotoCoreError as failed:
        error = f"{type(failed).__name__}: {failed}"[:300]
    return Request(phase, at_s, clock() - at_s, error, event_id, len(body), len(answered))
