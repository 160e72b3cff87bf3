"""10 000 requests through 20 clients: each is answered or throttled, and memory stays flat."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cloud_calls import total, wait_for
from record_delivery import delivered_lines, deploy, target_of

from seatrial.localcloud.whereabouts import status_details

pytestmark = pytest.mark.flow

REQUESTS, CLIENTS, BOTO3_CLIENTS, MAX_CONCURRENCY = 10_000, 20, 2, 4
WARM_UP = 2_000
# As a client that is throttled should; without it 99 % of the requests are throttled ones.
BACK_OFF_S = 0.02
# A leak of 1 kB for each request, throttled or not, would be 8 MB between the two looks. What the
# allocator takes in and gives back was under 1 MB in ten runs.
FLAT_MB = 3.0
# A record is kept twice, as a log event and in an object of S3: by moto, in memory, as asked. A log
# event costs a few hundred bytes beside its text.
KEPT_PER_RECORD_BYTES = 600
Send = Callable[[], tuple[int, str]]  # a request's HTTP status and error code
ACCEPTED, THROTTLED = (200, ""), (429, "ThrottlingException")


class Load:
    """The clients; each sends a request and takes its answer, until all have been sent."""

    def __init__(self, cloud: Any, endpoint_name: str, body: bytes) -> None:
        self._cloud, self._endpoint_name, self._body = cloud, endpoint_name, body
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self.answers: Counter[tuple[int, str]] = Counter()
        self.memory_mb: dict[int, float] = {}

    def run(self) -> None:
        """Send them all."""
        with ThreadPoolExecutor(CLIENTS) as pool:
            clients = [pool.submit(self._send_all, number) for number in range(CLIENTS)]
        for client in clients:
            client.result()

    def _send_all(self, client_number: int) -> None:
        with self._boto3() if client_number < BOTO3_CLIENTS else self._http() as send:
            while (number := next(self._numbers)) <= REQUESTS:
                answer = send()
                with self._lock:
                    self.answers[answer] += 1
                if number % 1_000 == 0:
                    self.memory_mb[number] = own_memory_mb(self._cloud.info.pid)
                if answer == THROTTLED:
                    time.sleep(BACK_OFF_S)

    @contextlib.contextmanager
    def _boto3(self) -> Iterator[Send]:
        runtime = self._cloud.client("sagemaker-runtime")

        def send() -> tuple[int, str]:
            try:
                answer = runtime.invoke_endpoint(
                    EndpointName=self._endpoint_name, Body=self._body, ContentType="text/csv"
                )
            except ClientError as error:
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                return status, error.response["Error"]["Code"]
            answer["Body"].read()
            return answer["ResponseMetadata"]["HTTPStatusCode"], ""

        yield send

    @contextlib.contextmanager
    def _http(self) -> Iterator[Send]:
        """InvokeEndpoint as boto3 sends it, without what boto3 costs."""
        netloc = self._cloud.endpoint_url.removeprefix("http://")
        connection = http.client.HTTPConnection(netloc, timeout=70)
        path = f"/endpoints/{self._endpoint_name}/invocations"

        def send() -> tuple[int, str]:
            connection.request("POST", path, self._body, {"Content-Type": "text/csv"})
            answer = connection.getresponse()
            content = answer.read()
            return answer.status, "" if answer.status == 200 else json.loads(content)["__type"]

        with contextlib.closing(connection):
            yield send


def own_memory_mb(pid: int) -> float:
    """The PSS of that process alone, without those that it started, in MB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


@pytest.mark.parametrize("image", ["prints-nothing", "records"])
def test_10_000_requests_are_answered_or_throttled_and_memory_stays_flat(
    new_cloud: Any, image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    records = image == "records"
    target = target_of("loaded", max_concurrency=MAX_CONCURRENCY)
    if not records:
        target = target_of("loaded", image="tiny", max_concurrency=MAX_CONCURRENCY)
    with new_cloud(delivery_s=0.5) as cloud:
        deploy(target, cloud.client, files=None if records else {"model.txt": b"1"})
        load = Load(cloud, "loaded", b"1.5\n" if records else b"model")
        begun = time.monotonic()
        load.run()
        took_s = time.monotonic() - begun
        grown_mb = own_memory_mb(cloud.info.pid) - load.memory_mb[WARM_UP]
        accepted, throttled = load.answers[ACCEPTED], load.answers[THROTTLED]
        cloudwatch, s3 = cloud.client("cloudwatch"), cloud.client("s3")
        invocations = wait_for(
            lambda: total(cloudwatch, "loaded", "Invocations"), lambda seen: seen >= accepted
        )
        lines = wait_for(
            lambda: delivered_lines(target, s3), lambda seen: len(seen) >= accepted * records
        )
        billed = status_details(cloud.info)["ledger"]["loaded"]["requests"]
        with capsys.disabled():
            sys.stdout.write(
                f"\n{image}: {REQUESTS} requests in {took_s:.1f} s, {accepted} accepted, "
                f"{throttled} throttled; memory of localcloud {load.memory_mb[WARM_UP]:.1f} MB "
                f"after {WARM_UP}, {grown_mb:+.1f} MB at the end\n"
            )
        assert load.answers == {ACCEPTED: accepted, THROTTLED: throttled}
        assert accepted + throttled == REQUESTS
        assert min(accepted, throttled) > REQUESTS / 20  # else it shows nothing
        assert invocations == billed == accepted
        assert len(lines) == accepted * records
        kept_mb = sum(2 * len(line) + KEPT_PER_RECORD_BYTES for line in lines) / 2**20
        assert grown_mb < FLAT_MB + kept_mb
