"""Sandboxes die under load, and no prediction that a client received is missing from S3."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import re
import signal
import sys
import tarfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError
from onnx import TensorProto, helper

from seatrial.config import load_config
from seatrial.contracts import ServerlessConfiguration
from seatrial.deployment import Target, look, plan
from seatrial.endpoint import apply, wait_until_settled
from seatrial.localcloud.control import status_details

pytestmark = pytest.mark.flow

KILLS = 60
LONGEST_S = 30.0
CLIENTS = 4
SIGNATURE = {
    "schema_version": 1,
    "task": "regression",
    "model_file": "model.onnx",
    "inputs": [{"name": "x", "type": "double", "required": True, "onnx_input": "x"}],
    "outputs": [{"name": "y", "type": "double", "onnx_output": "y", "index": 0}],
    "label": None,
    "score": "y",
    "input_example": [{"x": 1.0}],
}


def model_archive() -> bytes:
    """y = x + x, as the serving image wants it."""
    described = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1]) for name in ("x", "y")
    ]
    node = helper.make_node("Add", ["x", "x"], ["y"])
    graph = helper.make_graph([node], "doubling", described[:1], described[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    files = {
        "model.onnx": model.SerializeToString(),
        "signature.json": json.dumps(SIGNATURE).encode(),
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as members:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            members.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def deploy(cloud: Any) -> Target:
    """The endpoint and its log delivery, by the plan that DeployEndpoint applies."""
    config = load_config()
    bucket = config.bucket
    names = ("sagemaker", "sagemaker-runtime", "logs", "firehose", "s3")
    clients = {name: cloud.client(name) for name in names}
    clients["s3"].create_bucket(Bucket=bucket)
    clients["s3"].put_object(Bucket=bucket, Key="model.tar.gz", Body=model_archive())
    target = Target(
        endpoint_name="doubling",
        variant_name=config.endpoint.variant_name,
        image=config.images.serving,
        role=config.roles.endpoint,
        model_data_url=f"s3://{bucket}/model.tar.gz",
        baseline_uri=f"s3://{bucket}/baseline",
        records_uri=f"s3://{bucket}/predictions/doubling/{config.endpoint.variant_name}",
        model_package_arn="arn:aws:sagemaker:us-east-1:123456789012:model-package/m/1",
        serverless=ServerlessConfiguration(
            memory_size_mb=1024, max_concurrency=CLIENTS, provisioned_concurrency=None
        ),
        environment={},
    )
    apply(plan(target, look(target, clients), config), clients)
    state = wait_until_settled("doubling", clients["sagemaker"], poll_s=0.1)
    assert state is not None
    assert state.status == "InService"
    return target


@dataclass
class Clients:
    """Ask until told to stop; what each was told is kept."""

    runtime: Any
    stop: threading.Event = field(default_factory=threading.Event)
    received: list[str] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)

    def ask_on(self, seed: int) -> None:
        """Predictions, one after the other."""
        draw = random.Random(seed)
        while not self.stop.is_set():
            try:
                answer = self.runtime.invoke_endpoint(
                    EndpointName="doubling",
                    Body=f"{draw.randint(0, 999)}\n",
                    ContentType="text/csv",
                )
            except ClientError as error:
                self.errors[error.response["Error"]["Code"]] += 1
                continue
            match = re.search(r"seatrial-event-id=([\w-]+)", answer["CustomAttributes"])
            assert match is not None
            self.received.append(match[1])


def kill_at_random(cloud: Any, clients: Clients) -> int:
    """kill -9 sandboxes until there have been enough, or it takes too long; how many."""
    draw, killed, deadline = random.Random(11), set[int](), time.monotonic() + LONGEST_S
    while len(killed) < KILLS and time.monotonic() < deadline:
        time.sleep(draw.uniform(0.0, 0.3))
        [endpoint] = status_details(cloud.info)["endpoints"]
        pids = [item["pid"] for item in endpoint["sandboxes"] if item["pid"] not in killed]
        if pids and clients.received:
            victim = draw.choice(pids)
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
                killed.add(victim)
    return len(killed)


def logged_ids(s3: Any, target: Target) -> Counter[str]:
    """How often each event id is in S3."""
    bucket, prefix = target.records_uri.removeprefix("s3://").split("/", 1)
    found: Counter[str] = Counter()
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            lines = s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read().splitlines()
            found.update(json.loads(line)["eventMetadata"]["eventId"] for line in lines)
    return found


def test_no_prediction_that_a_client_received_is_lost_when_sandboxes_are_killed(
    new_cloud: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with new_cloud(delivery_s=0.5) as cloud:
        target = deploy(cloud)
        clients = Clients(cloud.client("sagemaker-runtime"))
        with ThreadPoolExecutor(CLIENTS) as pool:
            asking = [pool.submit(clients.ask_on, seed) for seed in range(CLIENTS)]
            killed = kill_at_random(cloud, clients)
            clients.stop.set()
            for client in asking:
                client.result()
        s3, deadline = cloud.client("s3"), time.monotonic() + 10
        while (missing := set(clients.received) - set(logged_ids(s3, target))) and (
            time.monotonic() < deadline
        ):
            time.sleep(0.2)
        logged = logged_ids(s3, target)
        with capsys.disabled():
            sys.stdout.write(
                f"\n{killed} sandboxes killed, {len(clients.received)} predictions received, "
                f"{len(missing)} of them not in S3; {logged.total()} records there, "
                f"{dict(clients.errors)} seen by clients\n"
            )
        assert missing == set()
        assert killed >= KILLS / 2  # fewer on a machine that is busy with other things
        assert len(clients.received) == len(set(clients.received))
        assert max(logged.values()) == 1
        assert set(clients.errors) <= {"ModelError"}
