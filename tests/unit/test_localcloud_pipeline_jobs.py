"""A processing job's limits, paths, process and log, without any service."""

from __future__ import annotations

import io
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from seatrial.localcloud import job_log
from seatrial.localcloud.api import AwsError
from seatrial.localcloud.job_box import InputMissing, JobBox, rewritten
from seatrial.localcloud.job_log import JobLog, Line, batches
from seatrial.localcloud.job_process import JobProcess
from seatrial.localcloud.processing_rules import check_job, check_job_name


def request(**changes: Any) -> dict[str, Any]:
    application = {"ImageUri": "img", "ContainerEntrypoint": ["true"]}
    return {"AppSpecification": {**application, **changes.pop("application", {})}, **changes}


def s3_input(uri: str = "s3://b/k", path: str = "/opt/ml/processing/in") -> dict[str, Any]:
    return {"InputName": "in", "S3Input": {"S3Uri": uri, "LocalPath": path}}


LIMITS: list[tuple[str, Any, str]] = [
    ("argument", lambda n: request(application={"ContainerArguments": ["x" * n]}), "256"),
    ("entrypoint", lambda n: request(application={"ContainerEntrypoint": ["x" * n]}), "256"),
    ("environment", lambda n: request(Environment={"X": "x" * n}), "256"),
    ("image", lambda n: request(application={"ImageUri": "x" * n}), "255"),
    ("arguments", lambda n: request(application={"ContainerArguments": ["x"] * n}), "100"),
    ("variables", lambda n: request(Environment={f"X{i}": "" for i in range(n)}), "100"),
    ("inputs", lambda n: request(ProcessingInputs=[s3_input()] * n), "10"),
]


@pytest.mark.parametrize(
    ("make", "limit"), [(m, n) for _, m, n in LIMITS], ids=[i[0] for i in LIMITS]
)
def test_limits_hold_exactly(make: Any, limit: str) -> None:
    check_job(make(int(limit) - 1))
    check_job(make(int(limit)))
    with pytest.raises(AwsError, match=f"{int(limit) + 1} .*; {limit} are allowed"):
        check_job(make(int(limit) + 1))


@pytest.mark.parametrize(
    ("job", "message"),
    [
        pytest.param(
            request(application={"ContainerArguments": [3]}), r"\[0\] is 3, not text", id="number"
        ),
        pytest.param(
            request(application={"ContainerEntrypoint": []}), "Entrypoint is missing", id="program"
        ),
        pytest.param(request(Environment={"A-B": "x"}), "'A-B' does not match", id="variable"),
        pytest.param(request(ProcessingInputs=[s3_input("/k")]), "must be s3://", id="uri"),
        pytest.param(
            request(ProcessingInputs=[s3_input(path="/data")]), "must be below /opt/ml/", id="path"
        ),
        pytest.param(
            request(ProcessingInputs=[s3_input(path="/opt/ml/../../etc")]), "/opt/ml/", id="escape"
        ),
        pytest.param(
            request(ProcessingInputs=[{"InputName": "in"}]), "'in' has no S3Input", id="kind"
        ),
        pytest.param({}, "lacks or misuses a field: KeyError", id="nothing"),
    ],
)
def test_jobs_that_cannot_run_are_refused(job: dict[str, Any], message: str) -> None:
    with pytest.raises(AwsError, match=message):
        check_job(job)


def test_a_job_name_may_have_63_characters_and_not_64() -> None:
    check_job_name("j" * 63)
    for name in ("j" * 64, "", "-j", "j-", "a_b"):
        with pytest.raises(AwsError, match="ProcessingJobName is"):
            check_job_name(name)


