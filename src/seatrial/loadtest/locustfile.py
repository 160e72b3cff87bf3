"""What the Locust process runs; SEATRIAL_LOADTEST_PLAN names its plan. Not imported by anything."""

from __future__ import annotations

import itertools
import json
import os
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gevent
from locust import LoadTestShape, User, events, task

from seatrial.aws import client
from seatrial.contracts import read_contract
from seatrial.loadtest.plan import LoadPlan
from seatrial.loadtest.requests import Request, send
from seatrial.loadtest.shapes import peak_users, users_at
from seatrial.trial.traffic import ErrorBudget

PLAN = read_contract(LoadPlan, Path(os.environ["SEATRIAL_LOADTEST_PLAN"]))
# Without a pause a caller that is throttled asks a thousand times a second.
BACK_OFF_S = 0.2
MOST_USERS = max(
    peak_users(phase.shape, PLAN.users, PLAN.served.max_concurrency) or 1 for phase in PLAN.phases
)

budget = ErrorBudget(PLAN.max_errors)
payloads = itertools.cycle(PLAN.payloads)
arrivals = iter(PLAN.arrivals_s)
# All users share it: they are greenlets of one process.
runtime = client(
    "sagemaker-runtime", region=PLAN.region, attempts=1, connections=4 * PLAN.users + 20
)
log = PLAN.requests_path.open("w", encoding="utf-8", buffering=1)


class Shape(LoadTestShape):
    """The plan's phases; Locust asks once a second, so `phase` is the one whose users there are."""

    phase = 0

    def reset_time(self) -> None:
        """The test begins now."""
        super().reset_time()
        log.write(json.dumps({"started_at": datetime.now(UTC).isoformat()}) + "\n")

    def tick(self) -> tuple[int, float, list[type[User]]] | None:
        """Users now; they come and leave all at once. None ends the test."""
        now_s = self.get_run_time()
        if now_s >= PLAN.seconds or budget.spent.is_set():
            return None
        self.phase = PLAN.phase_at(now_s)
        phase = PLAN.phases[self.phase]
        progress = (now_s - phase.start_s) / phase.seconds
        users = users_at(phase.shape, progress, PLAN.users, PLAN.served.max_concurrency)
        kind = Replaying if phase.shape == "replay" else Asking
        return users, MOST_USERS, [kind]


def ask(environment: Any) -> Request:
    """One request, logged, and told to Locust."""
    payload = next(payloads)
    shape = environment.shape_class
    name = PLAN.served.endpoint_name
    found = send(runtime, name, payload, shape.phase, shape.get_run_time)
    log.write(found.line())
    events.request.fire(
        request_type="throttled" if found.throttled else "invoke",
        name=payload.name,
        response_time=1000 * found.latency_s,
        response_length=found.bytes_out,
        exception=None if found.error is None else RuntimeError(found.error),
        context={},
    )
    if found.error is not None and not found.throttled:
        budget.count(found.error)
        if budget.spent.is_set():
            end_early(environment)
    return found


def end_early(environment: Any) -> None:
    """Errors would not get better, and cost."""
    reason = f"{budget.errors} errors, {budget.max_errors} allowed: {budget.first}"
    log.write(json.dumps({"ended_early": reason}) + "\n")
    gevent.spawn(environment.runner.quit)


class Asking(User):
    """Waits for its answer, and asks again."""

    @task
    def ask(self) -> None:
        """One request; after a throttle a pause, as any caller should make."""
        if ask(self.environment).throttled:
            gevent.sleep(BACK_OFF_S * (0.5 + random.random()))  # noqa: S311 - only jitter


class Replaying(User):
    """Sends each recorded request at its time, whatever became of those before."""

    @task
    def send_next(self) -> None:
        """The next arrival."""
        start_s = next(phase.start_s for phase in PLAN.phases if phase.shape == "replay")
        at_s = next(arrivals, None)
        if at_s is None:
            gevent.sleep(1)
            return
        gevent.sleep(max(0.0, start_s + at_s - self.environment.shape_class.get_run_time()))
        gevent.spawn(ask, self.environment)
