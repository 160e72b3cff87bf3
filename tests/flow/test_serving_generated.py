"""Thousands of generated requests to a running server: no 5xx, no crash, no hang, and every refusal
explains itself.

Content types, encodings, shapes and sizes come from hypothesis, always the same ones. A real model
answers, so what gets through decoding also goes through ONNX Runtime.
"""

from __future__ import annotations

import csv
import http.client
import io
import json
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

pytestmark = pytest.mark.flow

REQUESTS = 4000
TYPES = {"text": "string", "x": "double", "n": "long", "b": "boolean"}
NAMES = list(TYPES)
CSV, JSON, JSON_LINES, NPY = (
    "text/csv",
    "application/json",
    "application/jsonlines",
    "application/x-npy",
)
EXPECTED = {200, 400, 404, 405, 406, 413, 415}

texts = st.text(max_size=20) | st.sampled_from(["", "x", "温度", '"', ",", "\n", "NaN", "1e400"])
numbers = (
    st.integers(-(2**70), 2**70)
    | st.integers(-100, 100)
    | st.floats()
    | st.floats(-1e3, 1e3)
    | st.none()
)
fitting = {
    "string": texts,
    "double": st.floats(-1e6, 1e6) | st.none(),
    "long": st.integers(-(2**31), 2**31),
    "boolean": st.booleans() | st.none(),
}
good_rows = st.lists(
    st.fixed_dictionaries({name: fitting[kind] for name, kind in TYPES.items()}),
    min_size=1,
    max_size=20,
)
odd_rows = st.lists(
    st.dictionaries(
        st.sampled_from([*NAMES, "y"]) | texts, texts | numbers | st.booleans(), max_size=6
    ),
    max_size=6,
)
rows = good_rows | good_rows | odd_rows
anything = st.recursive(
    texts | numbers | st.booleans(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def as_csv(records: list[dict[str, Any]], *, header: bool) -> bytes:
    output = io.StringIO()
    writer = csv.DictWriter(output, NAMES, extrasaction="ignore", lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows(records)
    return output.getvalue().encode("utf-8", "surrogatepass")


def as_json(records: list[dict[str, Any]], form: str) -> bytes:
    columns = list(records[0]) if records else []
    document: Any = {
        "dataframe_records": records,
        "instances": [list(record.values()) for record in records],
        "dataframe_split": {"columns": columns, "data": [list(r.values()) for r in records]},
        "inputs": {name: [record.get(name) for record in records] for name in columns},
    }[form]
    return json.dumps({form: document}, ensure_ascii=False).encode("utf-8", "surrogatepass")


def as_npy(array: Any) -> bytes:
    output = io.BytesIO()
    np.save(output, array, allow_pickle=True)
    return output.getvalue()


FIELDS = [("text", "U8"), ("x", "f8"), ("n", "i8"), ("b", "?")]
arrays = (
    st.builds(
        lambda count, columns, kind, order: np.ones((count, columns), kind, order=order),
        st.integers(0, 5),
        st.integers(0, 6),
        st.sampled_from(["f4", ">f8", "i2", "?", "U3", "S3", "c16", "M8[s]", "O"]),
        st.sampled_from(["C", "F"]),
    )
    | st.lists(
        st.tuples(st.just("a"), st.floats(-9, 9), st.integers(0, 9), st.booleans()), max_size=5
    ).map(lambda values: np.array(values, dtype=FIELDS))
    | st.integers(0, 4).map(lambda dimensions: np.zeros((1,) * dimensions))
)
bodies = st.one_of(
    st.builds(as_csv, rows, header=st.booleans()),
    st.builds(
        as_json,
        rows,
        st.sampled_from(["dataframe_records", "instances", "dataframe_split", "inputs"]),
    ),
    rows.map(lambda records: "\n".join(map(json.dumps, records)).encode()),
    arrays.map(as_npy),
    anything.map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=200),
    st.text(max_size=50).map(lambda text: text.encode("utf-16")),
)
content_types = st.one_of(
    st.sampled_from([CSV, JSON, JSON_LINES, NPY]),
    st.sampled_from([CSV, JSON, JSON_LINES, NPY]),
    st.builds(
        "{}; {}={}".format,
        st.sampled_from([CSV, JSON.upper(), NPY]),
        st.sampled_from(["charset", "header", "boundary"]),
        st.sampled_from(["utf-8", '"utf-8"', "latin-1", "present", "absent", ""]),
    ),
    st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=20),
)
accepts = st.sampled_from(
    [
        "",
        "*/*",
        CSV,
        JSON,
        JSON_LINES,
        NPY,
        "text/*",
        "image/png",
        f"image/png, {JSON};q=0.5",
        ";;,",
    ]
)
sizes = st.sampled_from([1] * 60 + [1000, 70_000])


@dataclass
class Running:
    """The server, one kept connection to it, and what it has answered."""

    process: subprocess.Popen[bytes]
    connection: http.client.HTTPConnection
    records: Path
    statuses: Counter[int] = field(default_factory=Counter)
    pings: int = 0

    def ask(
        self, method: str, path: str, body: bytes, headers: dict[str, str], *, chunked: bool
    ) -> tuple[int, str, bytes]:
        sent: Any = iter([body[:7], body[7:]]) if chunked else body
        self.connection.request(method, path, sent, headers, encode_chunked=chunked)
        answer = self.connection.getresponse()
        content = answer.read()
        self.statuses[answer.status] += 1
        self.pings += path == "/ping" and answer.status == 200
        return answer.status, answer.headers["content-type"], content


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("generated")
    write_model(folder)
    records, port = folder / "stdout", free_port()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    environment = {
        **os.environ,
        "SEATRIAL_MODEL_DIR": str(folder),
        "SEATRIAL_HOST": "127.0.0.1",
        "SAGEMAKER_BIND_TO_PORT": str(port),
    }
    with records.open("wb") as out, (folder / "stderr").open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "seatrial.serving"], stdout=out, stderr=err, env=environment
        )
    try:
        wait_for(process, connection)
        yield Running(process, connection, records)
    finally:
        connection.close()
        process.kill()
        process.wait(10)


