"""Makes one call of a deployment go wrong in a given manner; what must hold then, and afterwards.

A fault sits in boto3's clients, below its retries, so that these are part of what is tried.
"""

from __future__ import annotations

import io
import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ReadTimeoutError
from botocore.httpsession import URLLib3Session
from dock import PAYLOAD, Dock

from seatrial.config import Config, load_config
from seatrial.contracts import ServerlessConfiguration, Serving
from seatrial.deployment.judged import roll_back_judged
from seatrial.deployment.scaling import as_deployed, find_targets
from seatrial.deployment.schedule import find_schedule
from seatrial.deployment.target import Target, stream_name
from seatrial.deployment.warming import ping_schedule_name
from seatrial.endpoint import EndpointState, wait_until_settled
from seatrial.errors import SeatrialError

# What changes something; all else only looks.
CHANGES = ("Create", "Put", "Update", "Delete")
ERRORS = {
    "throttled": (400, "ThrottlingException"),
    "5xx": (500, "InternalFailure"),
    "limit": (400, "ResourceLimitExceeded"),
}
LOST = ("answer lost", "answers lost")  # of the first try, of all tries; the call took effect
KILLED = "killed"  # right after the call
FAULTS = (*ERRORS, *LOST, KILLED)


@dataclass
class Fault:
    """Strikes at the call `call`: an operation, and for an object in S3 the start of its key."""

    call: str
    kind: str
    struck: int = 0
    seen: list[str] = field(default_factory=list)
    _session: Any = field(default_factory=URLLib3Session)

    def __call__(self, request: AWSPreparedRequest, event_name: str, **_: Any) -> Any:
        """botocore's `before-send`: None lets the call through."""
        name = _name(event_name, request)
        if name not in self.seen:
            self.seen.append(name)
        if name != self.call:
            return None
        self.struck += 1
        if self.kind in ERRORS:
            return _error(request, *ERRORS[self.kind])
        if self.kind == "answer lost" and self.struck > 1:
            return None
        self._session.send(request)
        if self.kind == KILLED:
            os.kill(os.getpid(), signal.SIGKILL)
        raise ReadTimeoutError(endpoint_url=request.url)


def _name(event_name: str, request: AWSPreparedRequest) -> str:
    operation = event_name.rsplit(".", 1)[-1]
    if "/locks/" in request.url:
        return f"{operation} lease"
    for part in ("history", "golden"):
        if f"/{part}" in request.url:
            return f"{operation} {part}"
    return operation


def _error(request: AWSPreparedRequest, status: int, code: str) -> AWSResponse:
    if (
        ".json" in request.url
        or "/locks/" in request.url
        or "x-amz-target" not in {name.lower() for name in request.headers}
    ):
        body = f"<Error><Code>{code}</Code><Message>injected</Message></Error>".encode()
    else:
        body = json.dumps({"__type": code, "message": "injected"}).encode()
    headers = {"content-type": "application/x-amz-json-1.1", "x-amzn-errortype": code}

    class Raw(io.BytesIO):
        def stream(self, **_: Any) -> Iterator[bytes]:
            yield self.getvalue()

    return AWSResponse(request.url, status, headers, Raw(body))


@contextmanager
def striking(dock: Dock, fault: Fault) -> Iterator[None]:
    """The fault in the dock's clients."""
    for one in dock.clients.values():
        one.meta.events.register_first("before-send", fault, unique_id="fault")
    try:
        yield
    finally:
        for one in dock.clients.values():
            one.meta.events.unregister("before-send", unique_id="fault")


@dataclass(frozen=True)
class Scene:
    """What is done to an endpoint, from one state to another."""

    name: str
    dock: Dock
    act: Callable[[], object]
    old: Serving | None
    new: Serving | None


@dataclass(frozen=True)
class Outcome:
    """What became of one cell of the matrix."""

    raised: str
    served: str


def play(scene: Scene, fault: Fault) -> Outcome:
    """One cell: strike, look, run it again, look again. AssertionError if a promise is broken."""
    attempt = _try_and_be_killed if fault.kind == KILLED else _try
    with striking(scene.dock, fault):
        raised = attempt(scene, fault)
    assert fault.struck, f"{fault.call} was not called: {fault.seen}"
    served = _check_serves(scene)
    _try_again(scene)
    _check_converged(scene)
    return Outcome(raised, served)


def _try(scene: Scene, _: Fault) -> str:
    try:
        scene.act()
    except SeatrialError as error:
        return type(error).__name__
    return "nothing"


def _try_and_be_killed(scene: Scene, fault: Fault) -> str:
    """In a process of its own, since this one is to live on."""
    child = os.fork()
    if child == 0:
        try:
            for client in scene.dock.clients.values():  # their open connections are the parent's
                client._endpoint.http_session.close()
            scene.act()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    fault.struck = int(os.WIFSIGNALED(status))
    return "SIGKILL" if fault.struck else "nothing"


