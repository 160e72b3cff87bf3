"""The client that awaits."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any

from seatrial.client.exchange import Call, Late, Outcome, Prediction
from seatrial.client.options import Options
from seatrial.client.synchronous import open_conversation
from seatrial.client.transport import Transport, make_runtime


class AsyncInferenceClient:
    """Asks one endpoint from a coroutine, `at_once` calls at a time.

    botocore blocks, so calls run in as many threads; waits between attempts do not hold one. A
    request that is cancelled, or late, makes no further call; the call it is in cannot be stopped
    and holds its thread until it is answered. Waiting for a thread counts towards the deadline.
    """

    def __init__(
        self,
        endpoint_name: str,
        options: Options | None = None,
        *,
        at_once: int = 10,
        runtime: Any = None,
        region: str | None = None,
    ) -> None:
        self.endpoint_name, self.options = endpoint_name, options or Options()
        if runtime is None:
            runtime = make_runtime(self.options, region=region, connections=at_once)
        self._transport = Transport(endpoint_name, self.options, runtime)
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="seatrial-client")

    async def predict(self, data: Any, *, inference_id: str | None = None) -> Prediction:
        """As InferenceClient.predict."""
        conversation = open_conversation(data, inference_id, self.options)
        outcome: Outcome | None = None
        while True:
            try:
                step = conversation.send(outcome)
            except StopIteration as end:
                found: Prediction = end.value
                return found
            if isinstance(step, Call):
                outcome = await self._send(step)
            else:
                await asyncio.sleep(step.seconds)
                outcome = None

    async def _send(self, call: Call) -> Outcome:
        loop = asyncio.get_running_loop()
        answer = loop.run_in_executor(self._pool, self._transport.send, call.part)
        try:
            return await asyncio.wait_for(answer, call.within_s)
        except TimeoutError:
            return Late()

    async def aclose(self) -> None:
        """Give the threads back; calls under way are left to themselves."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def __aenter__(self) -> AsyncInferenceClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()
