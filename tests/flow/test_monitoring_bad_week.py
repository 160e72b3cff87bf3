"""A week in which much goes wrong, watched to the end: counted right, and nothing private told.

The carrier's names and the notes are personal: the endpoint records the first as keyed hashes, and
the second not at all. The records are written by the server's own recorder; in the middle of the
week a caller's schema changes, one column is never there, another is constant, objects are damaged,
empty, delivered twice.
"""

from __future__ import annotations

import base64
import gzip
import io
import os
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pandas as pd
import pytest
from interrupted import Ears
from watched import (
    MOVED,
    QUIET,
    SIGNATURE,
    Place,
    create_endpoint,
    make_baseline,
    record,
    watch,
    write_candidates,
    write_data,
)

from seatrial.aws import S3
from seatrial.config import load_config
from seatrial.contracts import InputColumn, Monitoring, Window, read_contract
from seatrial.serving.caller import Caller
from seatrial.serving.codec import decode, media_type
from seatrial.serving.invocation import Answer, Request
from seatrial.serving.record import Records, Served
from seatrial.serving.recorder import Recorder
from seatrial.serving.recording import read_recording
from seatrial.serving.settings import Identity
from seatrial.serving.signature import parse_signature

pytestmark = pytest.mark.flow

ENDPOINT, BUCKET, CSV = "bad", "lake-of-a-bad-week", "text/csv"
CARRIER, NOTE = "Zoe Quill", "Elm Crescent 7"
HIDING = {
    "SEATRIAL_RECORD_HASH": "carrier",
    "SEATRIAL_RECORD_HASH_KEY": "a key of our own",
    "SEATRIAL_RECORD_DROP": "note",
}
MARKS = {"hashed": ["carrier"], "dropped": ["note"]}
NOTES = InputColumn(name="note", type="string", required=False, onnx_input="note")
WITH_NOTES = SIGNATURE.model_copy(update={"inputs": (*SIGNATURE.inputs, NOTES)})
HOURS, ROWS = 84, 8


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    root = tmp_path_factory.mktemp("bad-week")
    config = load_config(
        None,
        bucket=BUCKET,
        endpoint={"name": ENDPOINT, "environment": HIDING},
        tracking={"mlflow_uri": f"sqlite:///{root / 'mlflow.db'}"},
        monitoring={"slices": ["hour"], "domain_classifier": True},
    )
    (root / "config.yaml").write_text(config.to_yaml())
    write_candidates(root, WITH_NOTES)
    write_data(root)
    for name in ("reference", "validation"):
        path = root / "data" / f"{name}.parquet"
        pd.read_parquet(path).assign(carrier=CARRIER, note=NOTE).to_parquet(path)
    return Place(root, config)


class Lines(list[bytes]):
    """Stands in for the server's standard output."""

    def write(self, line: bytes, *_: str) -> None:
        self.append(line)


def recorded() -> Lines:
    """Half a week: the temperature is never there, the hour is always 7."""
    lines, signature = Lines(), parse_signature(WITH_NOTES.model_dump(mode="json"))
    recorder = Recorder(
        cast(Records, lines), Identity(ENDPOINT, "AllTraffic", f"{ENDPOINT}-model"), recording()
    )
    body = f"{CARRIER},,7,{NOTE}\n".encode() * ROWS
    answer = b"".join(b"%d,%.2f\n" % (at % 2, at / ROWS) for at in range(ROWS))
    for hour in range(HOURS):
        served = Served(
            f"e-{hour}",
            f"{QUIET + timedelta(hours=hour):%Y-%m-%dT%H:%M:%SZ}",
            1.0,
            cold=False,
            rows=ROWS,
            status=200,
        )
        given = Answer(
            200, CSV, "CSV", answer, ROWS, decode(body, media_type(CSV), signature.inputs)
        )
        recorder.record(
            Caller(None, synthetic=False, time=None), Request(CSV, "", body), given, served
        )
    refused = Answer(400, "application/json", "JSON", f'{{"got":"{CARRIER} {NOTE}"}}'.encode(), 0)
    at = f"{QUIET:%Y-%m-%dT%H:%M:%SZ}"
    recorder.record(
        Caller(None, synthetic=False, time=None),
        Request(CSV, "", f"{CARRIER},warm,7,{NOTE}\n".encode()),
        refused,
        Served("refused", at, 1.0, cold=False, rows=0, status=400),
    )
    return lines