def _try_again(scene: Scene) -> None:
    recorded = [item.serving for item in scene.dock.history().verified[:1]]
    state = settled(scene.dock)
    done = state is not None and [state.serving] == recorded == [scene.new]
    if "roll back" in scene.name and done:
        return  # all of it was done: once more would go one further
    scene.act()


def _check_serves(scene: Scene) -> str:
    """After the fault: the old or the new configuration, and it predicts as it should."""
    state = settled(scene.dock)
    if state is None:
        assert scene.old is None, "the endpoint is gone"
        return "none, as before"
    assert state.status == "InService", state
    for known, said in ((scene.new, "new"), (scene.old, "old")):
        if _is_or_was_scaled(state.serving, known):
            _check_predicts(scene.dock)
            return said
    raise AssertionError(f"neither {scene.old} nor {scene.new}: {state}")


def _is_or_was_scaled(serving: Serving | None, known: Serving | None) -> bool:
    """The same, whatever the concurrency that a timetable has set and that is let go of now."""
    if serving is None or known is None or known.provisioned_concurrency is None:
        return serving == known
    return serving.model_copy(update={"provisioned_concurrency": None}) == known.model_copy(
        update={"provisioned_concurrency": None}
    )


def _check_predicts(dock: Dock) -> None:
    runtime = dock.clients["sagemaker-runtime"]
    answer = runtime.invoke_endpoint(
        EndpointName=dock.name, Body=PAYLOAD.body, ContentType="text/csv"
    )
    assert answer["Body"].read() == b"2.0\n4.0\n"


def _check_converged(scene: Scene) -> None:
    """After another run: the new configuration, recorded as verified, and nothing left over."""
    state, history = settled(scene.dock), scene.dock.history()
    assert state is not None
    assert (state.status, state.serving) == ("InService", scene.new)
    assert history.attempt is None
    assert history.verified[0].serving == scene.new
    configs, models = scene.dock.left()
    assert configs == {item.serving.endpoint_config_name for item in history.verified}
    assert models == {item.model_name for item in history.verified}
    _check_kept_warm(scene.dock)


def _check_kept_warm(dock: Dock) -> None:
    """By what the configuration says, and by nothing else."""
    schedule = find_schedule(ping_schedule_name(dock.name), dock.clients["scheduler"])
    rate = schedule["ScheduleExpression"] if schedule else None
    assert schedule is None or schedule["Description"].endswith("300 s, which is assumed")
    assert rate == ("rate(4 minutes)" if dock.config.warm.mode == "pings" else None)
    targets = find_targets(dock.name, dock.clients)
    bounds = [(item["MinCapacity"], item["MaxCapacity"]) for item in targets]
    assert bounds == ([(2, 3)] if dock.config.warm.mode == "provisioned" else [])


def settled(dock: Dock) -> EndpointState | None:
    """The endpoint, once nothing is under way, as it was deployed."""
    state = wait_until_settled(dock.name, dock.clients["sagemaker"], poll_s=0.02)
    return as_deployed(state, dock.clients)


class Stage:
    """Sets the scenes; those of one endpoint follow on each other, which saves their set-up."""

    def __init__(self, cloud: Any, *, names: str = "stage") -> None:
        self._cloud, self._names = cloud, names
        self._number = 0
        self._docks: dict[str, Dock] = {}

    def scene(self, name: str) -> Scene:
        """The next one of that name."""
        self._number += 1
        return _SCENES[name](self, name)

    def calls(self, name: str) -> list[str]:
        """The calls that such a scene makes when nothing goes wrong, each once, in order."""
        scene = self.scene(name)
        fault = Fault("none", "none")
        with striking(scene.dock, fault):
            scene.act()
        return fault.seen

    def _dock(self, name: str, *, deployments: int, config: Config | None = None) -> Dock:
        if name not in self._docks:
            word = name.replace(",", "").replace(" ", "-")
            dock = Dock.of(self._cloud, f"{self._names}-{word}")
            # after a kill the lease is waited for
            self._docks[name] = replace(dock, lease_s=0.3, config=config or dock.config)
            for _ in range(deployments):
                self._docks[name].deploy(_target(self._docks[name]))
        return self._docks[name]

    def first(self, name: str) -> Scene:
        """An endpoint is made."""
        if (before := self._docks.pop(name, None)) is not None:  # an account has quotas
            before.clients["sagemaker"].delete_endpoint(EndpointName=before.name)
            stream = stream_name(before.name)
            before.clients["firehose"].delete_delivery_stream(DeliveryStreamName=stream)
        dock = replace(Dock.of(self._cloud, f"{self._names}-fresh{self._number}"), lease_s=0.3)
        self._docks[name] = dock
        return _deploys(name, dock, _target(dock))

    def update(self, name: str) -> Scene:
        """Another model, which removes the oldest."""
        dock = self._dock(name, deployments=3)
        return _deploys(name, dock, _target(dock))

    def in_place(self, name: str) -> Scene:
        """The same model with another concurrency."""
        dock = self._dock(name, deployments=1)
        package = dock.history().verified[0].model_package_arn
        target = dock.target(package, concurrency=2 + self._number % 100)
        return _deploys(name, dock, target)

    def roll_back(self, name: str) -> Scene:
        """Back from another model."""
        return _rolls_back(name, self._dock(name, deployments=1))

    def judged(self, name: str) -> Scene:
        """Back from another model, by a verdict on it; once more does nothing more."""
        scene = _rolls_back(name, self._dock(name, deployments=1))
        assert scene.old is not None
        return replace(scene, act=partial(_act_on_verdict, scene.dock, scene.old))

    def update_pings(self, name: str) -> Scene:
        """Another model, and pings begin."""
        dock = self._dock(name, deployments=1, config=PINGS)
        _end_pings(dock)
        return _deploys(name, dock, _target(dock))

    def roll_back_pings(self, name: str) -> Scene:
        """Back from another model, whose pings came at another pace."""
        scene = _rolls_back(name, self._dock(name, deployments=1, config=PINGS))
        schedule = find_schedule(
            ping_schedule_name(scene.dock.name), scene.dock.clients["scheduler"]
        )
        assert schedule is not None
        changed = {key: schedule[key] for key in ("Name", "FlexibleTimeWindow", "Target")}
        scene.dock.clients["scheduler"].update_schedule(
            **changed, ScheduleExpression="rate(9 minutes)"
        )
        return scene

    def update_scaled(self, name: str) -> Scene:
        """Another model where a timetable has scaled the one before; pings of earlier end."""
        dock = self._dock(name, deployments=1, config=SCALED)
        if find_schedule(ping_schedule_name(dock.name), dock.clients["scheduler"]) is None:
            _begin_pings(dock)
        _wait_until_scaled(dock)
        return _deploys(name, dock, _target(dock))

    def roll_back_scaled(self, name: str) -> Scene:
        """Back from another model that a timetable has scaled."""
        scene = _rolls_back(name, self._dock(name, deployments=1, config=SCALED))
        _wait_until_scaled(scene.dock)
        return scene


