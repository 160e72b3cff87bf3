"""Try a candidate on the real service: one temporary endpoint after the other, always removed."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from seatrial.aws import S3
from seatrial.config import Config
from seatrial.contracts import Payload
from seatrial.contracts.trial import EndpointProfile, IdleTime, TierTrial, TrialPhase
from seatrial.deployment.performing import perform
from seatrial.endpoint import SYNTHETIC, wait_until_settled
from seatrial.errors import CloudError, DeploymentError
from seatrial.trial.idle import Probe, measure_idle
from seatrial.trial.metrics import Observed, observe, setups
from seatrial.trial.plan import Trial
from seatrial.trial.temporary import Temporary, expired, remove
from seatrial.trial.traffic import Ask, ErrorBudget, phases, send

Say = Callable[[str], None]


@dataclass(frozen=True)
class Surroundings:
    """What is outside of the trial: AWS, the clock, and who listens."""

    config: Config
    clients: Mapping[str, Any]
    say: Say
    run_id: str
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep

    @property
    def prefix(self) -> str:
        """What the names of all trial endpoints of this project begin with."""
        return f"{self.config.project[:30]}-trial-"


def run_trial(trial: Trial, around: Surroundings) -> EndpointProfile:
    """Every tier in turn. A tier that fails is told with its reason, and the next one is tried."""
    remove_expired(around)
    with uploaded(trial, around) as url:
        tiers = tuple(
            try_tier(trial, tier, url, around, idle=trial.idle and not number)
            for number, tier in enumerate(trial.tiers_mb)
        )
    return EndpointProfile(
        candidate=trial.candidate,
        archive_sha256=trial.archive_sha256,
        image=trial.image or around.config.images.serving,
        payloads=tuple(payload.name for payload in trial.payloads),
        tiers=tiers,
    )


def remove_expired(around: Surroundings) -> None:
    """Remove what a trial that was killed has left behind."""
    found = list(expired(around.prefix, around.clients["sagemaker"], around.now()))
    for name in found:
        around.say(f"removing {name}, left behind by a trial that was killed")
        for left in remove(name, around.clients, model_data_url=None, sleep=around.sleep):
            around.say(f"could not remove {left}")


@contextmanager
def uploaded(trial: Trial, around: Surroundings) -> Iterator[str]:
    """The archive in S3, under a key of this run's own, for as long as the trial lasts."""
    key = f"trials/{around.run_id}/{trial.archive_sha256[:12]}/model.tar.gz"
    url = f"s3://{around.config.bucket}/{key}"
    S3(around.clients["s3"]).upload(trial.archive, url)
    try:
        yield url
    finally:
        around.clients["s3"].delete_object(Bucket=around.config.bucket, Key=key)


def try_tier(
    trial: Trial, memory_size_mb: int, url: str, around: Surroundings, *, idle: bool
) -> TierTrial:
    """One endpoint made, asked, left idle if so wanted, and removed, whatever happens."""
    endpoint = _temporary(trial, memory_size_mb, url, around)
    started_at = around.now()
    found = _Found([], Observed((), complete=False), None, None, None)
    left: list[str] = []
    try:
        _make(endpoint, found, around)
        _ask_all(endpoint, trial, found, around, started_at)
        if idle and found.ended_early is None:
            found.idle = _idle(endpoint, trial, found, around, started_at)
    except (CloudError, DeploymentError) as error:
        found.ended_early = str(error)
    finally:
        around.say(f"{memory_size_mb} MB: removing {endpoint.name}")
        left += remove(endpoint.name, around.clients, model_data_url=None, sleep=around.sleep)
        for item in left:
            around.say(f"could not remove {item}")
    return TierTrial(
        memory_size_mb=memory_size_mb,
        max_concurrency=trial.max_concurrency,
        endpoint_name=endpoint.name,
        started_at=started_at,
        in_service_s=found.in_service_s,
        phases=tuple(found.phases),
        metrics=found.observed.metrics,
        metrics_complete=found.observed.complete,
        idle=found.idle,
        ended_early=found.ended_early,
        left_behind=tuple(left),
    )


@dataclass
class _Found:
    """What is known of a tier so far."""

    phases: list[TrialPhase]
    observed: Observed
    in_service_s: float | None
    idle: IdleTime | None
    ended_early: str | None


def _temporary(trial: Trial, memory_size_mb: int, url: str, around: Surroundings) -> Temporary:
    config = around.config
    return Temporary(
        name=f"{around.prefix}{memory_size_mb}-{around.run_id}",
        variant_name=config.endpoint.variant_name,
        image=trial.image or config.images.serving,
        role=config.roles.endpoint,
        model_data_url=url,
        memory_size_mb=memory_size_mb,
        max_concurrency=trial.max_concurrency,
        environment=config.endpoint.environment,
    )


def _make(endpoint: Temporary, found: _Found, around: Surroundings) -> None:
    around.say(f"{endpoint.memory_size_mb} MB: making {endpoint.name}")
    started = time.monotonic()
    for action in endpoint.plan(around.now()):
        perform(action, around.clients)
    state = wait_until_settled(
        endpoint.name, around.clients["sagemaker"], poll_s=0.5, sleep=around.sleep
    )
    if state is None or state.status != "InService":
        raise DeploymentError(
            f"the endpoint {endpoint.name} did not come into service",
            got="it is gone" if state is None else f"{state.status}: {state.failure_reason}",
            allowed="InService",
            do="Read the reason, and try a larger memory size",
        )
    found.in_service_s = time.monotonic() - started


def _ask_all(
    endpoint: Temporary,
    trial: Trial,
    found: _Found,
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


def _idle(
    endpoint: Temporary, trial: Trial, found: _Found, around: Surroundings, started_at: datetime
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


def new_run_id(seed: str, now: datetime) -> str:
    """Six letters and digits that no other trial has."""
    return hashlib.sha256(f"{seed} {now.isoformat()}".encode()).hexdigest()[:6]