def write_model(folder: Path) -> None:
    """Answers with its text, twice x, and whether b."""
    kinds = {"text": TensorProto.STRING, "x": TensorProto.DOUBLE, "n": TensorProto.INT64}
    kinds["b"] = TensorProto.FLOAT
    inputs = [helper.make_tensor_value_info(k, v, [None, 1]) for k, v in kinds.items()]
    nodes = [
        helper.make_node("Identity", ["text"], ["t"]),
        helper.make_node("Add", ["x", "x"], ["y"]),
        helper.make_node("Identity", ["n"], ["m"]),
        helper.make_node("Identity", ["b"], ["c"]),
    ]
    outputs = [
        helper.make_tensor_value_info(out, kinds[name], [None, 1])
        for out, name in zip("tymc", kinds, strict=True)
    ]
    graph = helper.make_graph(nodes, "echo", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    signature = {
        "model_file": "model.onnx",
        "inputs": [
            {"name": name, "type": kind, "required": name == "n", "onnx_input": name}
            for name, kind in TYPES.items()
        ],
        "outputs": [
            {"name": "t", "type": "string", "onnx_output": "t"},
            {"name": "y", "type": "double", "onnx_output": "y"},
            {"name": "m", "type": "long", "onnx_output": "m"},
        ],
        "input_example": [{"text": "a", "x": 1.0, "n": 1, "b": True}],
    }
    (folder / "signature.json").write_text(json.dumps(signature))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def wait_for(process: subprocess.Popen[bytes], connection: http.client.HTTPConnection) -> None:
    deadline = time.monotonic() + 30
    while True:
        assert process.poll() is None
        assert time.monotonic() < deadline
        try:
            connection.request("GET", "/ping")
            assert connection.getresponse().read() == b"{}"
        except ConnectionError:
            connection.close()
            time.sleep(0.02)
        else:
            return


def test_every_generated_request_is_answered_or_refused_with_an_explanation(
    running: Running,
) -> None:
    @settings(
        max_examples=REQUESTS,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        st.sampled_from(["POST"] * 30 + ["GET", "PUT"]),
        st.sampled_from(["/invocations"] * 30 + ["/ping", "/", "/invocations/x"]),
        bodies,
        content_types,
        accepts,
        sizes,
        st.booleans(),
    )
    def send(
        method: str, path: str, body: bytes, kind: str, accept: str, size: int, chunked: bool
    ) -> None:
        headers = {"Content-Type": kind, **({"Accept": accept} if accept else {})}
        body = body * min(size, 5 * 2**20 // max(1, len(body)))
        status, answered_in, content = running.ask(method, path, body, headers, chunked=chunked)
        assert status in EXPECTED, (status, content)
        if status != 200:
            assert answered_in == JSON
            error = json.loads(content)["error"]
            assert all(isinstance(error[name], str) for name in ("what", "got", "allowed", "do"))
            assert error["what"]
            assert error["do"]

    send()
    assert running.process.poll() is None
    assert sum(running.statuses.values()) >= REQUESTS
    assert running.statuses.keys() == EXPECTED, running.statuses
    # Each request that reached the model's door is in the log, once; long ones are in parts.
    lines = running.records.read_bytes().splitlines()
    recorded = {json.loads(line)["eventMetadata"]["eventId"] for line in lines}
    elsewhere = running.statuses[404] + running.statuses[405] + running.pings
    assert len(recorded) == sum(running.statuses.values()) - elsewhere
