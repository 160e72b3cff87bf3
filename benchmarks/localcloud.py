"""What localcloud adds to a warm InvokeEndpoint, over the same request sent to the same server.

    .venv/bin/python benchmarks/localcloud.py [--requests 2000]

Both ways go to servers of the serving image with one model, in turns, one request at a time, over
one kept connection each, with the same client (http.client, which adds next to nothing). A third
way is boto3's, whose own cost is not localcloud's. Walls on a shared machine swing: the ways are
interleaved, so that they swing together; p50 is what the limit of 3 ms is about.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import io
import json
import os
import socket
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import boto3
from onnx import TensorProto, helper

from seatrial.localcloud import control
from seatrial.localcloud.images import default_image_map, serving_python, write_image_map

REGION = "us-east-1"
ROLE = "arn:aws:iam::123456789012:role/benchmark"
BODY = b"1.5\n"
LIMIT_MS = 3.0
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


def model_files() -> dict[str, bytes]:
    """y = x + x, as the serving image wants it."""
    described = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1]) for name in ("x", "y")
    ]
    node = helper.make_node("Add", ["x", "x"], ["y"])
    graph = helper.make_graph([node], "doubling", described[:1], described[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return {
        "model.onnx": model.SerializeToString(),
        "signature.json": json.dumps(SIGNATURE).encode(),
    }


def archive(files: dict[str, bytes]) -> bytes:
    """The files as a model.tar.gz."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as members:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            members.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@contextlib.contextmanager
def endpoint(folder: Path) -> Iterator[tuple[control.CloudInfo, Any]]:
    """A cloud with an endpoint `warm` in service, and a boto3 client that invokes it."""
    images = write_image_map(default_image_map("t", "s", serving_python()), folder / "images.yaml")
    info = control.up(folder, images_file=images, region=REGION)

    def client(service: str) -> Any:
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=info.endpoint_url,
            aws_access_key_id="localcloud",
            aws_secret_access_key="localcloud",  # noqa: S106 - localcloud checks none
        )

    try:
        s3, sagemaker = client("s3"), client("sagemaker")
        s3.create_bucket(Bucket="benchmark")
        s3.put_object(Bucket="benchmark", Key="model.tar.gz", Body=archive(model_files()))
        container = {"Image": "s", "ModelDataUrl": "s3://benchmark/model.tar.gz"}
        sagemaker.create_model(ModelName="warm", ExecutionRoleArn=ROLE, PrimaryContainer=container)
        variant = {
            "VariantName": "v",
            "ModelName": "warm",
            "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1},
        }
        sagemaker.create_endpoint_config(EndpointConfigName="warm", ProductionVariants=[variant])
        sagemaker.create_endpoint(EndpointName="warm", EndpointConfigName="warm")
        sagemaker.get_waiter("endpoint_in_service").wait(
            EndpointName="warm", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )
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
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            if time.monotonic() > deadline or process.poll() is not None:
                raise RuntimeError("the server did not start")
            time.sleep(0.02)
        yield port
    finally:
        process.kill()
        process.wait()


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
    for number in range(requests + 50):
        for way, times in zip(ways, taken, strict=True):
            begun = time.perf_counter()
            way()
            if number >= 50:
                times.append(1000 * (time.perf_counter() - begun))
    return taken


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=2000)
    requests = parser.parse_args().requests
    with (
        tempfile.TemporaryDirectory() as direct_dir,
        tempfile.TemporaryDirectory() as state_dir,
        server(Path(direct_dir)) as port,
        endpoint(Path(state_dir)) as (info, runtime),
    ):
        netloc = info.endpoint_url.removeprefix("http://")
        ways = {
            "direct HTTP": poster(f"127.0.0.1:{port}", "/invocations"),
            "InvokeEndpoint": poster(netloc, "/endpoints/warm/invocations"),
            "InvokeEndpoint, boto3": lambda: runtime.invoke_endpoint(
                EndpointName="warm", Body=BODY, ContentType="text/csv"
            )["Body"].read(),
        }
        taken = dict(zip(ways, interleaved_ms(list(ways.values()), requests), strict=True))
        caps = control.status_details(info)
    p50 = {name: statistics.median(times) for name, times in taken.items()}
    for name, times in taken.items():
        p99 = statistics.quantiles(times, n=100)[98]
        sys.stdout.write(f"{name:22} p50 {p50[name]:6.3f} ms   p99 {p99:6.3f} ms\n")
    added = p50["InvokeEndpoint"] - p50["direct HTTP"]
    sys.stdout.write(
        f"localcloud adds {added:.3f} ms at p50 (limit {LIMIT_MS:g} ms), {requests} requests each\n"
        f"memory cap: {caps['memory_cap']}; CPU share: {caps['cpu_share']}\n"
    )


if __name__ == "__main__":
    main()
