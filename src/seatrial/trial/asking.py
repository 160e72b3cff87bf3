"""What one temporary endpoint is asked: all phases, and if so wanted after growing pauses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from seatrial.contracts import Payload
from seatrial.contracts.trial import IdleTime, TrialPhase
from seatrial.endpoint import SYNTHETIC
from seatrial.errors import CloudError
from seatrial.trial.idle import Probe, measure_idle
from seatrial.trial.metrics import Observed, observe, setups
from seatrial.trial.plan import Trial
from seatrial.trial.surroundings import Surroundings
from seatrial.trial.temporary import Temporary
from seatrial.trial.traffic import Ask, ErrorBudget, phases, send


@dataclass
class Found:
    """What is known of a tier so far."""

    phases: list[TrialPhase]
    observed: Observed
    in_service_s: float | None
    idle: IdleTime | None
    ended_early: str | None


def ask_all(
    endpoint: Temporary,
    trial: Trial,
    found: Found,
    around: Surroundings,
    started_at: datetime,
) -> None:
    settings = around.config.trial
    budget = ErrorBudget(settings.max_errors)
    ask = _asking(endpoint.name, around.clients["sagemaker-runtime"])
    for phase in phases(
        endpoint.max_concurrency,
        cold=settings.cold_requests,
        warm=settings.warm_requests,
        burst_s=settings.burst_s,
    ):
        around.say(f"{endpoint.memory_size_mb} MB: {phase.name}, {phase.clients} at a time")
        found.phases.append(send(phase, trial.payloads, ask, budget))
        if budget.spent.is_set():
            found.ended_early = (
                f"{budget.errors} errors, {budget.max_errors} allowed: {budget.first[:300]}"
            )
            break
    around.say(f"{endpoint.memory_size_mb} MB: waiting for CloudWatch")
    answered = sum(item.answered for item in found.phases)
    found.observed = _observed(endpoint, around, started_at, answered)


def _observed(
    endpoint: Temporary, around: Surroundings, started_at: datetime, answered: int
) -> Observed:
    return observe(
        endpoint.name,
        endpoint.variant_name,
        around.clients["cloudwatch"],
        since=started_at,
        answered=answered,
        deadline_s=around.config.trial.metrics_deadline_s,
        now=around.now,
        sleep=around.sleep,
    )


def leave_idle(
    endpoint: Temporary, trial: Trial, found: Found, around: Surroundings, started_at: datetime
) -> IdleTime:
    """The endpoint is left alone for longer and longer; one small request ends each pause."""
    smallest = min(trial.payloads, key=lambda item: len(item.body))
    send_one = _asking(endpoint.name, around.clients["sagemaker-runtime"])
    answered = sum(item.answered for item in found.phases)

    def ask() -> None:
        nonlocal answered
        if (error := send_one(smallest)) is not None:
            raise CloudError(
                "the endpoint that was left idle",
                got=error,
                allowed="an answer",
                do="Read its log group, and try again",
            )
        answered += 1

    def counted() -> int:
        return setups(_observed(endpoint, around, started_at, answered))

    probe = Probe(ask, counted, around.now, around.sleep)
    return measure_idle(
        probe, around.config.trial, lambda line: around.say(f"{endpoint.memory_size_mb} MB: {line}")
    )


def _asking(name: str, runtime: Any) -> Ask:
    """Sends one payload, without retries: a retried throttle would not be seen."""
    from botocore.exceptions import BotoCoreError, ClientError

    def ask(payload: Payload) -> str | None:
        try:
            answer = runtime.invoke_endpoint(
                EndpointName=name,
                ContentType=payload.content_type,
                Accept=payload.content_type,
                CustomAttributes=SYNTHETIC,
                Body=payload.body.encode(),
            )
            answer["Body"].read()
        except ClientError as error:
            told = error.response["Error"]
            return f"{told['Code']}: {told['Message']}"
        except BotoCoreError as error:
            return f"{type(error).__name__}: {error}"
        return None

    return ask
