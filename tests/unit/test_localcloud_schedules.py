"""EventBridge Scheduler: when schedules are due, and what is then called."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from moto.backends import get_backend

from seatrial.localcloud.api import ACCOUNT, AwsError, Place
from seatrial.localcloud.audit import Audit, Keys
from seatrial.localcloud.schedule_expressions import iso, read_schedule
from seatrial.localcloud.schedules import Schedules, check_schedule

REGION = "eu-central-1"  # moto keeps state by region: this one is only used here
ROLE = f"arn:aws:iam::{ACCOUNT}:role/p-scheduler"
PIPELINE = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:pipeline/p-monitoring"
START = datetime(2026, 11, 28, 12, tzinfo=UTC).timestamp()  # a Saturday


def dues(expression: str, count: int = 3, timezone: str = "UTC") -> list[str]:
    due, found = read_schedule(expression, start=START, timezone=timezone), []
    moment: float | None = START
    while moment is not None and len(found) < count:
        moment = due(moment)
        if moment is not None:
            found.append(iso(moment))
            moment += 1
    return found


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param(
            "rate(7 days)",
            ["2026-11-28T12:00:00Z", "2026-12-05T12:00:00Z", "2026-12-12T12:00:00Z"],
            id="rate",
        ),
        pytest.param("rate(1 minute)", ["2026-11-28T12:00:00Z", "2026-11-28T12:01:00Z"], id="one"),
        pytest.param("at(2026-11-30T08:00:00)", ["2026-11-30T08:00:00Z"], id="once"),
        pytest.param("at(2026-11-01T08:00:00)", [], id="over"),
        pytest.param(
            "cron(0 8,18 ? * MON-FRI *)",
            ["2026-11-30T08:00:00Z", "2026-11-30T18:00:00Z", "2026-12-01T08:00:00Z"],
            id="weekdays",
        ),
        pytest.param("cron(30 6 29 2 ? *)", ["2028-02-29T06:30:00Z"], id="leap day"),
        pytest.param("cron(0/20 12 28 NOV ? 2026)", ["2026-11-28T12:00:00Z"] * 0 + [
            "2026-11-28T12:00:00Z", "2026-11-28T12:20:00Z", "2026-11-28T12:40:00Z"], id="steps"),
        pytest.param("cron(0 0 1 1 ? 2020)", [], id="a year that is over"),
    ],
)  # fmt: skip
def test_a_schedule_is_due(expression: str, expected: list[str]) -> None:
    assert dues(expression, max(1, len(expected))) == expected


def test_a_cron_keeps_the_zones_wall_clock() -> None:
    due = read_schedule("cron(0 8 ? * * *)", start=0.0, timezone="Europe/Berlin")
    before, after = (datetime(2026, 10, day, 1, tzinfo=UTC).timestamp() for day in (24, 26))
    assert [iso(due(moment) or 0) for moment in (before, after)] == [
        "2026-10-24T06:00:00Z",
        "2026-10-26T07:00:00Z",
    ]


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        pytest.param("every day", "rate\\(value unit\\)", id="nothing known"),
        pytest.param("rate(0 hours)", "over 0", id="no time"),
        pytest.param("rate(1 week)", "minutes, hours or days", id="unit"),
        pytest.param("at(tomorrow)", "yyyy-mm-dd", id="at"),
        pytest.param("cron(0 8 * * *)", "six fields", id="five fields"),
        pytest.param("cron(0 8 * * * *)", "a \\? in one", id="both days"),
        pytest.param("cron(60 8 ? * * *)", "0 to 59 for minutes", id="over"),
        pytest.param("cron(0 8 L * ? *)", "1 to 31 for day of month", id="last day"),
        pytest.param("cron(30-20 8 ? * * *)", "upwards", id="backwards"),
        pytest.param("cron(0/0 8 ? * * *)", "steps for minutes", id="no step"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_can(expression: str, says: str) -> None:
    with pytest.raises(AwsError, match=says):
        read_schedule(expression, start=0.0)


def test_a_zone_that_is_none_is_refused() -> None:
    with pytest.raises(AwsError, match="IANA"):
        read_schedule("rate(1 hour)", start=0.0, timezone="Mars/Olympus")


class FakeClient:
    def __init__(self, calls: list[tuple[str, dict[str, Any]]], fails: bool) -> None:
        self._calls, self._fails = calls, fails

    def __getattr__(self, name: str) -> Callable[..., dict[str, Any]]:
        def call(**parameters: Any) -> dict[str, Any]:
            self._calls.append((name, parameters))
            if self._fails:
                raise AwsError("ResourceNotFound", "there is no such pipeline")
            return {}

        return call


class Clock:
    """A scheduler whose clock the test sets, over moto's own store."""

    def __init__(self) -> None:
        self.now, self.fails = START, False
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.audit = Audit()
        place = Place(REGION, "http://127.0.0.1:9", "")
        self.store = get_backend("scheduler")[ACCOUNT][REGION]
        self.schedules = Schedules(
            place, self, self.audit, now=lambda: self.now, run=lambda work: work()
        )

    def client(self, _: str, __: Keys) -> Any:
        return FakeClient(self.calls, self.fails)

    def create(self, expression: str, target: dict[str, Any], **more: Any) -> None:
        given = {
            **dict.fromkeys(("description", "schedule_expression_timezone", "group_name")),
            **dict.fromkeys(("state", "kms_key_arn", "end_date", "action_after_completion")),
            "start_date": START,
            **more,
        }
        self.store.create_schedule(
            name="s",
            schedule_expression=expression,
            flexible_time_window={"Mode": "OFF"},
            target={"RoleArn": ROLE, **target},
            **given,
        )

    def at(self, minutes: float) -> int:
        """How many calls there were by then."""
        self.now = START + 60 * minutes
        self.schedules.tick()
        return len(self.calls)