def recording() -> Any:
    return read_recording(HIDING)


def changed() -> Iterator[bytes]:
    """The other half: a column more than the model has."""
    ours = {"endpoint": ENDPOINT, "model_version": f"{ENDPOINT}-model"}
    for hour in range(HOURS, 2 * HOURS):
        at = QUIET + timedelta(hours=hour)
        yield record(f"e-{hour}", at, ",40,7,,new\n", "0,0.5\n", **MARKS, **ours)


def odd() -> list[bytes]:
    """Of the future, of another version, cut short, and nothing at all."""
    ours = {"endpoint": ENDPOINT, **MARKS}
    version = {"model_version": f"{ENDPOINT}-model"}
    soon = QUIET + timedelta(days=6)
    return [
        record("future", soon, ",40,7,\n", "0,0.5\n", **ours, **version),
        record("foreign", QUIET, ",40,7,\n", "0,0.5\n", **ours, model_version="bad-model-0"),
        b'{"captureData":{"endpointInput"',
        b"",
    ]


@dataclass(frozen=True)
class Said:
    """What did not go into files: output of the steps, messages to people, events."""

    output: io.StringIO = field(default_factory=io.StringIO)
    messages: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def said() -> Said:
    return Said()


@pytest.fixture(scope="module")
def verdict(cloud: Any, place: Place, said: Said) -> Iterator[Monitoring]:
    """The week's verdict, by all five steps; labels come with the name of whom they are of."""
    s3, sagemaker = cloud.client("s3"), cloud.client("sagemaker")
    s3.create_bucket(Bucket=BUCKET)
    with redirect_stdout(said.output), redirect_stderr(said.output):
        baseline = make_baseline(place)
    S3(s3).upload_folder(baseline, f"s3://{BUCKET}/baselines/{ENDPOINT}")
    archive = place.root / "candidates/fp32/model.tar.gz"
    S3(s3).upload(archive, f"s3://{BUCKET}/models/{ENDPOINT}/model.tar.gz")
    lines = recorded()
    first = gzip.compress(b"\n".join([*lines, *changed()]))
    twice = gzip.compress(b"\n".join(reversed(lines[:HOURS])))
    objects = {
        "2024/04/01/01/a.gz": first,
        "2024/04/01/01/b.gz": twice[: len(twice) // 2],
        "2024/04/01/02/c": b"",
        "2024/03/25/05/d": b"\n".join(odd()),
    }
    for key, body in objects.items():
        s3.put_object(Bucket=BUCKET, Key=f"predictions/{ENDPOINT}/AllTraffic/{key}", Body=body)
    labels = place.root / "data" / "labels.csv"
    rows = [f"e-{at // ROWS},{at % ROWS},{at % 2},{CARRIER}" for at in range(HOURS * ROWS)]
    labels.write_text("\n".join(["event_id,row,label,name", *rows]))
    ears = Ears(cloud, place.config.monitoring.alert_topic_arn, "ears-of-a-bad-week")
    create_endpoint(sagemaker, place.config)
    with redirect_stdout(said.output), redirect_stderr(said.output):
        found = watch(place, "week", QUIET, str(labels))
    for heard, new in zip((said.messages, said.events), ears.take(), strict=True):
        heard += new
    ears.close()
    yield found
    sagemaker.delete_endpoint(EndpointName=ENDPOINT)


def test_what_came_whole_is_judged_and_all_else_is_counted(verdict: Monitoring) -> None:
    window = verdict.window
    assert (window.records, window.rows) == (HOURS, HOURS * ROWS)
    assert (window.failed_requests, window.foreign_records) == (1, 1)
    assert 0 < window.duplicate_records <= HOURS // 2 + 1
    # The other schema, the future, what was cut short, and where the damaged object ends.
    assert HOURS + 2 <= window.broken_lines <= HOURS + 4
    assert window.unobserved_columns == ("carrier", "note")
    assert verdict.labels.labelled_rows == HOURS * ROWS


def test_an_empty_and_a_constant_column_are_told_of_and_stop_no_step(verdict: Monitoring) -> None:
    assert verdict.alert
    assert {"temp", "hour"} <= set(verdict.drift.drifted_columns)
    assert not {"carrier", "note"} & {item.column for item in verdict.drift.columns}
    assert any(item.column == "temp" for item in verdict.quality.failed)
    assert verdict.drift.classifier is not None
    assert verdict.drift.classifier.status == "drift"
    assert any(reason.startswith("Drift between columns") for reason in verdict.reasons)


def told(path: Path) -> bytes:
    """All that a file holds: as it is, and decoded; of a damaged archive what can be had."""
    content = path.read_bytes()
    if path.suffix == ".parquet":
        return content + pd.read_parquet(path).to_csv().encode()
    if content[:2] == b"\x1f\x8b":
        return content + zlib.decompressobj(wbits=31).decompress(content)
    return content


def forms() -> Iterator[bytes]:
    """The personal values and their words, as they are, in other letters, and encoded."""
    for text in (CARRIER, NOTE, CARRIER.split()[1], NOTE.split()[1]):
        plain = text.encode()
        yield from (plain, plain.lower(), plain.upper(), plain.hex().encode())
        yield from (text.encode("utf-16-le"), base64.b64encode(plain).rstrip(b"="))


def assert_private(content: bytes, where: object) -> None:
    found = [form for form in forms() if form in content]
    assert not found, (where, found)


def test_personal_data_is_in_no_file_that_monitoring_writes(
    place: Place, verdict: Monitoring, cloud: Any, tmp_path: Path
) -> None:
    """The baseline with the classifier's sample, each step's folder, MLflow, and S3."""
    ours = S3(cloud.client("s3")).download_folder(f"s3://{BUCKET}/", tmp_path)
    written = [
        path
        for folder in (place.root, ours)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.parent != place.root / "data"
    ]
    names = {path.name for path in written}
    assert {
        *("reference_sample.parquet", "held_out.parquet", "suite.json", "mlflow.db"),
        *("window.json", "broken.jsonl", "quality.json", "drift.json", "drift.html"),
        *("labels.json", "monitoring.json", "monitoring.html", "verdict.json"),
        *("part-0.parquet", "a.gz", "b.gz", "statistics.json", "constraints.json"),
    } <= names
    assert any("mlflow-artifacts" in str(path) for path in written)
    for path in written:
        assert_private(told(path), path)
    assert any(b"hash:carrier" in told(path) for path in written)
    planted = (place.root / "data" / "labels.csv", place.root / "data" / "reference.parquet")
    for path in planted:  # or the search would find nothing anywhere
        with pytest.raises(AssertionError):
            assert_private(told(path), path)


def test_personal_data_is_in_nothing_that_is_said(
    verdict: Monitoring, said: Said, cloud: Any
) -> None:
    """Output of the steps, messages, events, metrics and their dimensions."""
    assert len(said.messages) == len(said.events) == 1
    assert "seatrial alert: bad" in said.messages[0]
    metrics = cloud.client("cloudwatch").get_paginator("list_metrics").paginate()
    listed = [item for page in metrics for item in page["Metrics"]]
    assert "bad" in {pair["Value"] for item in listed for pair in item["Dimensions"]}
    for content in (said.output.getvalue(), *said.messages, *said.events, str(listed)):
        assert_private(content.encode(), content[:100])


def test_collecting_that_is_killed_and_run_again_counts_the_same(
    place: Place, verdict: Monitoring, cloud: Any
) -> None:
    out, seen = place.root / "killed", "window.parquet"
    command = [
        *(sys.executable, "-m", "seatrial.steps.collect_window"),
        *("--endpoint-name", ENDPOINT, "--config", place.config_file),
        *("--window-start", f"{QUIET:%Y-%m-%dT%H:%M:%SZ}"),
        *("--window-end", f"{MOVED:%Y-%m-%dT%H:%M:%SZ}", "--output", str(out)),
    ]
    environment = {**os.environ, **cloud.environment}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    while not (out / seen).exists() and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (out / seen).exists()
    subprocess.run(command, env=environment, check=True, timeout=120)
    assert read_contract(Window, out / "window.json") == verdict.window
    first, again = (
        pd.read_parquet(folder / "window.parquet") for folder in (place.root / "week/window", out)
    )
    pd.testing.assert_frame_equal(first, again)