@pytest.mark.parametrize(
    ("text", "here"),
    [
        ("/opt/ml", "/box/opt/ml"),
        ("/opt/ml/processing/out", "/box/opt/ml/processing/out"),
        ("--out=/opt/ml/out", "--out=/box/opt/ml/out"),
        ("/opt/ml/a:/opt/ml/b", "/box/opt/ml/a:/box/opt/ml/b"),
        ("open('/opt/ml/x')", "open('/box/opt/ml/x')"),
        ("s3://bucket/opt/ml/x", "s3://bucket/opt/ml/x"),
        ("/data/opt/ml/x", "/data/opt/ml/x"),
        ("/opt/mlflow", "/opt/mlflow"),
        ("/opt/ml-x", "/opt/ml-x"),
        ("nothing", "nothing"),
    ],
)
def test_declared_paths_are_rewritten_and_no_others(text: str, here: str) -> None:
    assert rewritten(text, Path("/box")) == here


class FakeS3:
    """Objects by key, of any bucket."""

    def __init__(self, objects: dict[str, bytes] | None = None) -> None:
        self.objects = objects or {}

    def get_paginator(self, _name: str) -> FakeS3:
        return self

    def paginate(self, **request: str) -> list[dict[str, Any]]:
        keys = [key for key in sorted(self.objects) if key.startswith(request["Prefix"])]
        return [{"Contents": [{"Key": key}]} for key in keys] or [{}]

    def get_object(self, **request: str) -> dict[str, Any]:
        return {"Body": io.BytesIO(self.objects[request["Key"]])}

    def put_object(self, **request: Any) -> None:
        self.objects[request["Key"]] = request["Body"].read()


@pytest.mark.parametrize(
    ("uri", "files"),
    [
        pytest.param("s3://b/data", {"x.csv", "sub/y.csv"}, id="prefix"),
        pytest.param("s3://b/data/", {"x.csv", "sub/y.csv"}, id="prefix with a slash"),
        pytest.param("s3://b/data/x.csv", {"x.csv"}, id="one object"),
        pytest.param("s3://b/data/sub", {"y.csv"}, id="deeper"),
    ],
)
def test_inputs_come_from_the_prefix_or_the_object(
    tmp_path: Path, uri: str, files: set[str]
) -> None:
    s3 = {"data/": b"", "data/x.csv": b"1", "data/sub/y.csv": b"2", "data-2/z.csv": b"3"}
    box = JobBox(tmp_path / "box", FakeS3(s3))
    box.prepare(request(ProcessingInputs=[s3_input(uri)]))
    folder = tmp_path / "box/opt/ml/processing/in"
    assert {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} == files


def test_an_input_without_an_object_says_so(tmp_path: Path) -> None:
    box = JobBox(tmp_path / "box", FakeS3())
    with pytest.raises(InputMissing, match="no object under s3://b/none"):
        box.prepare(request(ProcessingInputs=[s3_input("s3://b/none")]))


def test_outputs_go_below_their_uri_and_the_box_goes_away(tmp_path: Path) -> None:
    s3 = FakeS3()
    output = {"S3Uri": "s3://b/runs/out", "LocalPath": "/opt/ml/processing/out"}
    job = request(ProcessingOutputConfig={"Outputs": [{"OutputName": "o", "S3Output": output}]})
    box = JobBox(tmp_path / "box", s3)
    box.prepare(job)
    written = tmp_path / "box/opt/ml/processing/out/sub/file.txt"
    written.parent.mkdir()
    written.write_text("hello")
    box.upload(job)
    box.remove()
    assert s3.objects == {"runs/out/sub/file.txt": b"hello"}
    assert not (tmp_path / "box").exists()


def test_command_and_environment_have_paths_here(tmp_path: Path) -> None:
    application = {
        "ContainerEntrypoint": ["python3", "/opt/ml/processing/code/x.py"],
        "ContainerArguments": ["--out", "/opt/ml/processing/out"],
    }
    job = request(application=application, Environment={"DATA": "/opt/ml/processing/in"})
    box = JobBox(tmp_path, FakeS3())
    root = str(tmp_path)
    assert box.command(job) == [
        "python3",
        f"{root}/opt/ml/processing/code/x.py",
        "--out",
        f"{root}/opt/ml/processing/out",
    ]
    assert box.environment(job)["DATA"] == f"{root}/opt/ml/processing/in"


def start(tmp_path: Path, code: str) -> JobProcess:
    environment = {"TMPDIR": str(tmp_path / "tmp"), "PATH": os.environ["PATH"]}
    return JobProcess([sys.executable, "-c", code], environment=environment, folder=tmp_path)


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False


