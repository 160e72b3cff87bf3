"""Sandboxes die under load, and no prediction that a client received is missing from S3."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError
from record_delivery import delivered_ids, deploy, target_of

from seatrial.localcloud.whereabouts import status_details

pytestmark = pytest.mark.flow

KILLS = 100
LONGEST_S = 90.0
CLIENTS = 4


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
    """kill -9 a sandbox after each few predictions, KILLS times or until it takes too long."""
    draw, killed, deadline = random.Random(11), set[int](), time.monotonic() + LONGEST_S
    next_at = 1
    while len(killed) < KILLS and time.monotonic() < deadline:
        time.sleep(draw.uniform(0.0, 0.01))  # somewhere in a request
        if len(clients.received) < next_at:
            continue
        [endpoint] = status_details(cloud.info)["endpoints"]
        pids = [item["pid"] for item in endpoint["sandboxes"] if item["pid"] not in killed]
        if pids:
            victim = draw.choice(pids)
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
                killed.add(victim)
            next_at = len(clients.received) + draw.randint(1, 20)
    return len(killed)


def test_no_prediction_that_a_client_received_is_lost_when_sandboxes_are_killed(
    new_cloud: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with new_cloud(delivery_s=0.5) as cloud:
        target = target_of("doubling", max_concurrency=CLIENTS)
        deploy(target, cloud.client)
        clients = Clients(cloud.client("sagemaker-runtime"))
        with ThreadPoolExecutor(CLIENTS) as pool:
            asking = [pool.submit(clients.ask_on, seed) for seed in range(CLIENTS)]
            killed = kill_at_random(cloud, clients)
            clients.stop.set()
            for client in asking:
                client.result()
        s3, deadline = cloud.client("s3"), time.monotonic() + 10
        while (missing := set(clients.received) - set(delivered_ids(target, s3))) and (
            time.monotonic() < deadline
        ):
            time.sleep(0.2)
        logged = delivered_ids(target, s3)
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
