"""EventBridge Scheduler: fires the schedules that moto only stores.

Targets are SageMaker pipelines, and any call of SageMaker or its runtime as a universal target; a
schedule with another is refused. A call that fails is not repeated: it goes to the dead-letter
queue at once, where AWS tries for a day. Of moments that passed unseen only one is made up for.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

from seatrial.localcloud.api import ACCOUNT, Place, validation_error
from seatrial.localcloud.api_model import check_request, service_model
from seatrial.localcloud.audit import Access, Audit, Keys
from seatrial.localcloud.pipeline_targets import is_pipeline, start_request
from seatrial.localcloud.schedule_expressions import Next, iso, read_schedule

LOG = logging.getLogger(__name__)
# Services of universal targets, by the SDK's name for them, and boto3's.
UNIVERSAL = {"sagemaker": "sagemaker", "sagemakerruntime": "sagemaker-runtime"}
_PREFIX = "arn:aws:scheduler:::aws-sdk:"
_WRITES = ("scheduler.POST", "scheduler.PUT")


class Clients(Protocol):
    """Makes boto3 clients with a role's keys."""

    def client(self, service: str, keys: Keys) -> Any:
        """The client of that service."""


@dataclass
class _Armed:
    """A schedule as it was read, and when it is due next."""

    version: tuple[Any, ...]
    due: Next
    at: float | None


def in_a_thread(work: Callable[[], None]) -> None:
    """Do it without waiting: a ping may take a minute."""
    threading.Thread(target=work, daemon=True).start()


class Schedules:
    """The account's schedules; `tick` is called every so often, and gives each call to `run`."""

    def __init__(
        self,
        place: Place,
        clients: Clients,
        audit: Audit,
        *,
        now: Callable[[], float],
        run: Callable[[Callable[[], None]], None] = in_a_thread,
    ) -> None:
        self._place, self._clients, self._audit, self._now = place, clients, audit, now
        self._run = run
        self._armed: dict[str, _Armed] = {}

    def tick(self) -> None:
        """Fire what is due."""
        now, known = self._now(), {}
        for schedule in _stored(self._place.region):
            armed = known[schedule.arn] = self._arm(schedule)
            if armed.at is None or armed.at > now or _is_over(schedule, armed.at):
                continue
            at, armed.at = armed.at, armed.due(now + 1)
            if schedule.state == "ENABLED":
                self._run(partial(self._fire, schedule.name, _filled(schedule, at), at))
        self._armed = known

    def _arm(self, schedule: Any) -> _Armed:
        version = _version(schedule)
        armed = self._armed.get(schedule.arn)
        if armed is not None and armed.version == version:
            return armed
        start = _moment(schedule.start_date)
        since = self._now() if start is None else start
        due = read_schedule(
            schedule.schedule_expression,
            start=since,
            timezone=schedule.schedule_expression_timezone,
        )
        return _Armed(version, due, due(since))

    def _fire(self, name: str, target: dict[str, Any], at: float) -> None:
        service, call, parameters = _call(target)
        try:
            client = self._clients.client(service, self._audit.keys(target["RoleArn"], "scheduler"))
            answer = getattr(client, call)(**parameters)
            if "Body" in answer:
                answer["Body"].read()
        except Exception as error:  # whatever is wrong with a target, nobody else hears of it
            LOG.warning("schedule %s at %s: %s", name, iso(at), error)
            self._put_aside(target, parameters)
        else:
            LOG.info("schedule %s at %s: %s", name, iso(at), call)

    def _put_aside(self, target: dict[str, Any], parameters: dict[str, Any]) -> None:
        queue = target.get("DeadLetterConfig", {}).get("Arn")
        if queue is None:
            return
        from moto.backends import get_backend

        # unlike EventBridge's, Scheduler's dead letters are sent with the schedule's role
        self._audit.did(target["RoleArn"], Access("sqs:SendMessage", queue))
        backend: Any = get_backend("sqs")[ACCOUNT][self._place.region]
        try:
            backend.send_message(queue.rsplit(":", 1)[-1], json.dumps(parameters))
        except Exception as error:  # as above
            LOG.warning("it is not in %s either: %r", queue, error)


def check_schedule(call: str, request: dict[str, Any]) -> None:
    """AwsError if a schedule cannot be read, or has a target that nothing here delivers to."""
    if call not in _WRITES or "ScheduleExpression" not in request:
        return
    read_schedule(
        request["ScheduleExpression"],
        start=0.0,
        timezone=request.get("ScheduleExpressionTimezone", "UTC"),
    )
    target = request.get("Target", {})
    arn = str(target.get("Arn"))
    if not is_pipeline(arn):
        _check_universal(arn, target)


def _check_universal(arn: str, target: dict[str, Any]) -> None:
    service, _, action = arn.removeprefix(_PREFIX).partition(":")
    if not arn.startswith(_PREFIX) or service not in UNIVERSAL:
        raise validation_error(
            f"the target is {arn!r}; localcloud delivers to pipelines of SageMaker and to "
            f"{', '.join(_PREFIX + name for name in UNIVERSAL)}:…"
        )
    name = action[:1].upper() + action[1:]
    if name not in service_model(UNIVERSAL[service]).operation_names:
        raise validation_error(f"{service} has no action {action!r}")
    try:
        parameters = json.loads(target.get("Input") or "{}")
    except ValueError as error:
        raise validation_error(f"Input is not JSON: {error}") from error
    check_request(name, parameters, service=UNIVERSAL[service])


def _stored(region: str) -> Iterable[Any]:
    from moto.backends import get_backend

    groups = get_backend("scheduler")[ACCOUNT][region].schedule_groups
    return [item for group in list(groups.values()) for item in list(group.schedules.values())]


def _version(schedule: Any) -> tuple[Any, ...]:
    return (
        schedule.schedule_expression,
        schedule.schedule_expression_timezone,
        schedule.start_date,
        schedule.creation_date,
    )


def _is_over(schedule: Any, at: float) -> bool:
    end = _moment(schedule.end_date)
    return end is not None and at > end


def _moment(value: Any) -> float | None:
    if value is None or isinstance(value, int | float):
        return value
    moment = datetime.fromisoformat(str(value))
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _filled(schedule: Any, at: float) -> dict[str, Any]:
    """The target with the context attributes of its Input replaced."""
    target: dict[str, Any] = dict(schedule.target)
    if "Input" in target:
        for name, value in (("schedule-arn", schedule.arn), ("scheduled-time", iso(at))):
            target["Input"] = target["Input"].replace(f"<aws.scheduler.{name}>", value)
    return target


def _call(target: dict[str, Any]) -> tuple[str, str, dict[str, Any]]:
    from botocore import xform_name

    if is_pipeline(target["Arn"]):
        return "sagemaker", "start_pipeline_execution", start_request(target, {})
    service, _, action = target["Arn"].removeprefix(_PREFIX).partition(":")
    return UNIVERSAL[service], xform_name(action), json.loads(target.get("Input") or "{}")