def test_an_exit_code_comes_back(tmp_path: Path) -> None:
    process = start(tmp_path, "raise SystemExit(3)")
    for stream in process.streams:
        stream.close()
    assert process.wait(30) == 3
    assert not process.timed_out


def test_a_job_over_its_time_is_killed_with_all_it_started(tmp_path: Path) -> None:
    detached = (
        "import subprocess, sys, time;"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'],"
        " start_new_session=True);"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    process = start(tmp_path, detached)
    out, err = process.streams
    child = int(out.readline())
    began = time.monotonic()
    process.wait(0.1)
    assert process.timed_out
    assert time.monotonic() - began < 5
    deadline = time.monotonic() + 5
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not alive(child)
    out.close()
    err.close()


def test_stop_asks_first(tmp_path: Path) -> None:
    code = (
        "import signal, sys, time;"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7));"
        "print('up', flush=True); time.sleep(60)"
    )
    process = start(tmp_path, code)
    out, err = process.streams
    out.readline()
    process.stop()
    assert process.wait(30) == 7
    out.close()
    err.close()


def printed(tmp_path: Path, out: str, err: str) -> tuple[JobLog, list[str]]:
    sent: list[str] = []
    log = JobLog(
        tmp_path / "j/output.log", lambda ls: sent.extend(x.text for x in ls), now=lambda: 1.0
    )
    log.pump(io.BytesIO(out.encode()), is_error=False)
    log.pump(io.BytesIO(err.encode()), is_error=True)
    log.close()
    return log, sent


def test_lines_are_kept_and_sent(tmp_path: Path) -> None:
    _, sent = printed(tmp_path, "one\ntwo", "three\r\n")
    assert sent == ["one", "two", "three"]
    assert (tmp_path / "j/output.log").read_text() == "one\ntwo\nthree\n"


@pytest.mark.parametrize(
    ("err", "message"),
    [
        ("Traceback\nValueError: x\n\n", "ValueError: x"),
        ("seatrial: no signature\nlater noise\n", "seatrial: no signature"),
        ("", ""),
    ],
)
def test_the_exit_message_is_our_own_line_else_the_last(
    tmp_path: Path, err: str, message: str
) -> None:
    assert printed(tmp_path, "stdout counts not\n", err)[0].exit_message == message


def test_an_exit_message_of_1024_bytes_is_whole_and_one_of_1025_is_cut(tmp_path: Path) -> None:
    assert len(printed(tmp_path, "", "e" * 1024)[0].exit_message) == 1024
    assert len(printed(tmp_path, "", "e" * 1025)[0].exit_message) == 1024
    assert len(printed(tmp_path, "", "e" * 1023 + "ä")[0].exit_message) == 1023


def test_a_log_that_cannot_be_sent_fails_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def send(lines: list[Line]) -> None:
        raise ConnectionError("gone")

    log = JobLog(tmp_path / "output.log", send, now=time.time)
    log.pump(io.BytesIO(b"one\n"), is_error=False)
    log.close()
    assert "1 log lines were not sent: ConnectionError('gone')" in caplog.text


def lines(*texts: str) -> list[Line]:
    return [Line(0.0, text) for text in texts]


def test_batches_hold_10000_events() -> None:
    assert [len(batch) for batch in batches(lines(*["x"] * 10_001))] == [10_000, 1]


def test_batches_hold_one_mebibyte_with_26_bytes_for_each_event() -> None:
    quarter = "x" * (job_log.MAX_BATCH_BYTES // 4 - 26)
    assert [len(batch) for batch in batches(lines(*[quarter] * 4))] == [4]
    assert [len(batch) for batch in batches(lines(*[quarter] * 4, "y"))] == [4, 1]


def test_empty_lines_are_dropped_and_long_ones_cut() -> None:
    longest = "x" * job_log.MAX_EVENT_BYTES
    (batch,) = batches(lines("", longest, longest + "y", ""))
    assert [line.text for line in batch] == [longest, longest, "y"]
    assert list(batches([])) == []