def _target(dock: Dock) -> Target:
    target = dock.target(dock.package())
    if dock.config.warm.mode != "provisioned":
        return target
    provisioned = ServerlessConfiguration(
        memory_size_mb=1024, max_concurrency=3, provisioned_concurrency=1
    )
    return replace(target, serverless=provisioned)


def _deploys(name: str, dock: Dock, target: Target) -> Scene:
    state = settled(dock)
    old = None if state is None else state.serving
    return Scene(name, dock, lambda: dock.deploy(target), old, target.serving)


def _rolls_back(name: str, dock: Dock) -> Scene:
    before = dock.history().verified[0].serving
    target = _target(dock)
    dock.deploy(target)
    return Scene(name, dock, dock.roll_back, target.serving, before)


def _act_on_verdict(dock: Dock, judged: Serving) -> None:
    with dock.operating() as operator:
        roll_back_judged(operator, dock.config, judged.endpoint_config_name)


def _begin_pings(dock: Dock) -> None:
    target = {"Arn": PING_TARGET, "RoleArn": dock.config.roles.scheduler}
    dock.clients["scheduler"].create_schedule(
        Name=ping_schedule_name(dock.name),
        ScheduleExpression="rate(9 minutes)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={**target, "Input": json.dumps({"EndpointName": dock.name, "Body": PAYLOAD.body})},
    )


def _end_pings(dock: Dock) -> None:
    name = ping_schedule_name(dock.name)
    if find_schedule(name, dock.clients["scheduler"]) is not None:
        dock.clients["scheduler"].delete_schedule(Name=name)


def _wait_until_scaled(dock: Dock) -> None:
    """Until it has what it was not deployed with."""
    deadline = time.monotonic() + 20
    while True:
        state = wait_until_settled(dock.name, dock.clients["sagemaker"], poll_s=0.02)
        assert state is not None
        assert state.serving is not None
        if state.serving.provisioned_concurrency == SCALED.warm.min_concurrency:
            return
        assert time.monotonic() < deadline, state
        time.sleep(0.02)


PING_TARGET = "arn:aws:scheduler:::aws-sdk:sagemakerruntime:invokeEndpoint"
PINGS = load_config(warm={"mode": "pings"})
# One is deployed, and at once there are two.
SCALED = load_config(
    endpoint={"provisioned_concurrency": 1},
    warm={
        "mode": "provisioned",
        "min_concurrency": 2,
        "max_concurrency": 3,
        "utilization": 0.7,
        "schedule": [{"at": "rate(1 day)", "min_concurrency": 2, "max_concurrency": 3}],
    },
)
_SCENES: dict[str, Callable[[Stage, str], Scene]] = {
    "first": Stage.first,
    "update": Stage.update,
    "in place": Stage.in_place,
    "roll back": Stage.roll_back,
    "judged": Stage.judged,
    "update, pings": Stage.update_pings,
    "roll back, pings": Stage.roll_back_pings,
    "update, scaled": Stage.update_scaled,
    "roll back, scaled": Stage.roll_back_scaled,
}
SCENES: Sequence[str] = tuple(_SCENES)