@pytest.fixture
def clock() -> Iterator[Clock]:
    clock = Clock()
    yield clock
    clock.store.schedule_groups["default"].schedules.clear()


WINDOW = {"Name": "WindowEnd", "Value": "latest"}
TO_PIPELINE = {"Arn": PIPELINE, "SageMakerPipelineParameters": {"PipelineParameterList": [WINDOW]}}


def test_a_due_schedule_starts_its_pipeline_once_at_each_due_moment(clock: Clock) -> None:
    clock.create("rate(10 minutes)", TO_PIPELINE, start_date=START + 600)
    assert [clock.at(minutes) for minutes in (0, 9.99, 10, 10.5, 19.9, 20)] == [0, 0, 1, 1, 1, 2]
    assert clock.calls[0] == (
        "start_pipeline_execution",
        {"PipelineName": PIPELINE, "PipelineParameters": [WINDOW]},
    )
    assert {item["action"] for item in clock.audit.shown()} == {"sts:AssumeRole"}


def test_moments_that_passed_unseen_are_one_call_and_no_more(clock: Clock) -> None:
    clock.create("rate(10 minutes)", TO_PIPELINE)
    assert [clock.at(minutes) for minutes in (0, 45, 49, 50)] == [1, 2, 2, 3]


def test_a_schedule_that_is_changed_disabled_over_or_gone_is_obeyed(clock: Clock) -> None:
    clock.create("rate(10 minutes)", TO_PIPELINE, end_date=START + 3600)
    schedule = clock.store.get_schedule(None, "s")
    assert clock.at(0) == 1
    schedule.schedule_expression = "rate(1 hour)"
    schedule.start_date = START + 600
    assert [clock.at(minutes) for minutes in (5, 10, 20)] == [1, 2, 2]
    schedule.schedule_expression = "rate(1 minute)"
    schedule.state = "DISABLED"
    assert clock.at(21) == 2
    schedule.state = "ENABLED"
    assert clock.at(59) == 3
    assert [clock.at(minutes) for minutes in (60, 61, 62)] == [4, 4, 4]  # its end, and past it
    schedule.end_date = None
    clock.store.delete_schedule(None, "s")
    assert clock.at(70) == 4


def test_a_universal_target_gets_its_input_with_the_moment_filled_in(clock: Clock) -> None:
    request = {"EndpointName": "e", "Body": "<aws.scheduler.scheduled-time>"}
    target = {
        "Arn": "arn:aws:scheduler:::aws-sdk:sagemakerruntime:invokeEndpoint",
        "Input": json.dumps(request),
    }
    clock.create("rate(1 hour)", target)
    assert clock.at(0) == 1
    assert clock.calls == [("invoke_endpoint", {**request, "Body": "2026-11-28T12:00:00Z"})]


def test_a_call_that_fails_is_in_the_dead_letter_queue(clock: Clock) -> None:
    sqs = get_backend("sqs")[ACCOUNT][REGION]
    queue = sqs.create_queue("dead", {}).queue_arn
    clock.fails = True
    clock.create("rate(1 hour)", {**TO_PIPELINE, "DeadLetterConfig": {"Arn": queue}})
    clock.at(0)
    letters = sqs.receive_message("dead", 1, 0, 30)
    assert json.loads(letters[0].body)["PipelineName"] == PIPELINE
    sqs.delete_queue("dead")
    sent = {"role": ROLE, "action": "sqs:SendMessage", "resource": queue}
    assert sent.items() <= clock.audit.shown()[-1].items()


@pytest.mark.parametrize(
    ("target", "says"),
    [
        pytest.param({"Arn": "arn:aws:lambda:r:1:function:f"}, "delivers to pipelines", id="arn"),
        pytest.param(
            {"Arn": "arn:aws:scheduler:::aws-sdk:sagemaker:startPipeline"},
            "no action 'startPipeline'",
            id="action",
        ),
        pytest.param(
            {"Arn": "arn:aws:scheduler:::aws-sdk:sagemakerruntime:invokeEndpoint", "Input": "{"},
            "not JSON",
            id="input",
        ),
        pytest.param(
            {"Arn": "arn:aws:scheduler:::aws-sdk:sagemakerruntime:invokeEndpoint", "Input": "{}"},
            "endpointName",
            id="parameters",
        ),
    ],
)
def test_a_target_that_nothing_delivers_to_is_refused(target: dict[str, Any], says: str) -> None:
    request = {"ScheduleExpression": "rate(1 hour)", "Target": target}
    for method in ("POST", "PUT"):
        with pytest.raises(AwsError, match=says):
            check_schedule(f"scheduler.{method}", request)
    check_schedule("scheduler.DELETE", {})
