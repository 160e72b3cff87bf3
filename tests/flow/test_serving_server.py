"""The server as a process: a real model over real HTTP, records on its stdout, and its end."""

from __future__ import annotations

import base64
import http.client
import io
import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytestmark = pytest.mark.flow

TEXTS, NUMBERS = ["carrier", "origin"], ["hour", "temp"]
START_S = 30


@dataclass(frozen=True)
class Trained:
    """A fitted pipeline, what the server gets of it, and rows with missing numbers."""

    folder: Path
    frame: pd.DataFrame
    scores: Any


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder

    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "carrier": rng.choice(["UA", "B6", "AA"], 400),
            "origin": rng.choice(["JFK", "EWR"], 400),
            "hour": rng.integers(0, 24, 400).astype(float),
            "temp": np.where(rng.random(400) < 0.2, np.nan, rng.normal(40, 10, 400)),
        }
    )
    late = (frame["hour"] > 15) ^ (frame["carrier"] == "UA")
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = ColumnTransformer([("texts", encoder, TEXTS), ("numbers", "passthrough", NUMBERS)])
    model = Pipeline(
        [("columns", columns), ("model", HistGradientBoostingClassifier(max_iter=10))]
    ).fit(frame, late.astype(int))
    graph = to_onnx(
        model,
        initial_types=[(name, StringTensorType([None, 1])) for name in TEXTS]
        + [(name, FloatTensorType([None, 1])) for name in NUMBERS],
        options={id(model.steps[-1][1]): {"zipmap": False}},
        target_opset=18,
    )
    folder = tmp_path_factory.mktemp("model")
    (folder / "model.onnx").write_bytes(graph.SerializeToString())
    names = [output.name for output in graph.graph.output]
    signature = {
        "schema_version": 1,
        "task": "binary_classification",
        "model_file": "model.onnx",
        "inputs": [{"name": n, "type": "string", "required": True, "onnx_input": n} for n in TEXTS]
        + [
            {"name": n, "type": "double", "required": n != "temp", "onnx_input": n} for n in NUMBERS
        ],
        "outputs": [
            {"name": "label", "type": "long", "onnx_output": names[0], "index": None},
            {"name": "score", "type": "double", "onnx_output": names[1], "index": 1},
        ],
        "label": "label",
        "score": "score",
        "input_example": json.loads(frame.head(2).to_json(orient="records")),
    }
    (folder / "signature.json").write_text(json.dumps(signature))
    return Trained(folder, frame, model.predict_proba(frame)[:, 1])


@dataclass
class Server:
    """A server process; stdout and stderr are files."""

    process: subprocess.Popen[bytes]
    port: int
    stdout: Path
    stderr: Path

    def post(
        self, body: bytes, content_type: str = "text/csv", headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(
                "POST", "/invocations", body, {"Content-Type": content_type, **(headers or {})}
            )
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, found, answer.read()
        finally:
            connection.close()

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stdout.read_bytes().splitlines()]

    def connected(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def ping(self) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET", "/ping")
            return connection.getresponse().status
        finally:
            connection.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def started(
    folder: Path, scratch: Path, *, stdout_to: int | None = None, **environment: str
) -> Iterator[Server]:
    """A server process, not waited for; killed at the end if it still runs."""
    port = int(environment.pop("port", 0)) or free_port()
    stdout, stderr = scratch / "stdout", scratch / "stderr"
    with stdout.open("wb") as out, stderr.open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "seatrial.serving"],
            stdout=out if stdout_to is None else stdout_to,
            stderr=err,
            env={
                **os.environ,
                "SEATRIAL_MODEL_DIR": str(folder),
                "SAGEMAKER_BIND_TO_PORT": str(port),
                "SEATRIAL_HOST": "127.0.0.1",
                "SEATRIAL_ENDPOINT_NAME": "flights",
                **environment,
            },
        )
    try:
        yield Server(process, port, stdout, stderr)
    finally:
        process.kill()
        process.wait(10)


@contextmanager
def ready(
    folder: Path, scratch: Path, *, stdout_to: int | None = None, **environment: str
) -> Iterator[Server]:
    """A server process whose /ping answers 200."""
    with started(folder, scratch, stdout_to=stdout_to, **environment) as server:
        deadline = time.monotonic() + START_S
        while True:
            assert server.process.poll() is None, server.stderr.read_text()
            assert time.monotonic() < deadline
            try:
                assert server.ping() == 200
                break
            except ConnectionError:
                time.sleep(0.02)
        yield server


def received(client: socket.socket) -> bytes:
    """All that comes until the server ends the connection."""
    return b"".join(iter(lambda: client.recv(65536), b""))


