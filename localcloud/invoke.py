"""InvokeEndpoint: the caller's request to a sandbox, and its answer or the service's error back.

Lives on the event loop.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from seatrial.contracts import MB
from seatrial.limits import Limits
from seatrial.localcloud.api import ACCOUNT, AwsError, Place
from seatrial.localcloud.fleet import Fleet, Throttled
from seatrial.localcloud.hosting import Hosting
from seatrial.localcloud.http1 import Answer, AnswerTooLarge
from seatrial.localcloud.invoke_errors import InvokeErrors
from seatrial.localcloud.invoke_rules import check_headers
from seatrial.localcloud.metrics import Invocation, ProvisionedUse
from seatrial.localcloud.sandbox import OutOfMemory, Sandbox, SandboxError, TimedOut

_TO_THE_MODEL = (
    "content-type",
    "accept",
    "x-amzn-sagemaker-custom-attributes",
    "x-amzn-sagemaker-inference-id",
)
_TO_THE_CALLER = ("content-type", "x-amzn-sagemaker-custom-attributes")


@dataclass(frozen=True)
class Request:
    """One call of InvokeEndpoint; header names are lower-case."""

    id: str
    endpoint_name: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class _Call:
    """What is known so far of a request on its way."""

    request: Request
    fleet: Fleet
    arrived_at: float
    rank: int  # among the requests in flight when it came, itself included
    sandbox: Sandbox | None = None
    setup_s: float | None = None
    sent_at: float | None = None
    status: int = 500
    bytes_out: int = 0

    @property
    def log_stream(self) -> str:
        """Where the sandbox that was asked prints; empty if there was none."""
        return f"{self.fleet.variant_name}/{self.sandbox.id}" if self.sandbox else ""


class Invoker:
    """Answers InvokeEndpoint; `record` is told of each request that was not throttled."""

    def __init__(
        self,
        place: Place,
        limits: Limits,
        hosting: Hosting,
        status_of: Callable[[str], str | None],
        record: Callable[[Invocation], None],
    ) -> None:
        self._place, self._hosting = place, hosting
        self._status_of, self._record = status_of, record
        self._timeout_s = limits.invocation_s.value
        self.max_body_bytes = int(limits.payload_mb.value * MB)

    async def invoke(self, request: Request) -> Answer:
        """The model's answer; AwsError for everything else."""
        fleet = self._fleet(request)
        call = _Call(request, fleet, time.monotonic(), fleet.in_flight + 1)
        try:
            async with fleet.sandbox() as (call.sandbox, call.setup_s):
                answer = await self._ask(call, call.sandbox)
        except Throttled:
            raise AwsError(
                "ThrottlingException",
                f"localcloud: {fleet.max_concurrency} requests are in flight, which is "
                "MaxConcurrency; there is no queue",
                status=429,
            ) from None
        except SandboxError as error:
            self._note(call)
            raise self._sandbox_error(call, error) from error
        except AwsError:
            self._note(call)
            raise
        self._note(call)
        return answer

    def _fleet(self, request: Request) -> Fleet:
        name, status = request.endpoint_name, self._status_of(request.endpoint_name)
        if status is None:
            raise AwsError("ValidationError", f"Endpoint {name} of account {ACCOUNT} not found.")
        fleet = self._hosting.fleet(name)
        if fleet is None:
            raise AwsError(
                "ValidationError", f"localcloud: endpoint {name} is {status}, not InService"
            )
        variant = request.headers.get("x-amzn-sagemaker-target-variant", fleet.variant_name)
        if variant != fleet.variant_name:
            raise AwsError("ValidationError", f"localcloud: {name} has no variant {variant!r}")
        check_headers(request.headers)
        if len(request.body) > self.max_body_bytes:
            raise AwsError("ValidationError", f"Request {request.id} has oversize body.")
        return fleet

    async def _ask(self, call: _Call, sandbox: Sandbox) -> Answer:
        request, variant = call.request, call.fleet.variant_name
        errors = InvokeErrors(self._place, request.endpoint_name)
        call.sent_at = time.monotonic()
        try:
            answer = await sandbox.invoke(
                _chosen(request.headers, _TO_THE_MODEL),
                request.body,
                timeout_s=self._timeout_s,
                max_body_bytes=self.max_body_bytes,
            )
        except AnswerTooLarge as error:
            raise errors.too_large(self.max_body_bytes, call.log_stream) from error
        call.status, call.bytes_out = answer.status, len(answer.body)
        if answer.status >= 400:
            raise errors.refused(answer, call.log_stream)
        headers = _chosen(answer.headers, _TO_THE_CALLER)
        headers["x-amzn-invoked-production-variant"] = variant
        return Answer(200, headers, answer.body)

    def _sandbox_error(self, call: _Call, error: SandboxError) -> AwsError:
        errors = InvokeErrors(self._place, call.request.endpoint_name)
        if isinstance(error, TimedOut):
            return errors.timed_out(call.log_stream)
        what = "had insufficient memory" if isinstance(error, OutOfMemory) else "died"
        return errors.sandbox_failed(f"the sandbox {what}: {error}", call.log_stream)

    def _note(self, call: _Call) -> None:
        now = time.monotonic()
        sent_at = call.sent_at or now
        sandbox = call.sandbox
        self._record(
            Invocation(
                endpoint_name=call.request.endpoint_name,
                variant_name=call.fleet.variant_name,
                status=call.status,
                model_s=now - sent_at,
                overhead_s=sent_at - call.arrived_at,
                setup_s=call.setup_s,
                in_flight_ratio=(call.fleet.in_flight + 1) / call.fleet.max_concurrency,
                memory_ratio=sandbox.peak_memory_mb / sandbox.spec.memory_mb if sandbox else 0.0,
                provisioned=_provisioned_use(call),
                sent=call.sent_at is not None,
                memory_mb=call.fleet.spec.memory_mb,
                bytes_in=len(call.request.body),
                bytes_out=call.bytes_out,
            )
        )


def _provisioned_use(call: _Call) -> ProvisionedUse | None:
    provisioned = call.fleet.provisioned
    if not provisioned:
        return None
    executions = min(call.fleet.in_flight + 1, provisioned)
    return ProvisionedUse(executions, provisioned, spilled=call.rank > provisioned)


def _chosen(headers: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    return {name: headers[name] for name in names if name in headers}
