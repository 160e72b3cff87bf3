"""The pieces of a deployment: lease, history, approval, verification, arming."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from seatrial.contracts import (
    Deployment,
    DeploymentHistory,
    GoldenAnswer,
    GoldenPrediction,
    Payload,
    SelfTest,
    Serving,
    VerifiedDeployment,
)
from seatrial.deployment.approval import approval_time, read_approved_at
from seatrial.deployment.history import (
    read_history,
    rollback_target,
    up_to,
    way_back,
    why_superseded,
    with_verified,
    without,
    write_history,
)
from seatrial.endpoint import EndpointState, wait_until_settled
from seatrial.errors import DeploymentError, InputError
from seatrial.lease import SharedObject, holding
from seatrial.steps.arm_monitoring import arming, hour_prefixes
from seatrial.verification import (
    check_p95,
    measure_p95_ms,
    p95,
    text_deviation,
    verify_answers,
    verify_model,
)

NOW = datetime(2026, 11, 24, 23, 59, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@dataclass
class FakeS3:
    """Objects with conditional writes. `loses` answers are lost after the write took effect."""

    objects: dict[str, bytes] = field(default_factory=dict)
    loses: int = 0
    writes: int = 0

    def get_object(self, *, Key: str, **_: str) -> dict[str, Any]:  # noqa: N803 - boto3's
        if Key not in self.objects:
            raise _client_error("NoSuchKey")
        return {"Body": io.BytesIO(self.objects[Key]), "ETag": self._etag(Key)}

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, **condition: str) -> dict[str, Any]:  # noqa: N803
        there = Key in self.objects
        if "IfNoneMatch" in condition and there:
            raise _client_error("PreconditionFailed")
        if "IfMatch" in condition and (not there or condition["IfMatch"] != self._etag(Key)):
            raise _client_error("PreconditionFailed" if there else "NoSuchKey")
        self.objects[Key] = Body
        self.writes += 1
        if self.loses:
            self.loses -= 1
            return self.put_object(Bucket=Bucket, Key=Key, Body=Body, **condition)  # boto3's retry
        return {"ETag": self._etag(Key)}

    def _etag(self, key: str) -> str:
        return f'"{hash(self.objects[key])}"'


def _client_error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "injected"}}, "PutObject")


@dataclass
class Clock:
    """Time that passes only when somebody sleeps."""

    seconds: float = 0.0

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def lease(s3: FakeS3, clock: Clock, *, wait_s: float = 0.0) -> Any:
    shared = SharedObject("s3://bucket/locks/flights.json", s3)
    return holding(shared, lease_s=60, wait_s=wait_s, poll_s=1, sleep=clock.sleep, now=clock.now)


def test_a_lease_is_one_at_a_time_and_its_number_grows() -> None:
    s3, clock = FakeS3(), Clock()
    under_way = pytest.raises(DeploymentError, match=r"held by .* for 60 s more")
    with lease(s3, clock) as first, under_way, lease(s3, clock):
        pass
    with lease(s3, clock) as second:
        assert (first.fence, second.fence) == (1, 2)


@pytest.mark.parametrize(
    ("later_s", "is_free"),
    [
        pytest.param(59, False, id="under"),
        pytest.param(60, True, id="exactly at"),
        pytest.param(61, True, id="over"),
    ],
)
def test_a_lease_whose_process_died_is_free_when_it_expires(later_s: float, is_free: bool) -> None:
    s3, clock = FakeS3(), Clock()
    died = lease(s3, clock)
    died.__enter__()  # and is never left
    clock.sleep(later_s)
    if is_free:
        with lease(s3, clock) as taken:
            assert taken.fence == 2
    else:
        with pytest.raises(DeploymentError, match="under way"), lease(s3, clock):
            pass


def test_a_lease_is_waited_for() -> None:
    s3, clock = FakeS3(), Clock()
    died = lease(s3, clock)
    died.__enter__()
    with lease(s3, clock, wait_s=100) as taken:
        assert taken.fence == 2
    assert clock.seconds == 60


def test_a_lease_is_renewed_when_a_third_of_it_is_gone_and_lost_if_another_has_it() -> None:
    s3, clock = FakeS3(), Clock()
    with lease(s3, clock) as held:
        clock.sleep(19)
        held.keep()
        assert s3.writes == 1
        clock.sleep(1)
        held.keep()
        assert s3.writes == 2
        clock.sleep(60)
        with lease(s3, clock), pytest.raises(DeploymentError, match="was lost to another"):
            held.keep()


def test_a_write_whose_answer_was_lost_counts_as_written() -> None:
    s3, clock = FakeS3(loses=1), Clock()
    with lease(s3, clock) as held:
        s3.loses, clock.seconds = 1, 30
        held.keep()
        assert held.fence == 1
    with lease(s3, clock) as second:
        assert second.fence == 2


def serving(name: str, *, concurrency: int = 5) -> Serving:
    return Serving(
        endpoint_config_name=name, max_concurrency=concurrency, provisioned_concurrency=None
    )


def verified(name: str, approved_at: datetime = NOW) -> VerifiedDeployment:
    return VerifiedDeployment(
        serving=serving(name),
        model_name=f"model-{name}",
        image="image",
        model_package_arn=f"arn:{name}",
        approved_at=approved_at,
        verified_at=NOW,
    )


def history(*names: str, attempt: str | None = None) -> DeploymentHistory:
    return DeploymentHistory(
        endpoint_name="flights",
        latest_approved_at=NOW,
        verified=tuple(verified(name) for name in names),
        attempt=None if attempt is None else serving(attempt),
    )


def state(name: str) -> EndpointState:
    return EndpointState.in_service("flights", serving(name))


def test_a_history_is_written_by_the_latest_holder_only() -> None:
    s3 = FakeS3()
    assert read_history("bucket", "flights", s3).verified == ()
    write_history(history("b", "a"), "bucket", 7, s3)
    write_history(history("c", "b"), "bucket", 7, s3)
    assert read_history("bucket", "flights", s3).fence == 7
    with pytest.raises(DeploymentError, match="fencing number 7"):
        write_history(history("a"), "bucket", 6, s3)
    assert read_history("bucket", "flights", s3).verified[0] == verified("c")


def test_a_history_keeps_the_last_ones_each_once() -> None:
    kept = with_verified(history("c", "b", "a"), verified("b", NOW - SECOND), keep=3)
    assert [item.serving.endpoint_config_name for item in kept.verified] == ["b", "c", "a"]
    assert kept.latest_approved_at == NOW
    kept = with_verified(history("c", "b", "a", attempt="d"), verified("d", NOW + SECOND), keep=3)
    assert [item.serving.endpoint_config_name for item in kept.verified] == ["d", "c", "b"]
    assert (kept.latest_approved_at, kept.attempt) == (NOW + SECOND, None)
    assert without(kept, serving("d")).verified == kept.verified[1:]
    assert up_to(kept, serving("c")).verified == kept.verified[1:]
    assert up_to(kept, serving("x")) == kept


@pytest.mark.parametrize(
    ("past", "now", "back"),
    [
        pytest.param(history(), None, None, id="a first endpoint is deleted again"),
        pytest.param(history("a"), "a", "a", id="what serves comes back"),
        pytest.param(history("b", "a"), "a", "a", id="so does an older one that was verified"),
        pytest.param(history("a"), "x", "x", id="and what a person has made of it"),
        pytest.param(history("a", attempt="b"), "b", "a", id="but not what a crash left"),
        pytest.param(history(attempt="b"), "b", None, id="nor a first endpoint that it left"),
        pytest.param(history("b", attempt="b"), "b", "b", id="unless that was verified"),
    ],
)
def test_the_way_back_is_something_that_was_verified(
    past: DeploymentHistory, now: str | None, back: str | None
) -> None:
    found = way_back(past, None if now is None else state(now))
    assert found == (None if back is None else serving(back))


@pytest.mark.parametrize(
    ("past", "now", "to"),
    [
        pytest.param(history("c", "b", "a"), "c", "b", id="the one before"),
        pytest.param(history("c", "b", "a"), "b", "b", id="a crashed rollback is finished"),
        pytest.param(history("c", "b", "a"), "x", "c", id="from something unverified the last"),
        pytest.param(history("c"), "c", None, id="nothing before the first"),
        pytest.param(history(), "x", None, id="no history"),
    ],
)
def test_a_rollback_goes_to_the_verified_one_before(
    past: DeploymentHistory, now: str, to: str | None
) -> None:
    found = rollback_target(past, state(now))
    assert (None if found is None else found.serving.endpoint_config_name) == to


@pytest.mark.parametrize(
    ("provisioned", "concurrency", "known"),
    [
        pytest.param(1, 5, True, id="as deployed"),
        pytest.param(4, 5, True, id="scaled, and let go of"),
        pytest.param(4, 6, False, id="with another concurrency"),
        pytest.param(None, 5, False, id="with nothing provisioned"),
    ],
)
def test_what_was_scaled_from_a_verified_deployment_is_that_deployment(
    provisioned: int | None, concurrency: int, known: bool
) -> None:
    deployed = [
        item.model_copy(
            update={"serving": item.serving.model_copy(update={"provisioned_concurrency": 1})}
        )
        for item in (verified("b"), verified("a"))
    ]
    past = history().model_copy(update={"verified": tuple(deployed)})
    update = {"provisioned_concurrency": provisioned, "max_concurrency": concurrency}
    now = replace(state("b"), serving=serving("b").model_copy(update=update))
    assert now.serving is not None
    as_it_was = deployed[0].serving if known else now.serving
    assert way_back(past, now) == as_it_was
    # from one that is known, one further back; from anything else, to the last that was verified
    assert rollback_target(past, now) == deployed[1 if known else 0]


@pytest.mark.parametrize(
    ("wanted", "approved_at", "said"),
    [
        pytest.param("c", NOW + SECOND, None, id="a later approval"),
        pytest.param("b", NOW, None, id="the event of the one that serves, again"),
        pytest.param("a", NOW, "rolled back", id="of one that was rolled back"),
        pytest.param("a", NOW - SECOND, "a later one is deployed", id="an older approval"),
    ],
)
def test_an_approval_is_deployed_unless_a_later_one_was(
    wanted: str, approved_at: datetime, said: str | None
) -> None:
    found = why_superseded(history("b", "a"), serving(wanted), approved_at)
    assert (found is None) if said is None else (said in str(found))


def test_an_approval_is_no_later_than_the_packages_last_change() -> None:
    changed = NOW + timedelta(milliseconds=300)
    package = {"LastModifiedTime": changed}
    assert approval_time(NOW, package, NOW) == changed
    assert approval_time(NOW + 5 * SECOND, package, NOW) == changed  # a second event
    edited = {"LastModifiedTime": NOW + timedelta(hours=1)}
    assert NOW <= approval_time(NOW, edited, NOW) < NOW + SECOND
    assert approval_time(None, package, NOW + SECOND) == NOW + SECOND


def test_the_time_of_an_event_is_read_or_refused() -> None:
    assert read_approved_at("2026-11-24T23:59:00Z") == NOW
    assert read_approved_at("now") is None
    for text in ("yesterday", "2026-11-24T23:59:00"):
        with pytest.raises(InputError, match=text):
            read_approved_at(text)


@dataclass
class FakeRuntime:
    """Answers every request with `text`, after `seconds` of the clock."""

    text: str = "4.0\n"
    clock: Clock = field(default_factory=Clock)
    seconds: tuple[float, ...] = (0.0,)
    asked: int = 0

    def invoke_endpoint(self, **request: Any) -> dict[str, Any]:
        assert request["CustomAttributes"] == "seatrial-synthetic=true"
        self.clock.sleep(self.seconds[self.asked % len(self.seconds)])
        self.asked += 1
        return {"Body": io.BytesIO(self.text.encode()), "ContentType": "text/csv"}


PAYLOAD = Payload(name="one", content_type="text/csv", rows=1, body="2.0\n")


def test_the_p95_is_of_warm_requests() -> None:
    clock = Clock()
    slow_at = {0: 9.0, 5: 0.2, 6: 0.4}  # the cold start, and two of the twenty after it
    seconds = tuple(slow_at.get(number, 0.1) for number in range(21))
    runtime = FakeRuntime(clock=clock, seconds=seconds)
    found = measure_p95_ms("flights", [PAYLOAD], runtime, clock=clock.now)
    assert found == pytest.approx(200)


@pytest.mark.parametrize(
    ("measured_ms", "is_fast"),
    [
        pytest.param(499.9, True, id="under"),
        pytest.param(500, True, id="exactly at"),
        pytest.param(500.1, False, id="over"),
    ],
)
def test_a_p95_over_the_objective_is_a_failure(measured_ms: float, is_fast: bool) -> None:
    assert p95([1.0]) == 1.0
    if is_fast:
        check_p95("flights", measured_ms, 500)
    else:
        with pytest.raises(DeploymentError, match=r"p95 500\.1 ms.*at most 500 ms"):
            check_p95("flights", measured_ms, 500)


@pytest.mark.parametrize(
    ("answer", "agrees"),
    [
        pytest.param("4.00009\n", True, id="under"),
        pytest.param("4.00011\n", False, id="over"),
        pytest.param("nan\n", False, id="not a number"),
        pytest.param("4.0\n4.0\n", False, id="more rows"),
    ],
)
def test_a_rollback_is_verified_by_the_answers_of_then(answer: str, agrees: bool) -> None:
    golden = [GoldenAnswer(payload="one", content_type="text/csv", body="2\n", answer="4.0\n")]
    if agrees:
        verify_answers("flights", golden, FakeRuntime(answer))
    else:
        with pytest.raises(DeploymentError, match="unlike it did when it was verified"):
            verify_answers("flights", golden, FakeRuntime(answer))


def test_words_in_an_answer_have_to_be_equal() -> None:
    assert text_deviation("0.5,late\n", "0.25,late\n") == 0.25
    assert text_deviation("0.5,late\n", "0.5,early\n") == math.inf


@pytest.mark.parametrize(
    ("model", "image", "is_good"),
    [("m", "i", True), ("other", "i", False), ("m", "other", False)],
)
def test_the_variant_has_to_run_the_new_model_and_image(
    model: str, image: str, is_good: bool
) -> None:
    class Sagemaker:
        def describe_endpoint_config(self, **_: Any) -> dict[str, Any]:
            return {"ProductionVariants": [{"ModelName": model}]}

    served = EndpointState("flights", "InService", "c", None, image=image)
    if is_good:
        verify_model(served, "m", "i", Sagemaker())
    else:
        with pytest.raises(DeploymentError, match="runs another model or image"):
            verify_model(served, "m", "i", Sagemaker())


def test_waiting_ends_at_its_deadline() -> None:
    class Creating:
        def describe_endpoint(self, **_: Any) -> dict[str, str]:
            return {
                "EndpointName": "flights",
                "EndpointArn": "arn",
                "EndpointStatus": "Creating",
                "EndpointConfigName": "new",
            }

    seconds = iter(range(100))
    with pytest.raises(DeploymentError, match="Creating after 5 s"):
        wait_until_settled(
            "flights",
            Creating(),
            poll_s=1,
            deadline_s=5,
            sleep=lambda _: None,
            clock=lambda: float(next(seconds)),
        )


DEPLOYMENT = Deployment(
    endpoint_name="flights",
    variant_name="AllTraffic",
    model_name="model",
    serving=serving("new"),
    previous=serving("old"),
    skipped=None,
    model_data_url="s3://b/models/abc/model.tar.gz",
    baseline_uri="s3://b/baselines/def",
    log_group="group",
    records_uri="s3://b/predictions/flights/AllTraffic",
    actions=(),
    rollback=(),
    golden=(GoldenPrediction(event_id="e1", payload="one", max_deviation=0),),
    latency_p95_ms=3.0,
    approved_at=NOW,
    deployed_at=NOW,
)


def self_test(*, expected: bool, alert: bool, alerted: tuple[str, ...] = ()) -> SelfTest:
    moved = ("temp",) if expected else ()
    return SelfTest(
        name="rows",
        rows=500,
        expected_alert=expected,
        alert=alert,
        moved_columns=moved,
        alerted_columns=alerted,
    )


GOOD = (
    self_test(expected=False, alert=False),
    self_test(expected=True, alert=True, alerted=("temp", "dewp")),
)


@pytest.mark.parametrize(
    ("seen", "tests", "said"),
    [
        pytest.param({"e1"}, GOOD, None, id="records and monitor are good"),
        pytest.param(set(), GOOD, "1 of 1 predictions are not in the log", id="no record"),
        pytest.param(
            {"e1"}, (self_test(expected=False, alert=True),), "self-test", id="a false alarm"
        ),
        pytest.param(
            {"e1"}, (self_test(expected=True, alert=False),), "self-test", id="a missed drift"
        ),
        pytest.param(
            {"e1"},
            (self_test(expected=True, alert=True, alerted=("wind",)),),
            "about wind, expected True about temp",
            id="the wrong column",
        ),
    ],
)
def test_only_records_and_a_monitor_that_works_arm(
    seen: set[str], tests: tuple[SelfTest, ...], said: str | None
) -> None:
    result = arming(DEPLOYMENT, seen, 3.0, tests)
    assert result.armed is (said is None)
    assert (result.reason is None) if said is None else (said in str(result.reason))


def test_records_that_arrive_past_the_hour_are_found() -> None:
    prefixes = hour_prefixes(DEPLOYMENT.records_uri, NOW)
    assert [prefix.split("AllTraffic/")[1] for prefix in prefixes] == [
        "2026/11/24/22/",
        "2026/11/24/23/",
        "2026/11/25/00/",
    ]