def failed(server: Server) -> str:
    """The stderr of a server that could not start: one line, exit 2."""
    assert server.process.wait(START_S) == 2
    text = server.stderr.read_text()
    assert text.startswith("seatrial: ")
    assert text.count("\n") == 1, text
    assert server.stdout.read_text() == ""
    return text


def test_predictions_agree_with_the_original_and_each_is_on_stdout(
    trained: Trained, tmp_path: Path
) -> None:
    csv = trained.frame.to_csv(index=False, header=False).encode()
    split = {"dataframe_split": json.loads(trained.frame.to_json(orient="split", index=False))}
    with ready(trained.folder, tmp_path) as server:
        status, headers, answer = server.post(csv)
        assert status == 200
        scores = [float(line.split(",")[1]) for line in answer.decode().splitlines()]
        np.testing.assert_allclose(scores, trained.scores, atol=1e-6)
        attributes = {
            "X-Amzn-SageMaker-Inference-Id": "i-1",
            "X-Amzn-SageMaker-Custom-Attributes": "seatrial-synthetic=true",
        }
        status, _, answer = server.post(json.dumps(split).encode(), "application/json", attributes)
        assert status == 200
        predictions = json.loads(answer)["predictions"]
        np.testing.assert_allclose([row["score"] for row in predictions], scores)
        assert server.post(b"UA,JFK,noon,1\n")[0] == 400

        first, second, third = server.records()
        event_id = headers["x-amzn-sagemaker-custom-attributes"].removeprefix("seatrial-event-id=")
        assert first["eventMetadata"]["eventId"] == event_id
        assert first["captureData"]["endpointInput"]["data"] == csv.decode()
        assert first["seatrial"]["rows"] == 400
        assert [record["seatrial"]["cold"] for record in (first, second, third)] == [
            True,
            False,
            False,
        ]
        assert second["eventMetadata"]["inferenceId"] == "i-1"
        assert second["seatrial"]["synthetic"] is True
        assert third["seatrial"]["status"] == 400
        assert all(record["seatrial"]["endpoint"] == "flights" for record in server.records())


def test_sigterm_ends_it_at_once_even_with_an_idle_connection(
    trained: Trained, tmp_path: Path
) -> None:
    with ready(trained.folder, tmp_path) as server:
        idle = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        idle.request("GET", "/ping")
        idle.getresponse().read()
        started_at = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(10) == 0
        assert time.monotonic() - started_at < 2
        idle.close()
        assert server.stdout.read_text() == ""
        assert server.stderr.read_text() == ""


def test_a_request_that_has_begun_is_answered_after_sigterm(
    trained: Trained, tmp_path: Path
) -> None:
    head = b"POST /invocations HTTP/1.1\r\nContent-Type: text/csv\r\nContent-Length: 14\r\n\r\n"
    with ready(trained.folder, tmp_path) as server, server.connected() as late:
        late.sendall(head + b"UA,JFK,")
        with server.connected() as begun:
            begun.sendall(head + b"UA,JFK,17,39.5"[:13])
            assert server.ping() == 200  # so both have been read
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
            begun.sendall(b"5")
            answer = received(begun)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"connection: close\r\n" in answer
        with pytest.raises(ConnectionError):
            server.ping()
        assert server.process.wait(10) == 0  # the other one was not waited for without end
        assert received(late) == b""
        assert [record["seatrial"]["status"] for record in server.records()] == [200]


def test_a_client_that_reads_slowly_gets_all_and_holds_up_nobody(
    trained: Trained, tmp_path: Path
) -> None:
    body = trained.frame.to_csv(index=False, header=False).encode() * 300
    head = f"POST /invocations HTTP/1.1\r\nContent-Type: text/csv\r\nContent-Length: {len(body)}"
    with ready(trained.folder, tmp_path) as server, server.connected() as slow:
        slow.sendall(f"{head}\r\nAccept: application/json\r\n\r\n".encode() + body)
        slow.sendall(b"GET /ping HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert server.ping() == 200  # while more waits to be read than fits into the sockets
        answer = received(slow)
        assert answer.count(b"HTTP/1.1 200 OK\r\n") == 2
        assert len(answer) > 4 * 2**20
        assert answer.endswith(b"{}")


def test_bytes_that_are_no_requests_are_refused_and_the_server_lives_on(
    trained: Trained, tmp_path: Path
) -> None:
    chance = random.Random(7)
    whole = b"POST /invocations HTTP/1.1\r\nContent-Type: text/csv\r\nContent-Length: 14\r\n\r\n"
    whole += b"UA,JFK,17,39.5"
    with ready(trained.folder, tmp_path) as server:
        for _ in range(300):
            start = chance.randrange(len(whole))
            sent = whole[:start] + chance.randbytes(chance.randrange(9)) + whole[start:] * 2
            cut = chance.randrange(len(sent))
            with server.connected() as client:
                client.sendall(sent[:cut])
                client.sendall(sent[cut:])
                client.shutdown(socket.SHUT_WR)
                for line in received(client).split(b"HTTP/1.1 ")[1:]:
                    assert line[:3] in (b"200", b"400", b"404", b"405", b"415"), (sent, line)
        assert server.ping() == 200
        assert server.stderr.read_text() == ""


def test_a_client_that_goes_away_is_no_error(trained: Trained, tmp_path: Path) -> None:
    with ready(trained.folder, tmp_path) as server:
        for _ in range(20):
            with server.connected() as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.sendall(b"GET /ping HTTP/1.1\r\n\r\n" * 50)
        assert server.ping() == 200
        assert server.stderr.read_text() == ""


def test_nothing_but_its_image_s_packages_is_imported(trained: Trained, tmp_path: Path) -> None:
    program = "import sys, json, seatrial.serving.__main__\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, timeout=60
    )
    modules: list[str] = json.loads(done.stdout)
    ours = {name for name in modules if name.startswith("seatrial.")}
    assert all(name.startswith("seatrial.serving") for name in ours), ours
    tops = {name.split(".")[0] for name in modules}
    heavy = {"pydantic", "yaml", "boto3", "pandas", "sklearn", "uvicorn", "asyncio", "ssl", "torch"}
    assert tops & heavy == set()


