"""The same arrivals simulated and served for real: what is predicted is what localcloud bills.

Both take a request from being sent to the sandbox until its answer is back, in whole milliseconds,
and bill neither cold starts nor throttled requests: AWS does not say, so this shows that the
simulation counts as the ledger does, not that AWS does.
"""

from __future__ import annotations

import contextlib
import io
import tarfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError

from seatrial.cost.arrivals import read_invocations
from seatrial.cost.case import Case, Tier
from seatrial.cost.measured import given_workload
from seatrial.cost.prices import load_prices
from seatrial.cost.sandboxes import on_demand
from seatrial.cost.setup import Setup
from seatrial.cost.traffic import Traffic
from seatrial.errors import InputError
from seatrial.localcloud.whereabouts import status_details

pytestmark = pytest.mark.flow

MEMORY_MB, CONCURRENCY = 2048, 3
DURATION_S = 1.5  # long beside the scheduling delays of a busy machine, which are billed too
BODY, ANSWER = f"sleep {DURATION_S}", "slept"
# So many at once, every three seconds: the first ones are cold, and fours and fives are too many.
BURSTS = (1, 2, 4, 3, 5, 1)
EVERY_S = 3.0
ARRIVALS = [EVERY_S * number for number, size in enumerate(BURSTS) for _ in range(size)]


@pytest.fixture(scope="module")
def busy_cloud(new_cloud: Any) -> Iterator[Any]:
    """A cloud with an endpoint of the tiny server, which sleeps as long as it is told."""
    with new_cloud(quota="endpoints=5,concurrency=20", idle_s=300) as cloud:
        s3, sagemaker = cloud.client("s3"), cloud.client("sagemaker")
        s3.create_bucket(Bucket="cost")
        s3.put_object(Bucket="cost", Key="model.tar.gz", Body=archive())
        container = {"Image": "tiny", "ModelDataUrl": "s3://cost/model.tar.gz"}
        role = "arn:aws:iam::123456789012:role/test"
        sagemaker.create_model(ModelName="m", ExecutionRoleArn=role, PrimaryContainer=container)
        variant = {
            "VariantName": "AllTraffic",
            "ModelName": "m",
            "ServerlessConfig": {"MemorySizeInMB": MEMORY_MB, "MaxConcurrency": CONCURRENCY},
        }
        sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant])
        sagemaker.create_endpoint(EndpointName="cost", EndpointConfigName="c")
        sagemaker.get_waiter("endpoint_in_service").wait(
            EndpointName="cost", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )
        yield cloud


def archive() -> bytes:
    """A model.tar.gz with one small file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as members:
        member = tarfile.TarInfo("model.txt")
        member.size = 3
        members.addfile(member, io.BytesIO(b"one"))
    return buffer.getvalue()


def serve_for_real(cloud: Any) -> int:
    """Send each request at its time; the number that was throttled."""
    runtime = cloud.client("sagemaker-runtime")
    throttled: list[str] = []

    def ask(begin: float, at_s: float) -> None:
        time.sleep(max(0.0, begin + at_s - time.monotonic()))
        try:
            runtime.invoke_endpoint(EndpointName="cost", Body=BODY)["Body"].read()
        except ClientError as error:
            throttled.append(error.response["Error"]["Code"])

    begin = time.monotonic() + 0.5
    threads = [threading.Thread(target=ask, args=(begin, at_s)) for at_s in ARRIVALS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(throttled) <= {"ThrottlingException"}
    return len(throttled)


def predicted() -> Case:
    """The same arrivals as a case."""
    workload = given_workload(
        duration_ms=1000 * DURATION_S,
        cold_start_s=1.0,
        request_kb=len(BODY) / 1000,
        response_kb=len(ANSWER) / 1000,
        mb_per_vcpu=1769,
        max_service_s=60,
    )
    traffic = Traffic(np.array(ARRIVALS), EVERY_S * len(BURSTS), "bursts")
    return Case(traffic, workload, load_prices("us-east-1"), Setup(CONCURRENCY))


def test_what_is_predicted_is_what_is_billed(busy_cloud: Any) -> None:
    case = predicted()
    tier = Tier(case, MEMORY_MB)
    cost = on_demand(tier)
    throttled = serve_for_real(busy_cloud)
    details = status_details(busy_cloud.info)
    account = details["ledger"]["cost"]
    sandboxes = details["endpoints"][0]["sandboxes"]

    assert throttled == round(cost.throttled_ratio * len(ARRIVALS)) == 3
    assert account["requests"] == int(tier.on_demand.answered.sum())
    assert len(sandboxes) == round(cost.cold_ratio * len(ARRIVALS)) == CONCURRENCY
    billed_usd = account["gb_seconds"] * case.prices.usd("serverless_usd_per_gb_second")
    data_usd = case.prices.data_usd(account["bytes_in"], account["bytes_out"])
    assert cost.usd_running / case.spans_a_month == pytest.approx(billed_usd, rel=0.05)
    assert cost.usd_data / case.spans_a_month == pytest.approx(data_usd, rel=1e-6)
    assert cost.usd_a_month / case.spans_a_month == pytest.approx(billed_usd + data_usd, rel=0.05)

    assert invocations_seen(busy_cloud, account["requests"]) == account["requests"]


def invocations_seen(cloud: Any, wanted: int) -> int:
    """What CloudWatch has counted, once it is as many as that, or in 20 s."""
    seen, deadline = 0, time.monotonic() + 20  # metrics are put once a second or so
    while seen < wanted and time.monotonic() < deadline:
        time.sleep(0.5)
        with contextlib.suppress(InputError):  # none yet
            seen = read_invocations(
                cloud.client("cloudwatch"),
                "cost",
                "AllTraffic",
                end=datetime.now(UTC) + timedelta(minutes=1),
                days=1,
                seed=0,
            ).requests
    return seen
