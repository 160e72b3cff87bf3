"""Client, router and orchestrator over real endpoints of localcloud."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cloud_calls import Aws
from record_delivery import deploy, target_of

from seatrial.client import (
    AsyncInferenceClient,
    DeadlineError,
    InferenceClient,
    InvocationError,
    Options,
    Retries,
)
from seatrial.client.transport import make_runtime
from seatrial.cost.case import run_fleet
from seatrial.cost.loops import RESERVED, THROTTLED
from seatrial.orchestrator.code_archive import write_code
from seatrial.router import Router, Settings, Switch, Target

pytestmark = pytest.mark.flow

TEXT = Options("text/plain", deadline_s=10, retries=Retries(attempts=1))


@pytest.fixture(scope="module")
def runtime(aws: Aws) -> Any:
    """botocore's client of that cloud, as the client makes it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in aws.cloud.environment.items():
            patch.setenv(name, value)
        return make_runtime(Options(), region=aws.cloud.region, connections=20)


@pytest.fixture(scope="module")
def doubling(aws: Aws) -> Iterator[str]:
    """An endpoint of the serving image."""
    deploy(target_of("doubling", max_concurrency=2), aws.cloud.client, watched=False)
    yield "doubling"


def test_more_than_4_mb_are_several_calls_and_one_answer(doubling: str, runtime: Any) -> None:
    client = InferenceClient(doubling, Options("application/x-npy"), runtime=runtime)
    found = client.predict(np.arange(700_000, dtype=np.float64).reshape(-1, 1), inference_id="big")
    answers = np.load(io.BytesIO(found.body))
    assert answers["y"].tolist() == (2 * np.arange(700_000, dtype=np.float64)).tolist()
    assert [event.inference_id for event in found.events] == ["big/1", "big/2"]
    assert [event.rows for event in found.events] == [350_000, 350_000]
    assert len({event.event_id for event in found.events} - {None}) == 2


def test_an_answer_over_4_mb_is_asked_for_in_halves(doubling: str, runtime: Any) -> None:
    rows = np.full((170_000, 1), 0.1, dtype=np.float32)  # 0.7 MB in; as JSON lines 4.4 MB out
    options = Options("application/x-npy", accept="application/jsonlines")
    found = InferenceClient(doubling, options, runtime=runtime).predict(rows)
    assert found.body == b'{"y":0.20000000298023224}\n' * 170_000
    assert found.attempts == 3


def test_throttling_is_waited_out_and_the_deadline_is_kept(aws: Aws, runtime: Any) -> None:
    aws.endpoint("narrow")  # two at once
    patient = Options("text/plain", retries=Retries(attempts=50, base_s=0.05, cap_s=0.2))
    hasty = Options("text/plain", deadline_s=0.3)
    with ThreadPoolExecutor(5) as pool:
        client = InferenceClient("narrow", patient, runtime=runtime)
        asked = [pool.submit(client.predict, "sleep 0.4") for _ in range(5)]
        answers = [item.result() for item in asked]
    assert {item.text for item in answers} == {"slept"}
    assert sum(item.attempts for item in answers) > 5
    started = time.monotonic()
    with pytest.raises(DeadlineError, match=r"within 0.3 s"):
        InferenceClient("narrow", hasty, runtime=runtime).predict("sleep 2")
    assert time.monotonic() - started < 1


def test_the_model_s_own_errors_are_repeated_only_if_they_are_the_server_s(
    aws: Aws, runtime: Any
) -> None:
    options = Options("text/plain", retries=Retries(attempts=3, base_s=0.01))
    client = InferenceClient("narrow", options, runtime=runtime)
    for status, attempts in ((500, "3 attempts"), (400, "1 attempt:")):
        with pytest.raises(InvocationError, match=attempts):
            client.predict(f"status {status} oops")


def test_many_are_awaited_and_a_cancelled_one_makes_no_further_call(aws: Aws, runtime: Any) -> None:
    async def story() -> list[str]:
        options = Options("text/plain", synthetic=True)
        async with AsyncInferenceClient("narrow", options, at_once=2, runtime=runtime) as client:
            late = asyncio.create_task(client.predict("status 500 no"))
            await asyncio.sleep(0.05)
            late.cancel()
            found = await asyncio.gather(*(client.predict("headers") for _ in range(4)))
            assert late.cancelled()
            return [item.text for item in found]

    for text in asyncio.run(story()):
        assert json.loads(text)["x-amzn-sagemaker-custom-attributes"] == "seatrial-synthetic=true"


# Requests at these times take 0.4 s: two slots are always warm, one more sandbox starts from zero.
BURSTS = (3, 4, 2)
EVERY_S, TAKES_S = 0.8, 0.4