def test_a_missing_model_is_one_line_and_exit_2(tmp_path: Path) -> None:
    with started(tmp_path / "nowhere", tmp_path) as server:
        assert "signature.json" in failed(server)


def test_a_corrupt_graph_is_one_line_and_exit_2(trained: Trained, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "signature.json").write_bytes((trained.folder / "signature.json").read_bytes())
    (folder / "model.onnx").write_bytes((trained.folder / "model.onnx").read_bytes()[:1000])
    with started(folder, tmp_path) as server:
        assert "model.onnx" in failed(server)


def test_an_input_example_that_fails_is_one_line_and_exit_2(
    trained: Trained, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    signature = json.loads((trained.folder / "signature.json").read_bytes())
    signature["input_example"] = [{"carrier": "UA"}]
    (folder / "signature.json").write_text(json.dumps(signature))
    (folder / "model.onnx").write_bytes((trained.folder / "model.onnx").read_bytes())
    with started(folder, tmp_path) as server:
        text = failed(server)
        assert "cannot predict its own input example" in text
        assert "origin" in text


def test_a_port_in_use_is_one_line_and_exit_2(trained: Trained, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with started(trained.folder, tmp_path, port=port) as server:
            assert f"127.0.0.1:{port}" in failed(server)


def test_a_prediction_that_cannot_be_recorded_is_a_500(trained: Trained, tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("needs /dev/full")
    with full.open("wb") as out:
        port = free_port()
        process = subprocess.Popen(
            [sys.executable, "-m", "seatrial.serving"],
            stdout=out,
            stderr=subprocess.DEVNULL,
            env={
                **os.environ,
                "SEATRIAL_MODEL_DIR": str(trained.folder),
                "SAGEMAKER_BIND_TO_PORT": str(port),
                "SEATRIAL_HOST": "127.0.0.1",
            },
        )
    server = Server(process, port, full, full)
    try:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            try:
                server.ping()
                break
            except ConnectionError:
                time.sleep(0.02)
        status, _, answer = server.post(b"UA,JFK,17,39.5\n")
        assert status == 500
        assert "cannot be written" in json.loads(answer)["error"]["what"]
    finally:
        process.kill()
        process.wait(10)


def test_a_record_longer_than_a_line_may_be_comes_in_parts(
    trained: Trained, tmp_path: Path
) -> None:
    body = trained.frame.to_csv(index=False, header=False).encode() * 200
    with ready(trained.folder, tmp_path, SEATRIAL_MAX_RECORD_BYTES="16384") as server:
        status, headers, answer = server.post(body)
        assert status == 200
        lines = server.stdout.read_bytes().splitlines(keepends=True)
    event_id = headers["x-amzn-sagemaker-custom-attributes"].removeprefix("seatrial-event-id=")
    assert len(lines) > 100
    assert all(len(line) <= 16384 and event_id.encode() in line for line in lines)
    parts = [json.loads(line) for line in lines]
    pieces = [base64.b64decode(part["captureData"]["record"]) for part in parts]
    record = json.loads(b"".join(pieces))
    assert record["captureData"]["endpointInput"]["data"].encode() == body
    assert record["captureData"]["endpointOutput"]["data"].encode() == answer


def test_arrays_and_json_lines_are_answered_alike(trained: Trained, tmp_path: Path) -> None:
    frame = trained.frame
    widths = {name: f"U{frame[name].str.len().max()}" for name in TEXTS}
    saved = io.BytesIO()
    np.save(saved, frame.to_records(index=False, column_dtypes=widths), allow_pickle=False)
    lines = frame.to_json(orient="records", lines=True).encode()
    with ready(trained.folder, tmp_path) as server:
        status, headers, answer = server.post(saved.getvalue(), "application/x-npy")
        assert (status, headers["content-type"]) == (200, "application/x-npy")
        scores = np.load(io.BytesIO(answer))["score"]
        np.testing.assert_allclose(scores, trained.scores, atol=1e-6)
        status, headers, answer = server.post(lines, "application/jsonlines")
        assert (status, headers["content-type"]) == (200, "application/jsonlines")
        rows = [json.loads(line) for line in answer.splitlines()]
        np.testing.assert_allclose([row["score"] for row in rows], scores)
        assert server.post(lines, "application/jsonlines", {"Accept": "text/csv"})[2].count(
            b"\n"
        ) == len(rows)
        encodings = [
            record["captureData"]["endpointInput"]["encoding"] for record in server.records()
        ]
        assert encodings == ["BASE64", "JSON", "JSON"]


def test_the_environment_says_what_is_recorded(trained: Trained, tmp_path: Path) -> None:
    environment = {
        "SEATRIAL_RECORD": "request",
        "SEATRIAL_RECORD_DROP": "origin",
        "SEATRIAL_RECORD_HASH": "carrier",
        "SEATRIAL_RECORD_HASH_KEY": "0123456789abcdef",
    }
    with ready(trained.folder, tmp_path, **environment) as server:
        assert server.post(b"UA,JFK,17,39.5\n")[:1] == (200,)
        [record] = server.records()
    assert list(record["captureData"]) == ["endpointInput"]
    header, row = record["captureData"]["endpointInput"]["data"].splitlines()
    assert header == "carrier,hour,temp"
    assert row.split(",")[1:] == ["17", "39.5"] or row.split(",")[1:] == ["17.0", "39.5"]
    assert (record["seatrial"]["dropped"], record["seatrial"]["hashed"]) == (
        ["origin"],
        ["carrier"],
    )
    assert "UA" not in json.dumps(record)


def test_a_hidden_column_that_is_none_is_one_line_and_exit_2(
    trained: Trained, tmp_path: Path
) -> None:
    with started(trained.folder, tmp_path, SEATRIAL_RECORD_DROP="orgin") as server:
        assert "orgin" in failed(server)


def test_a_prediction_that_cannot_be_recorded_is_served_where_that_is_wanted(
    trained: Trained, tmp_path: Path
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with ready(
        trained.folder, tmp_path, stdout_to=writer, SEATRIAL_RECORD_FAILURE="serve"
    ) as server:
        os.close(writer)
        assert server.post(b"UA,JFK,17,39.5\n")[0] == 200
        assert server.post(b"UA,JFK,17,39.5\n")[0] == 200
        assert "2 so far" in server.stderr.read_text()


INFERENCE = """
print("loading")                                    # goes to stderr, not among the records
def model_fn(model_dir): return bytes(range(256))
def input_fn(body, content_type): return body
def predict_fn(data, model): return data.translate(model[::-1])
def output_fn(prediction, accept): return prediction, "image/x-negative"
"""


def test_an_archive_s_own_code_answers_bodies_of_any_type(tmp_path: Path) -> None:
    signature = {
        "inputs": [],
        "outputs": [{"name": "image", "type": "string"}],
        "input_example": [],
        "example_request": {"content_type": "image/x-raw", "body_base64": "AAE="},
    }
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "inference.py").write_text(INFERENCE)
    (tmp_path / "signature.json").write_text(json.dumps(signature))
    with ready(tmp_path, tmp_path) as server:
        status, headers, answer = server.post(b"\x00\xfe", "image/x-raw")
        assert (status, headers["content-type"], answer) == (200, "image/x-negative", b"\xff\x01")
        [record] = server.records()
        assert server.stderr.read_text() == "loading\n"
    captured = record["captureData"]
    assert captured["endpointInput"]["encoding"] == "BASE64"
    assert base64.b64decode(captured["endpointInput"]["data"]) == b"\x00\xfe"
    assert captured["endpointOutput"]["observedContentType"] == "image/x-negative"
    assert base64.b64decode(captured["endpointOutput"]["data"]) == b"\xff\x01"


def test_an_inference_id_that_comes_twice_is_two_predictions(
    trained: Trained, tmp_path: Path
) -> None:
    retried = {"X-Amzn-SageMaker-Inference-Id": "order-7"}
    with ready(trained.folder, tmp_path) as server:
        for _ in range(2):
            assert server.post(b"UA,JFK,17,40\n", headers=retried)[0] == 200
        first, second = (record["eventMetadata"] for record in server.records())
    assert first["inferenceId"] == second["inferenceId"] == "order-7"
    assert first["eventId"] != second["eventId"]
