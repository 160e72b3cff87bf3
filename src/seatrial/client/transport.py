"""Calls of InvokeEndpoint with botocore, without its own retries."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from seatrial.client.attributes import EVENT_ID, SYNTHETIC, read_attributes
from seatrial.client.bodies import Body
from seatrial.client.exchange import Answered, Call, Late, Outcome, Part, Refused
from seatrial.client.options import CONNECT_TIMEOUT_S, Options
from seatrial.client.retries import advise


def make_runtime(options: Options, *, region: str | None, connections: int) -> Any:
    """A botocore client of SageMaker Runtime; credentials and region as botocore finds them."""
    import botocore.session
    from botocore.config import Config

    return botocore.session.get_session().create_client(
        "sagemaker-runtime",
        region_name=region,
        config=Config(
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=options.read_timeout_s,
            retries={"mode": "standard", "total_max_attempts": 1},
            max_pool_connections=connections,
        ),
    )


class Transport:
    """Sends parts to one endpoint."""

    def __init__(self, endpoint_name: str, options: Options, runtime: Any) -> None:
        self._endpoint_name, self._options, self._runtime = endpoint_name, options, runtime

    def send(self, part: Part) -> Outcome:
        """One call; whatever AWS or the network makes of it is an outcome."""
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            ConnectTimeoutError,
            EndpointConnectionError,
        )

        attributes = {"CustomAttributes": SYNTHETIC} if self._options.synthetic else {}
        try:
            answer = self._runtime.invoke_endpoint(
                EndpointName=self._endpoint_name,
                Body=part.body.content,
                ContentType=part.body.content_type,
                Accept=self._options.accept or part.body.kind,
                InferenceId=part.inference_id,
                **attributes,
            )
            content: bytes = answer["Body"].read()
        except ClientError as error:
            return _refused(error)
        except (EndpointConnectionError, ConnectTimeoutError) as error:  # nothing was sent
            return Refused(type(error).__name__, str(error), "retry", error)
        except BotoCoreError as error:
            return Refused(type(error).__name__, str(error), "final", error)
        back = read_attributes(answer.get("CustomAttributes", ""))
        return Answered(Body(content, answer.get("ContentType", "")), back.get(EVENT_ID))

    def send_within(self, call: Call) -> Outcome:
        """The same, within what is left of the deadline.

        botocore's timeouts belong to a client, not to a call. Where they are longer than what is
        left, the call is made in a thread of its own, which is left to itself when time is over.
        """
        if call.within_s >= self._options.read_timeout_s + CONNECT_TIMEOUT_S:
            return self.send(call.part)
        return within(call.within_s, lambda: self.send(call.part))


def within(seconds: float, work: Callable[[], Outcome]) -> Outcome:
    """What `work` returns, or Late. It goes on in a daemon thread, which holds up nobody's exit."""
    found: list[Outcome] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            found.append(work())
        except BaseException as error:  # raised where it is waited for
            failed.append(error)

    thread = threading.Thread(target=run, name="seatrial-client", daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    return found[0] if found else Late()


def _refused(error: Any) -> Refused:
    response = error.response
    told = response.get("Error", {})
    code, message = told.get("Code", "Unknown"), told.get("Message", "")
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    original = response.get("OriginalStatusCode")
    return Refused(code, message, advise(code, status, original), error)
