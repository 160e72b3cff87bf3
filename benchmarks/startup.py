"""How long it takes until something happens: the command line, localcloud, and a pipeline's step.

    .venv/bin/python benchmarks/startup.py

Run it on the installed wheel with compiled bytecode, which `make setup` writes. Each figure is
compared with a peer in the same run: CPU seconds where one process does the work, wall seconds
where several do. Walls on a shared machine swing; the ratios say more.
"""

from __future__ import annotations

import json
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import boto3

from seatrial.localcloud import control
from seatrial.localcloud.images import default_image_map, write_image_map

REGION = "us-east-1"
STEPS = 20
REPEATS = 5


def cpu_s(command: list[str]) -> float:
    """CPU seconds of one run of `command`, its children with it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def median(measure: Callable[[], float]) -> float:
    """The median of a few runs, after one that warms the file cache."""
    measure()
    return statistics.median(measure() for _ in range(REPEATS))


def moto_server_s() -> float:
    """Wall seconds until moto's own server answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    started = time.monotonic()
    program = [sys.executable, "-c", "from moto.server import main; main()", "-p", str(port)]
    server = subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while time.monotonic() - started < 60:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/moto-api/", timeout=1)
                return time.monotonic() - started
            except OSError:
                time.sleep(0.02)
        raise TimeoutError("moto's server did not answer within 60 s")
    finally:
        server.kill()
        server.wait()


def cloud_up_s() -> float:
    """Wall seconds of `seatrial cloud up`."""
    with tempfile.TemporaryDirectory() as folder:
        state_dir = Path(folder)
        images = write_image_map(default_image_map("t", "s", None), state_dir / "images.yaml")
        started = time.monotonic()
        control.up(state_dir, images_file=images, region=REGION)
        seconds = time.monotonic() - started
        control.down(state_dir)
    return seconds


def definition() -> str:
    """STEPS Processing steps, one after the other, that do nothing."""
    steps = [
        {
            "Name": f"Step{number}",
            "Type": "Processing",
            "Arguments": {
                "AppSpecification": {
                    "ImageUri": "t",
                    "ContainerEntrypoint": ["python3", "-S", "-c", "pass"],
                },
                "ProcessingResources": {
                    "ClusterConfig": {
                        "InstanceCount": 1,
                        "InstanceType": "ml.m5.large",
                        "VolumeSizeInGB": 1,
                    }
                },
                "RoleArn": "arn:aws:iam::123456789012:role/benchmark",
            },
            **({"DependsOn": [f"Step{number - 1}"]} if number else {}),
        }
        for number in range(STEPS)
    ]
    return json.dumps({"Version": "2020-12-01", "Parameters": [], "Steps": steps})


def pipeline_step_s() -> float:
    """Wall seconds per step of an execution of STEPS steps that do nothing."""
    with tempfile.TemporaryDirectory() as folder:
        state_dir = Path(folder)
        images = write_image_map(default_image_map("t", "s", None), state_dir / "images.yaml")
        info = control.up(state_dir, images_file=images, region=REGION)
        try:
            sagemaker = boto3.client(
                "sagemaker",
                region_name=REGION,
                endpoint_url=info.endpoint_url,
                aws_access_key_id="localcloud",
                aws_secret_access_key="localcloud",  # noqa: S106 - localcloud checks none
            )
            role = "arn:aws:iam::123456789012:role/benchmark"
            sagemaker.create_pipeline(
                PipelineName="steps",
                PipelineDefinition=definition(),
                RoleArn=role,
                ClientRequestToken="b" * 32,
            )
            arn = sagemaker.start_pipeline_execution(PipelineName="steps")["PipelineExecutionArn"]
            while True:
                found = sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
                if found["PipelineExecutionStatus"] not in ("Executing", "Stopping"):
                    break
                time.sleep(0.05)
            if found["PipelineExecutionStatus"] != "Succeeded":
                raise RuntimeError(found.get("FailureReason"))
            steps = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=arn)
            times = steps["PipelineExecutionSteps"]
            first = min(step["StartTime"] for step in times)
            last = max(step["EndTime"] for step in times)
        finally:
            control.down(state_dir)
    return float((last - first).total_seconds()) / STEPS


def direct_s() -> float:
    """Wall seconds of the same command, run directly."""
    started = time.monotonic()
    for _ in range(STEPS):
        subprocess.run([sys.executable, "-S", "-c", "pass"], check=True)
    return (time.monotonic() - started) / STEPS


def main() -> None:
    """Measure and print."""
    help_s = median(
        lambda: cpu_s([sys.executable, "-c", "from seatrial.cli import main; main()", "--help"])
    )
    typer_s = median(lambda: cpu_s([sys.executable, "-c", "import typer, rich.console"]))
    up_s, moto_s = median(cloud_up_s), median(moto_server_s)
    step_s, process_s = median(pipeline_step_s), median(direct_s)
    rows = [
        ("seatrial --help", "CPU s", help_s, "import typer, rich", typer_s),
        ("seatrial cloud up", "s", up_s, "moto_server", moto_s),
        ("a step on localcloud", "s", step_s, "the same process, directly", process_s),
    ]
    for what, unit, ours, peer, theirs in rows:
        sys.stdout.write(
            f"{what:22} {ours:6.3f} {unit:6} {peer:28} {theirs:6.3f}  ×{ours / theirs:.2f}\n"
        )
    sys.stdout.write(f"{'the interpreter adds':22} {1000 * (step_s - process_s):6.0f} ms a step\n")


if __name__ == "__main__":
    main()