def test_the_router_does_what_the_simulation_of_the_cost_says(aws: Aws, runtime: Any) -> None:
    """localcloud has no instances: the warm target is an endpoint with provisioned concurrency."""
    aws.endpoint("base")
    aws.config("kept", "base", MaxConcurrency=2, ProvisionedConcurrency=2)
    aws.config("spill", "base", MaxConcurrency=1)
    for name in ("kept", "spill"):
        aws.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    for name in ("kept", "spill"):
        assert aws.settled(name)["EndpointStatus"] == "InService"
    aws.ask("spill", "model")  # its sandbox is there: how long one starts is not what is compared

    arrivals = [EVERY_S * n for n, size in enumerate(BURSTS) for _ in range(size)]
    fleet = run_fleet(
        np.array(arrivals),
        np.full(len(arrivals), TAKES_S),
        limit=1,
        idle_s=300,
        cold_s=0,
        reserved=2,
    )
    targets = {"warm": Target("kept", at_once=2), "serverless": Target("spill")}
    router = Router(Settings(targets, {"all": ("warm", "serverless")}), TEXT, runtime=runtime)
    send_at(arrivals, lambda: router.predict(f"sleep {TAKES_S}", route="all"))

    seen: Counter[tuple[str, str]] = Counter()
    for decision, count in router.metrics.counts.items():
        seen[decision.target, decision.outcome] += count
    assert seen["warm", "answered"] == int((fleet.kinds == RESERVED).sum()) == 6
    assert seen["serverless", "turned away"] == int((fleet.kinds == THROTTLED).sum()) == 1
    assert seen["serverless", "answered"] == 2
    assert sum(seen.values()) == len(arrivals)


def send_at(times_s: list[float], ask: Any) -> None:
    """Ask at each of the times; what is turned away is no matter here."""
    begin = time.monotonic() + 0.1

    def one(at_s: float) -> None:
        time.sleep(max(0.0, begin + at_s - time.monotonic()))
        try:
            ask()
        except InvocationError as error:
            assert error.spill

    threads = [threading.Thread(target=one, args=(at_s,)) for at_s in times_s]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_over_the_crossover_and_when_throttled_requests_go_elsewhere(
    aws: Aws, runtime: Any
) -> None:
    targets = {"serverless": Target("spill"), "real-time": Target("kept")}
    # over five requests a second, seen within half a second
    switch = Switch("real-time", 5 * 730 * 3600.0, window_s=0.5, hold_s=0)
    router = Router(Settings(targets, {"all": ("serverless",)}, switch), TEXT, runtime=runtime)
    until = time.monotonic() + 1.0
    order = []
    while time.monotonic() < until:
        order.append(router.predict("model", route="all").target)
    assert [name for name, _ in itertools.groupby(order)] == ["serverless", "real-time"]
    time.sleep(0.8)  # so few requests are under it
    assert router.predict("model", route="all").target == "serverless"

    spilling = Router(
        Settings(targets, {"all": ("serverless", "real-time")}), TEXT, runtime=runtime
    )
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(spilling.predict, "sleep 0.3", route="all") for _ in range(2)]
        assert {item.result().target for item in asked} == {"serverless", "real-time"}
    reasons = {(item.reason, item.outcome) for item in spilling.metrics.counts}
    assert reasons == {("first", "answered"), ("first", "turned away"), ("spilled", "answered")}


def on_lambda(code: Path, event: Any, environment: dict[str, str]) -> dict[str, Any]:
    """The handler's answer, run from its zip with nothing else of ours, as on Lambda."""
    program = (
        "import json, sys\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "import seatrial; assert sys.argv[1] in seatrial.__file__, seatrial.__file__\n"
        "from seatrial.orchestrator.handler import handler\n"
        "class Context:\n"
        "    def get_remaining_time_in_millis(self): return 4000\n"
        "print(json.dumps(handler(json.loads(sys.argv[2]), Context())))\n"
        "assert not {'pydantic', 'boto3', 'numpy'} & set(sys.modules)\n"
    )
    command = [sys.executable, "-c", program, str(code), json.dumps(event)]
    ended = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, env=environment
    )
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def test_the_function_returns_what_arrived_and_says_why_the_rest_did_not(
    aws: Aws, doubling: str, tmp_path: Path
) -> None:
    """Three models: one answers, one is slow, one fails; then one classifies for the others."""
    aws.endpoint("slow")
    aws.endpoint("failing")
    environment = {**os.environ, **aws.cloud.environment}
    code = write_code(tmp_path / "fanout.zip")
    calls = [
        {"name": "quick", "endpoint": doubling, "body": "1.5\n"},
        {"name": "late", "endpoint": "slow", "body": "sleep 5", "content_type": "text/plain"},
        {"name": "wrong", "endpoint": "failing", "body": "status 400 no", "deadline_s": 2},
    ]
    calls[1]["deadline_s"] = 0.5  # type: ignore[assignment]
    found = on_lambda(code, {"calls": calls}, environment)
    assert found["answers"]["quick"]["body"] == "3.0\n"
    assert found["answers"]["quick"]["event_ids"][0]
    assert {name: item["reason"] for name, item in found["missing"].items()} == {
        "late": "deadline",
        "wrong": "refused",
    }
    assert "400" in found["missing"]["wrong"]["detail"]

    chain = {
        "content_type": "text/csv",
        "classify": {"name": "kind", "endpoint": doubling, "body": "2\n"},
        "routes": {"4.0": [{"name": "four", "endpoint": doubling, "body": "40\n"}]},
        "otherwise": [{"name": "other", "endpoint": doubling, "body": "1\n"}],
    }
    event = tmp_path / "event.json"
    event.write_text(json.dumps(chain), encoding="utf-8")
    verb = [sys.executable, "-c", "from seatrial.cli import main; main()", "fanout", str(event)]
    ended = subprocess.run(verb, capture_output=True, text=True, check=True, env=environment)
    routed = json.loads(ended.stdout)
    assert (routed["route"], routed["answers"]["four"]["body"]) == ("4.0", "80.0\n")
    assert set(routed["answers"]) == {"kind", "four"}
