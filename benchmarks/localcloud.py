"""What localcloud adds to a warm InvokeEndpoint, over the same request sent to the same server.

    .venv/bin/python benchmarks/localcloud.py [--requests 2000]

All ways go to servers of the serving image with one model, in turns, one request at a time, over
one kept connection each, with the same client (http.client, which adds next to nothing). One
endpoint's records stay in its log group; the other's go on to S3, as DeployEndpoint sets it up. A
last way is boto3's, whose own cost is not localcloud's. Walls on a shared machine swing: the ways
are interleaved, so that they swing together; p50 is what the limit of 3 ms is about.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import boto3

# The endpoint is the one of the flow tests.
sys.path.append(str(Path(__file__).parents[1] / "tests" / "flow" / "shared"))

from doubling_model import model_files
from record_delivery import CONFIG, deploy, target_of

from seatrial.localcloud import control, whereabouts
from seatrial.localcloud.images import default_image_map, serving_python, write_image_map

BODY = b"1.5\n"
LIMIT_MS = 3.0
WARM_UP = 50


@contextlib.contextmanager
def endpoints(folder: Path) -> Iterator[tuple[whereabouts.CloudInfo, Any]]:
    """A cloud with the endpoints `logged` and `delivered`, and a boto3 client that invokes them."""
    images = default_image_map(CONFIG.images.toolbox, CONFIG.images.serving, serving_python())
    images_file = write_image_map(images, folder / "images.yaml")
    info = control.up(folder, images_file=images_file, region=CONFIG.region)

    def client(service: str) -> Any:
        return boto3.client(
            service,
            region_name=CONFIG.region,
            endpoint_url=info.endpoint_url,
            aws_access_key_id="localcloud",
            aws_secret_access_key="localcloud",  # noqa: S106 - localcloud checks none
        )

    try:
        deploy(target_of("logged"), client, watched=False)
        deploy(target_of("delivered"), client)
        yield info, client("sagemaker-runtime")
    finally:
        control.down(folder)


@contextlib.contextmanager
def server(folder: Path) -> Iterator[int]:
    """The same server as in a sandbox, started directly; its port."""
    for name, content in model_files().items():
        (folder / name).write_bytes(content)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    environment = {
        "SEATRIAL_MODEL_DIR": str(folder),
        "SEATRIAL_HOST": "127.0.0.1",
        "SAGEMAKER_BIND_TO_PORT": str(port),
    }
    process = subprocess.Popen(
        [serving_python() or sys.executable, "-m", "seatrial.serving"],
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for_server(process, port)
        yield port
    finally:
        process.kill()
        process.wait()


def wait_for_server(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait until it listens; RuntimeError if it does not."""
    deadline = time.monotonic() + 60
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if time.monotonic() > deadline or process.poll() is not None:
            raise RuntimeError("the server did not start")
        time.sleep(0.02)


def poster(netloc: str, path: str) -> Callable[[], None]:
    """Sends BODY there, over one connection."""
    connection = http.client.HTTPConnection(netloc, timeout=30)

    def post() -> None:
        connection.request("POST", path, BODY, {"Content-Type": "text/csv"})
        answer = connection.getresponse()
        if float(answer.read()) != 3.0 or answer.status != 200:
            raise RuntimeError(f"{netloc}{path} answered {answer.status}")

    return post


def interleaved_ms(ways: Sequence[Callable[[], None]], requests: int) -> list[list[float]]:
    """Milliseconds of each request each way, after some that warm up."""
    taken: list[list[float]] = [[] for _ in ways]
    for number in range(requests + WARM_UP):
        for way, times in zip(ways, taken, strict=True):
            begun = time.perf_counter()
            way()
            if number >= WARM_UP:
                times.append(1000 * (time.perf_counter() - begun))
    return taken


def measure(requests: int) -> tuple[dict[str, list[float]], dict[str, Any]]:
    """Milliseconds by way, and the cloud's status after it."""
    with (
        tempfile.TemporaryDirectory() as direct_dir,
        tempfile.TemporaryDirectory() as state_dir,
        server(Path(direct_dir)) as port,
        endpoints(Path(state_dir)) as (info, runtime),
    ):
        netloc = info.endpoint_url.removeprefix("http://")

        def boto3_call() -> None:
            runtime.invoke_endpoint(EndpointName="delivered", Body=BODY, ContentType="text/csv")[
                "Body"
            ].read()

        ways = {
            "direct HTTP": poster(f"127.0.0.1:{port}", "/invocations"),
            "InvokeEndpoint, records in the log group": poster(
                netloc, "/endpoints/logged/invocations"
            ),
            "InvokeEndpoint, records delivered to S3": poster(
                netloc, "/endpoints/delivered/invocations"
            ),
            "the same through boto3": boto3_call,
        }
        taken = interleaved_ms(list(ways.values()), requests)
        return dict(zip(ways, taken, strict=True)), whereabouts.status_details(info)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=2000)
    requests = parser.parse_args().requests
    taken, caps = measure(requests)
    direct_ms, *_ = (statistics.median(times) for times in taken.values())
    for name, times in taken.items():
        p50, p99 = statistics.median(times), statistics.quantiles(times, n=100)[98]
        sys.stdout.write(
            f"{name:42} p50 {p50:6.3f} ms ({p50 - direct_ms:+6.3f})   p99 {p99:6.3f} ms\n"
        )
    sys.stdout.write(
        f"limit of what localcloud adds at p50: {LIMIT_MS:g} ms; {requests} requests each way\n"
        f"memory cap: {caps['memory_cap']}; CPU share: {caps['cpu_share']}\n"
    )


if __name__ == "__main__":
    main()
