"""The client that blocks."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable
from typing import Any

from seatrial.client.bodies import body_of
from seatrial.client.exchange import Call, Chance, Conversation, Outcome, Prediction, converse
from seatrial.client.options import Options
from seatrial.client.transport import Transport, make_runtime


class InferenceClient:
    """Asks one endpoint. Threads may share it.

    `runtime` is a botocore or boto3 client of "sagemaker-runtime": several clients may share one;
    give it no retries of its own and a read timeout over 60 s. Without it one is made.
    """

    def __init__(
        self,
        endpoint_name: str,
        options: Options | None = None,
        *,
        runtime: Any = None,
        region: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.endpoint_name, self.options = endpoint_name, options or Options()
        if runtime is None:
            runtime = make_runtime(self.options, region=region, connections=10)
        self._transport = Transport(endpoint_name, self.options, runtime)
        self._sleep = sleep

    def predict(self, data: Any, *, inference_id: str | None = None) -> Prediction:
        """The endpoint's answer to rows, an array, text or bytes.

        What is over 4 MB goes in several calls, one after the other, and their answers are joined;
        so does what has too large an answer. Every attempt at a call carries the same inference id
        (yours, else a random one; with /1, /2 … for parts): a prediction has no effect but its
        record, and one that was repeated after a 5xx may be on record twice, with two event ids
        and one inference id.

        InvocationError if the endpoint gave no prediction, DeadlineError (one too) if not in time,
        InputError for what cannot be sent.
        """
        conversation = open_conversation(data, inference_id, self.options)
        return hold(conversation, self._transport.send_within, self._sleep)


def open_conversation(data: Any, inference_id: str | None, options: Options) -> Conversation:
    """The conversation about `data`, in real time."""
    body = body_of(data, options.content_type)
    chance = Chance(time.monotonic, random.random)
    return converse(body, inference_id or str(uuid.uuid4()), options, chance)


def hold(
    conversation: Conversation, send: Callable[[Call], Outcome], sleep: Callable[[float], None]
) -> Prediction:
    """Do what the conversation asks for, until it has the prediction."""
    outcome: Outcome | None = None
    while True:
        try:
            step = conversation.send(outcome)
        except StopIteration as end:
            found: Prediction = end.value
            return found
        if isinstance(step, Call):
            outcome = send(step)
        else:
            sleep(step.seconds)
            outcome = None
