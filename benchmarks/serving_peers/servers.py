"""How each server is started for the model, and how it is asked: in its fastest encoding."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from serving_peers.load import request_bytes

Rows = Sequence[Sequence[float]]


class StartFailedError(Exception):
    """A server cannot be started, or does not answer."""


@dataclass(frozen=True)
class Server:
    """`body` writes rows, `score` reads the first row's out of the answer's JSON.

    `records`: it writes prediction records to standard output.
    """

    name: str
    command: tuple[str, ...]
    folder: Path
    port: int
    encoding: str
    path: str = "/invocations"
    records: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    body: Callable[[Rows], Any] = lambda rows: {"instances": rows}
    score: Callable[[Any], float] = lambda answer: float(answer["predictions"][0]["score"])

    def request(self, row: Sequence[float]) -> bytes:
        """A request for one row."""
        text = json.dumps(self.body([row]), separators=(",", ":")).encode()
        return request_bytes(self.path, "application/json", text)


def floor(python: Path, model_dir: Path, folder: Path) -> Server:
    """The raw-asyncio server."""
    port = free_port()
    command = (str(python), "-m", "floor", str(model_dir / "model.onnx"), str(port))
    return Server("floor", command, folder, port, 'JSON {"instances": [[…]]}')


def seatrial(python: Path, model_dir: Path, folder: Path) -> Server:
    """The serving image's server with a record of each request.

    One thread as all have, which is what a sandbox with one CPU gets.
    """
    port = free_port()
    environment = {
        "SEATRIAL_MODEL_DIR": str(model_dir),
        "SEATRIAL_HOST": "127.0.0.1",
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "SEATRIAL_THREADS": "1",
        "SEATRIAL_ENDPOINT_NAME": "flights-late",
        "SEATRIAL_VARIANT_NAME": "champion",
        "SEATRIAL_MODEL_VERSION": "seatrial-flights/3",
    }
    command = (str(python), "-m", "seatrial.serving")
    encoding = 'JSON {"instances": [[…]]}'
    return Server(
        "seatrial", command, folder, port, encoding, records=True, environment=environment
    )


def mlserver(python: Path, model_dir: Path, folder: Path) -> Server:
    """In one process, without metrics or access log: its fastest and smallest way."""
    port = free_port()
    settings = {
        "debug": False,
        "host": "127.0.0.1",
        "http_port": port,
        "grpc_port": free_port(),
        "parallel_workers": 0,
        "metrics_endpoint": None,
    }
    model = {
        "name": "trees",
        "implementation": "mlserver_runtime.Trees",
        "parameters": {"uri": str(model_dir / "model.onnx")},
    }
    folder.mkdir(parents=True)
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "model-settings.json").write_text(json.dumps(model))
    return Server(
        "MLServer",
        (str(python.parent / "mlserver"), "start", str(folder)),
        folder,
        port,
        "JSON of the V2 protocol, FP32",
        path="/v2/models/trees/infer",
        body=lambda rows: {
            "inputs": [
                {
                    "name": "rows",
                    "shape": [len(rows), len(rows[0])],
                    "datatype": "FP32",
                    "data": [value for row in rows for value in row],
                }
            ]
        },
        score=lambda answer: float(answer["outputs"][1]["data"][0]),
    )


def bentoml(python: Path, model_dir: Path, folder: Path) -> Server:
    """One worker, without metrics or access log; an async method."""
    port = free_port()
    command = (str(python.parent / "bentoml"), "serve", "bentoml_service:Trees")
    return Server(
        "BentoML",
        (*command, "--host", "127.0.0.1", "--port", str(port)),
        folder,
        port,
        'JSON {"instances": [[…]]}',
        environment={
            "BENCHMARK_MODEL": str(model_dir / "model.onnx"),
            "BENTOML_HOME": str(folder / "home"),
            "BENTOML_DO_NOT_TRACK": "True",
        },
        score=lambda answer: float(answer[0]["score"]),
    )


def sagemaker_inference(python: Path, model_dir: Path, folder: Path) -> Server:
    """The toolkit with multi-model-server, one worker; StartFailedError without Java."""
    if not shutil.which("java"):
        raise StartFailedError("multi-model-server needs Java: no program java is found")
    port = free_port()
    place = folder / "ml" / "model"
    place.mkdir(parents=True)
    shutil.copy(model_dir / "model.onnx", place)
    return Server(
        "sagemaker-inference",
        (str(python), "-m", "sagemaker_start", str(folder)),
        folder,
        port,
        "JSON [[…]]",
        environment={
            "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
            "SAGEMAKER_BASE_DIR": str(folder / "ml"),
            "SAGEMAKER_BIND_TO_PORT": str(port),
            "SAGEMAKER_PROGRAM": "sagemaker_model.py",
            "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
        },
        body=lambda rows: rows,
        score=lambda answer: float(answer[0][1]),
    )


SERVERS: dict[str, Callable[[Path, Path, Path], Server]] = {
    "floor": floor,
    "seatrial": seatrial,
    "MLServer": mlserver,
    "BentoML": bentoml,
    "sagemaker-inference": sagemaker_inference,
}


def free_port() -> int:
    """A port that nobody listens on; multi-model-server takes none above 32 767."""
    while True:
        port = random.randrange(20_000, 30_000)  # noqa: S311 - not a secret
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
